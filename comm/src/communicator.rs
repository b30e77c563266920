//! The communicator itself: who one is, how one ends. Its operations are in `collectives/`, `messages.rs` and `map.rs`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use phalanx_codec::Value;

use crate::courier::{Courier, Incoming, Outgoing};
use crate::error::{CommError, clip};
use crate::raw;
use crate::stamp::{ANY, NONE, Operation, Stamp};
use crate::transport::Transport;

/// One rank of a group of ranks that run the same program.
///
/// Every rank must call the same collective operations in the same order, with the same root, type and, where lengths must agree,
/// lengths; ranks that do not are told so, all with the same [`CommError::Mismatch`]. An operation may return on one rank before others
/// have begun it, as far as its meaning allows.
///
/// A communicator and its [subgroups](Self::subgroup) belong to the thread that made them: they share its connections. What crosses threads
/// is the [`Transport`] it is made of.
///
/// ```
/// use phalanx_comm::run_spmd;
/// let sum = run_spmd("threads", 4, |comm| comm.all_reduce(&[comm.rank() as u64], phalanx_comm::Op::Sum));
/// assert_eq!(sum, Ok(vec![6]));
/// ```
pub struct Communicator {
    pub(crate) courier: Rc<RefCell<Courier>>,
    group: u64,
    /// The members, as ranks of the whole.
    members: Rc<[usize]>,
    rank: usize,
    /// How often each subgroup was made.
    subgroups: RefCell<HashMap<Vec<usize>, u64>>,
}

impl std::fmt::Debug for Communicator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(rank {} of {})", self.transport_name(), self.rank, self.size())
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // While an operation of the group runs, nobody can drop it.
        if let Ok(mut courier) = self.courier.try_borrow_mut() {
            courier.remove_group(self.group);
        }
    }
}

impl Communicator {
    /// Over a transport of one's own, or of [`sockets`](crate::transport::sockets).
    ///
    /// ```
    /// use phalanx_comm::{Communicator, transport::Serial};
    /// let comm = Communicator::new(Box::new(Serial));
    /// assert_eq!((comm.rank(), comm.size(), comm.transport_name()), (0, 1, "serial"));
    /// ```
    #[must_use]
    pub fn new(transport: Box<dyn Transport>) -> Self {
        let courier = Courier::new(transport);
        let (rank, members) = (courier.rank(), (0..courier.size()).collect());
        Self::of_group(Rc::new(RefCell::new(courier)), 0, members, rank)
    }

    fn of_group(courier: Rc<RefCell<Courier>>, group: u64, members: Rc<[usize]>, rank: usize) -> Self {
        courier.borrow_mut().add_group(group);
        Self { courier, group, members, rank, subgroups: RefCell::default() }
    }

    /// Which one this is, from 0.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd_all("threads", 3, |comm| Ok::<_, CommError>(comm.rank())), Ok(vec![0, 1, 2]));
    /// ```
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd("threads", 3, |comm| Ok::<_, CommError>(comm.size())), Ok(3));
    /// ```
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Whether this is rank 0.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd_all("threads", 2, |comm| Ok::<_, CommError>(comm.is_root())), Ok(vec![true, false]));
    /// ```
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.rank == 0
    }

    /// The way it runs: "serial", "threads", …
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// assert_eq!(run_spmd("threads", 2, |comm| Ok::<_, CommError>(comm.transport_name().to_owned())), Ok("threads".into()));
    /// ```
    #[must_use]
    pub fn transport_name(&self) -> &'static str {
        self.courier.borrow().transport_name()
    }

    /// How long an operation of this rank may wait without any progress; for ever at first. What takes longer is a [`CommError::TimedOut`] on every rank.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// # use std::time::Duration;
    /// let end = run_spmd("threads", 2, |comm| {
    ///     comm.set_timeout(Some(Duration::from_millis(20)));
    ///     if comm.is_root() { comm.recv::<u8>(1, 0) } else { comm.recv::<u8>(0, 0) }
    /// });
    /// assert!(matches!(end, Err(CommError::TimedOut { .. })));
    /// ```
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        self.courier.borrow_mut().set_timeout(timeout);
    }

    /// Why the communicator is broken, if it is.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let comm = Communicator::new(Box::new(transport::Serial));
    /// assert_eq!(comm.failure(), None);
    /// let said = comm.fail("no more fuel");
    /// assert_eq!(comm.failure(), Some(said));
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<CommError> {
        self.courier.borrow().failure().cloned()
    }

    /// This rank cannot go on: ends all work on all ranks. Returns the error that every rank gets, which is another one if others failed too.
    ///
    /// The runners call it for programs that return an error or panic.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let ends = run_spmd("threads", 2, |comm| match comm.is_root() {
    ///     true => Err(comm.fail("no more fuel")),
    ///     false => comm.barrier(),
    /// });
    /// assert_eq!(ends.unwrap_err().to_string(), "rank 0 failed: no more fuel");
    /// ```
    pub fn fail(&self, message: impl Display) -> CommError {
        let mut courier = self.courier.borrow_mut();
        let rank = courier.rank();
        courier.fail(CommError::Remote { rank, message: clip(message) })
    }

    /// The program of this rank is over: waits until all are, or one fails. The runners call it.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let comm = Communicator::new(Box::new(transport::Serial));
    /// comm.finish()?;
    /// assert_eq!(comm.barrier(), Err(CommError::Finished));
    /// # Ok::<(), CommError>(())
    /// ```
    pub fn finish(&self) -> Result<(), CommError> {
        self.courier.borrow_mut().finish()
    }

    /// A communicator of some ranks, numbered in the given order. To be called by all of them, with the same list; others that call it
    /// get `None`. Nothing is sent. Groups may overlap and have groups of their own.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let sums = run_spmd_all("threads", 5, |comm| {
    ///     let odd = comm.subgroup(&[1, 3])?;
    ///     odd.map(|odd| odd.all_reduce(&[comm.rank() as u32], Op::Sum)).transpose()
    /// });
    /// assert_eq!(sums, Ok(vec![None, Some(vec![4]), None, Some(vec![4]), None]));
    /// ```
    pub fn subgroup(&self, ranks: &[usize]) -> Result<Option<Self>, CommError> {
        let call = || format!("subgroup({ranks:?})");
        let mut sorted = ranks.to_vec();
        sorted.sort_unstable();
        if let Some(outside) = sorted.iter().find(|r| **r >= self.size()) {
            return Err(self.invalid(call(), format!("there is no rank {outside} among {}", self.size())));
        }
        if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
            return Err(self.invalid(call(), format!("rank {} is there twice", twice[0])));
        }
        self.courier.borrow().usable()?;
        let times = {
            let mut made = self.subgroups.borrow_mut();
            let times = made.entry(ranks.to_vec()).or_default();
            *times += 1;
            *times
        };
        let Some(rank) = ranks.iter().position(|r| *r == self.rank) else { return Ok(None) };
        let members: Rc<[usize]> = ranks.iter().map(|r| self.members[*r]).collect();
        let mut hash = blake3::Hasher::new();
        for n in [self.group, times].into_iter().chain(members.iter().map(|r| *r as u64)) {
            hash.update(&n.to_le_bytes());
        }
        let bytes: [u8; 8] = hash.finalize().as_bytes()[..8].try_into().expect("eight bytes");
        // 0 is the whole.
        let group = u64::from_le_bytes(bytes).max(1);
        Ok(Some(Self::of_group(Rc::clone(&self.courier), group, members, rank)))
    }

    // What the operations are made of.

    pub(crate) fn stamp(&self, operation: Operation) -> Stamp {
        Stamp { group: self.group, seq: 0, operation, detail: 0, root: NONE, kind: 0, count: ANY }
    }

    /// A collective begins.
    pub(crate) fn begin(&self, stamp: Stamp) -> Result<Stamp, CommError> {
        if stamp.root != NONE && stamp.root as usize >= self.size() {
            let message = format!("there is no rank {} among {}", stamp.root, self.size());
            return Err(self.invalid(stamp.call(), message));
        }
        self.courier.borrow_mut().begin(stamp)
    }

    pub(crate) fn exchange(
        &self,
        sends: &mut [Outgoing<'_>],
        receives: &mut [Incoming<'_>],
    ) -> Result<(), CommError> {
        self.courier.borrow_mut().exchange(sends, receives)
    }

    pub(crate) fn send_bytes(&self, to: usize, stamp: Stamp, bytes: &[u8]) -> Result<(), CommError> {
        self.exchange(&mut [self.to(to, stamp, bytes)], &mut [])
    }

    pub(crate) fn recv_bytes(&self, from: usize, stamp: Stamp) -> Result<Vec<u8>, CommError> {
        let mut bytes = Vec::new();
        self.exchange(&mut [], &mut [self.bytes_from(from, stamp, &mut bytes)])?;
        Ok(bytes)
    }

    /// A message to a rank of this group.
    pub(crate) fn to<'a>(&self, to: usize, stamp: Stamp, bytes: &'a [u8]) -> Outgoing<'a> {
        Outgoing::new(self.members[to], stamp, bytes)
    }

    /// A message from a rank of this group, to its place.
    pub(crate) fn slice_from<'a>(&self, from: usize, stamp: Stamp, place: &'a mut [u8]) -> Incoming<'a> {
        Incoming::slice(self.members[from], stamp, place)
    }

    /// A message of any length.
    pub(crate) fn bytes_from<'a>(&self, from: usize, stamp: Stamp, place: &'a mut Vec<u8>) -> Incoming<'a> {
        Incoming::bytes(self.members[from], stamp, place)
    }

    pub(crate) fn member(&self, rank: usize) -> usize {
        self.members[rank]
    }

    /// A call that makes no sense ends all work.
    pub(crate) fn invalid(&self, call: String, message: String) -> CommError {
        let mut courier = self.courier.borrow_mut();
        let rank = courier.rank();
        courier.fail(CommError::Invalid { rank, call, message })
    }

    /// The value's bytes: where they lie, if it is a vector of numbers.
    pub(crate) fn encode<'v, T: Value>(
        &self,
        stamp: &Stamp,
        value: &'v T,
    ) -> Result<Cow<'v, [u8]>, CommError> {
        if let Some(bytes) = raw::bytes(value) {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::new();
        phalanx_codec::encode(value, &mut bytes).map_err(|e| self.bad_value(stamp, &e))?;
        Ok(Cow::Owned(bytes))
    }

    pub(crate) fn decode<T: Value>(&self, stamp: &Stamp, bytes: &[u8]) -> Result<T, CommError> {
        phalanx_codec::decode(bytes).map_err(|e| self.bad_value(stamp, &e))
    }

    pub(crate) fn bad_value(&self, stamp: &Stamp, message: &dyn Display) -> CommError {
        let mut courier = self.courier.borrow_mut();
        let rank = courier.rank();
        courier.fail(CommError::Value { rank, call: stamp.call(), message: clip(message) })
    }
}
