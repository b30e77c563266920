//! `send`, `recv`, `send_recv`: from one rank to one other.

use phalanx_codec::{Number, Value};

use crate::stamp::{Operation, Stamp, kind_of};
use crate::{CommError, Communicator};

impl Communicator {
    /// Sends a value. May return before it is received; up to 64 MiB from one rank to another may be under way unasked for, beyond
    /// that it waits for the receiver. Not to oneself: who may be its own neighbour, as the only rank is, must not send. Two ranks that both send more than that to each other should use [`send_recv`](Self::send_recv).
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let got = run_spmd_all("threads", 2, |comm| match comm.rank() {
    ///     0 => comm.send(1, 7, &("x".to_owned(), 1.5)).map(|()| None),
    ///     _ => comm.recv::<(String, f64)>(0, 7).map(Some),
    /// });
    /// assert_eq!(got, Ok(vec![None, Some(("x".to_owned(), 1.5))]));
    /// ```
    pub fn send<T: Value>(&self, to: usize, tag: u32, value: &T) -> Result<(), CommError> {
        let stamp = self.message::<T>(tag);
        self.check_peer("send", to, tag)?;
        self.send_bytes(to, stamp, &self.encode(&stamp, value)?)
    }

    /// Receives the next value of that rank with that tag. Messages with other tags can be received before or after.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let got = run_spmd_all("threads", 2, |comm| match comm.rank() {
    ///     0 => comm.send(1, 1, &10).and_then(|()| comm.send(1, 2, &20)).map(|()| 0),
    ///     _ => Ok(comm.recv::<i32>(0, 2)? - comm.recv::<i32>(0, 1)?),
    /// });
    /// assert_eq!(got, Ok(vec![0, 10]));
    /// ```
    pub fn recv<T: Value>(&self, from: usize, tag: u32) -> Result<T, CommError> {
        let stamp = self.message::<T>(tag);
        self.check_peer("recv", from, tag)?;
        self.decode(&stamp, &self.recv_bytes(from, stamp)?)
    }

    /// Sends numbers from where they lie.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let got = run_spmd_all("threads", 2, |comm| {
    ///     let mut x = [comm.rank() as f64; 3];
    ///     match comm.rank() {
    ///         0 => comm.send_from(1, 0, &x)?,
    ///         _ => comm.recv_into(0, 0, &mut x)?,
    ///     }
    ///     Ok::<_, CommError>(x.to_vec())
    /// });
    /// assert_eq!(got, Ok(vec![vec![0.0; 3]; 2]));
    /// ```
    pub fn send_from<N: Number>(&self, to: usize, tag: u32, numbers: &[N]) -> Result<(), CommError> {
        self.check_peer("send_from", to, tag)?;
        self.send_bytes(to, self.message::<Vec<N>>(tag), bytemuck::cast_slice(numbers))
    }

    /// Receives numbers straight to where they belong; as many must come. What [`send`](Self::send) sends as a vector of numbers can be received so too.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let end = run_spmd("threads", 2, |comm| match comm.rank() {
    ///     0 => comm.send(1, 0, &vec![1_u8, 2, 3]),
    ///     _ => comm.recv_into(0, 0, &mut [0_u8; 2]),
    /// });
    /// assert!(matches!(end, Err(CommError::Length { expected_bytes: 2, got_bytes: 3, .. })));
    /// ```
    pub fn recv_into<N: Number>(&self, from: usize, tag: u32, numbers: &mut [N]) -> Result<(), CommError> {
        self.check_peer("recv_into", from, tag)?;
        let place = bytemuck::cast_slice_mut(numbers);
        self.exchange(&mut [], &mut [self.slice_from(from, self.message::<Vec<N>>(tag), place)])
    }

    /// Sends and receives at the same time, so that ranks which all do so never wait for each other.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let got = run_spmd_all("threads", 3, |comm| {
    ///     let (next, before) = ((comm.rank() + 1) % 3, (comm.rank() + 2) % 3);
    ///     let mut got = [0];
    ///     comm.send_recv(next, &[comm.rank()], before, &mut got, 0).map(|()| got[0])
    /// });
    /// assert_eq!(got, Ok(vec![2, 0, 1]));
    /// ```
    pub fn send_recv<N: Number>(
        &self,
        to: usize,
        sent: &[N],
        from: usize,
        received: &mut [N],
        tag: u32,
    ) -> Result<(), CommError> {
        self.check_peer("send_recv", to, tag)?;
        self.check_peer("send_recv", from, tag)?;
        let (stamp, place) = (self.message::<Vec<N>>(tag), bytemuck::cast_slice_mut(received));
        let mut sends = [self.to(to, stamp, bytemuck::cast_slice(sent))];
        self.exchange(&mut sends, &mut [self.slice_from(from, stamp, place)])
    }

    fn message<T: 'static>(&self, tag: u32) -> Stamp {
        Stamp { seq: u64::from(tag), kind: kind_of::<T>(), ..self.stamp(Operation::Message) }
    }

    fn check_peer(&self, call: &str, peer: usize, tag: u32) -> Result<(), CommError> {
        let call = || format!("{call}(rank {peer}, tag {tag})");
        if peer >= self.size() {
            let message = format!("there is no rank {peer} among {}", self.size());
            return Err(self.invalid(call(), message));
        }
        if peer == self.rank() {
            return Err(self.invalid(call(), "a rank sends nothing to itself".to_owned()));
        }
        Ok(())
    }
}
