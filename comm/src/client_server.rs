//! A client and its servers.

use crate::{CommError, Communicator};

/// A program of two parts: rank 0 is the client, all others are servers.
///
/// ```
/// use phalanx_comm::{ClientServerRunner, CommError, run_spmd};
///
/// let answers = run_spmd("threads", 4, |comm| {
///     let client = |comm: &phalanx_comm::Communicator| {
///         comm.broadcast(0, Some(10_usize))?;
///         comm.gather(0, 0_usize)
///     };
///     let server = |comm: &phalanx_comm::Communicator| {
///         let question: usize = comm.broadcast(0, None)?;
///         comm.gather(0, question * comm.rank()).map(|_| ())
///     };
///     ClientServerRunner::new(client, server).run(comm)
/// });
/// assert_eq!(answers, Ok(Some(Some(vec![0, 10, 20, 30]))));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ClientServerRunner<C, S> {
    client: C,
    server: S,
}

impl<C, S> ClientServerRunner<C, S> {
    /// Of these two parts.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let comm = Communicator::new(Box::new(transport::Serial));
    /// let alone = ClientServerRunner::new(|_: &Communicator| Ok::<_, CommError>(1), |_: &Communicator| unreachable!());
    /// assert_eq!(alone.run(&comm), Ok(Some(1)));
    /// ```
    pub fn new(client: C, server: S) -> Self {
        Self { client, server }
    }

    /// Runs the part of this rank; the client's value on rank 0, `None` on others.
    ///
    /// ```
    /// # use phalanx_comm::*;
    /// let ends = run_spmd_all("threads", 2, |comm| {
    ///     let both = ClientServerRunner::new(|c: &Communicator| c.send(1, 0, &"work".to_owned()), |c: &Communicator| c.recv::<String>(0, 0).map(drop));
    ///     both.run(comm).map(|end| end.is_some())
    /// });
    /// assert_eq!(ends, Ok(vec![true, false]));
    /// ```
    pub fn run<T, E>(&self, comm: &Communicator) -> Result<Option<T>, E>
    where
        C: Fn(&Communicator) -> Result<T, E>,
        S: Fn(&Communicator) -> Result<(), E>,
        E: From<CommError>,
    {
        if comm.is_root() { (self.client)(comm).map(Some) } else { (self.server)(comm).map(|()| None) }
    }
}
