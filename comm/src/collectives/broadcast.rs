//! `broadcast`, `broadcast_into`.

use phalanx_codec::{Number, Value};

use super::{SEGMENT_BYTES, SHORT_BYTES_MAX};
use crate::raw;
use crate::stamp::{Operation, Stamp, kind_of, root_on_stamp};
use crate::{CommError, Communicator};

/// Segments that an end of the chain sends or receives in one exchange.
const SEGMENTS_AT_ONCE: usize = 16;

impl Communicator {
    /// The root's value, on every rank. The root gives `Some`; what others give is ignored.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let flags = run_spmd_all("threads", 3, |comm| comm.broadcast(1, (comm.rank() == 1).then(|| "woop".to_owned())));
    /// assert_eq!(flags, Ok(vec!["woop".to_owned(); 3]));
    /// ```
    pub fn broadcast<T: Value>(&self, root: usize, value: Option<T>) -> Result<T, CommError> {
        let mut stamp = self.stamp(Operation::Broadcast);
        (stamp.root, stamp.kind) = (root_on_stamp(root), kind_of::<T>());
        let stamp = self.begin(stamp)?;
        if self.rank() != root {
            return self.take_in(stamp, root);
        }
        let Some(value) = value else {
            return Err(self.invalid(stamp.call(), "the root gave no value".to_owned()));
        };
        self.give_out(stamp, &value)?;
        Ok(value)
    }

    /// Overwrites the numbers of all ranks with the root's. Lengths must agree.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let last = run_spmd_all("threads", 3, |comm| {
    ///     let mut x = vec![comm.rank() as f64; 100_000];
    ///     comm.broadcast_into(2, &mut x).map(|()| x[99_999])
    /// });
    /// assert_eq!(last, Ok(vec![2.0; 3]));
    /// ```
    pub fn broadcast_into<N: Number>(&self, root: usize, numbers: &mut [N]) -> Result<(), CommError> {
        let mut stamp = self.stamp(Operation::BroadcastInto);
        (stamp.root, stamp.kind, stamp.count) = (root_on_stamp(root), kind_of::<N>(), numbers.len() as u64);
        let stamp = self.begin(stamp)?;
        let bytes = bytemuck::cast_slice_mut::<N, u8>(numbers);
        if bytes.len() <= SHORT_BYTES_MAX {
            if let Some(parent) = self.parent(root) {
                self.exchange(&mut [], &mut [self.slice_from(parent, stamp, bytes)])?;
            }
            self.to_children(root, stamp, bytes)
        } else if self.rank() == root {
            self.begin_chain(stamp, bytes)
        } else {
            self.chain(root, stamp, bytes)
        }
    }

    /// The root's part of a broadcast. First the length goes along the tree, with the bytes if they are few; the others do not know it.
    pub(crate) fn give_out<T: Value>(&self, stamp: Stamp, value: &T) -> Result<(), CommError> {
        if self.size() == 1 {
            return Ok(());
        }
        let bytes = self.encode(&stamp, value)?;
        let inline = if bytes.len() <= SHORT_BYTES_MAX { &bytes[..] } else { &[] };
        let short = [&(bytes.len() as u64).to_le_bytes(), inline].concat();
        self.to_children(self.rank(), stamp, &short)?;
        if bytes.len() > SHORT_BYTES_MAX { self.begin_chain(stamp, &bytes) } else { Ok(()) }
    }

    /// The others' part.
    pub(crate) fn take_in<T: Value>(&self, stamp: Stamp, root: usize) -> Result<T, CommError> {
        let parent = self.parent(root).unwrap_or(root);
        let short = self.recv_bytes(parent, stamp)?;
        self.to_children(root, stamp, &short)?;
        let Some((len, inline)) = short.split_first_chunk::<8>() else {
            return Err(self.bad_value(&stamp, &"a length is missing"));
        };
        let len = u64::from_le_bytes(*len);
        if len <= SHORT_BYTES_MAX as u64 {
            return self.decode(&stamp, inline);
        }
        if let Some(mut numbers) = raw::zeroed::<T>(len)
            && let Some(place) = raw::bytes_mut(&mut numbers)
        {
            self.chain(root, stamp, place)?;
            return Ok(numbers);
        }
        let mut bytes = self.room(&stamp, len)?;
        self.chain(root, stamp, &mut bytes)?;
        self.decode(&stamp, &bytes)
    }

    /// Room for so many bytes, as another rank announced.
    pub(crate) fn room(&self, stamp: &Stamp, len: u64) -> Result<Vec<u8>, CommError> {
        crate::courier::zeroed(len)
            .ok_or_else(|| self.bad_value(stamp, &format!("there is no memory for {len} bytes")))
    }

    /// Where a rank gets it from in a binomial tree; `None` for the root.
    fn parent(&self, root: usize) -> Option<usize> {
        let size = self.size();
        let place = (self.rank() + size - root) % size;
        (place != 0).then(|| ((place & (place - 1)) + root) % size)
    }

    /// Passes it on in a binomial tree, to the largest part of it first.
    fn to_children(&self, root: usize, stamp: Stamp, bytes: &[u8]) -> Result<(), CommError> {
        let size = self.size();
        let place = (self.rank() + size - root) % size;
        let below = if place == 0 { size.next_power_of_two() } else { place & place.wrapping_neg() };
        let steps =
            std::iter::successors(Some(below / 2), |step| Some(step / 2)).take_while(|step| *step > 0);
        let children = steps.map(|step| place + step).filter(|child| *child < size);
        let mut sends: Vec<_> = children.map(|child| self.to((child + root) % size, stamp, bytes)).collect();
        if sends.is_empty() { Ok(()) } else { self.exchange(&mut sends, &mut []) }
    }

    /// The root's end of a chain.
    fn begin_chain(&self, stamp: Stamp, bytes: &[u8]) -> Result<(), CommError> {
        let after = (self.rank() + 1) % self.size();
        if after == self.rank() {
            return Ok(());
        }
        bytes.chunks(SEGMENT_BYTES * SEGMENTS_AT_ONCE).try_for_each(|part| {
            let segments = part.chunks(SEGMENT_BYTES);
            let mut sends: Vec<_> = segments.map(|segment| self.to(after, stamp, segment)).collect();
            self.exchange(&mut sends, &mut [])
        })
    }

    /// From rank to rank, in segments that follow each other.
    fn chain(&self, root: usize, stamp: Stamp, bytes: &mut [u8]) -> Result<(), CommError> {
        let (rank, size) = (self.rank(), self.size());
        let (before, after) = ((rank + size - 1) % size, (rank + 1) % size);
        if after == root {
            return bytes.chunks_mut(SEGMENT_BYTES * SEGMENTS_AT_ONCE).try_for_each(|part| {
                let segments = part.chunks_mut(SEGMENT_BYTES);
                let mut receives: Vec<_> = segments.map(|s| self.slice_from(before, stamp, s)).collect();
                self.exchange(&mut [], &mut receives)
            });
        }
        let mut passed: &[u8] = &[];
        for segment in bytes.chunks_mut(SEGMENT_BYTES) {
            let mut receives = [self.slice_from(before, stamp, segment)];
            match passed {
                [] => self.exchange(&mut [], &mut receives)?,
                _ => self.exchange(&mut [self.to(after, stamp, passed)], &mut receives)?,
            }
            passed = segment;
        }
        self.send_bytes(after, stamp, passed)
    }
}
