//! Ways for bytes to get from rank to rank.
//!
//! A transport is a full mesh of byte streams, one each way between any two ranks, none of which ever blocks. All that makes a communicator
//! (messages, operations, agreement about failures) is built on it once, in the courier; that is why a
//! program gives the same answer on all of them.

use std::io::{self, IoSlice};
use std::time::Duration;

#[cfg(feature = "mpi")]
pub mod mpi;
pub mod sockets;
mod threads;

pub(crate) use threads::threads;

/// What a rank waits for, of one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// Bytes to read.
    pub read: bool,
    /// Room to write.
    pub write: bool,
}

/// One rank's ends of the streams to all others.
pub trait Transport {
    /// Which rank this is.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// What this way of running is called.
    fn name(&self) -> &'static str;

    /// Writes what there is room for, in order; `WouldBlock` when there is none.
    fn write(&mut self, peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Reads what has come; `WouldBlock` when nothing has, 0 when the peer is gone and nothing will come.
    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize>;

    /// Sleeps until one of the interests (by rank) may be fulfilled, or the time is over; may well return too early.
    fn wait(&mut self, interests: &[Interest], timeout: Duration) -> io::Result<()>;

    /// What else a waiting rank has to do, whenever it looks: nothing, for most.
    fn progress(&mut self) {}
}

/// The only rank there is: nobody to talk to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

impl Transport for Serial {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn name(&self) -> &'static str {
        "serial"
    }

    fn write(&mut self, _peer: usize, _bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn read(&mut self, _peer: usize, _into: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn wait(&mut self, _interests: &[Interest], _timeout: Duration) -> io::Result<()> {
        Ok(())
    }
}
