//! Ranks that are processes: Unix sockets between those of one host, TCP between others.
//!
//! Each rank makes a [`Listener`] and learns, from whoever started it, the addresses of all; then [`connect`] makes the mesh: a rank connects to
//! those below it and is connected to by those above. Both ends of each connection prove that they know the session's secret (`handshake.rs`),
//! and that they are of the same program and size, before either believes anything the other says.
//!
//! What goes over TCP afterwards is neither encrypted nor protected against somebody on the path who changes it. **Next step:** TLS
//! around the TCP streams, with certificates pinned through the session's secret; until then ranks on several hosts need a network that one trusts.

mod address;
mod connect;
mod handshake;
mod stream;

use std::io::{self, IoSlice};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Interest, Transport};
pub use address::{Address, Listener};
pub use connect::{Session, connect};
pub use handshake::Secret;
use stream::Stream;

/// One rank's connections to all others.
#[derive(Debug)]
pub struct Sockets {
    rank: usize,
    /// By rank; none to oneself.
    streams: Vec<Option<Stream>>,
}

impl Sockets {
    fn new(rank: usize, streams: Vec<Option<Stream>>) -> Self {
        Self { rank, streams }
    }

    fn stream(&self, peer: usize) -> io::Result<&Stream> {
        self.streams.get(peer).and_then(Option::as_ref).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Transport for Sockets {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.streams.len()
    }

    fn name(&self) -> &'static str {
        "sockets"
    }

    fn write(&mut self, peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream(peer)?.write(bytes)
    }

    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize> {
        self.stream(peer)?.read(into)
    }

    fn wait(&mut self, interests: &[Interest], timeout: Duration) -> io::Result<()> {
        let wanted = self.streams.iter().zip(interests).filter_map(|(stream, interest)| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.read);
            flags.set(PollFlags::OUT, interest.write);
            let stream = stream.as_ref().filter(|_| !flags.is_empty())?;
            Some(PollFd::new(stream, flags))
        });
        let mut wanted: Vec<_> = wanted.collect();
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut wanted, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
