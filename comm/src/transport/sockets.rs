//! Ranks that are processes: Unix sockets between those of one host, TCP between others.
//!
//! Each rank makes a [`Listener`] and learns, from whoever started it, the addresses of all; then [`connect`] makes the mesh: a rank connects to
//! those below it and is connected to by those above. Both ends of each connection prove that they know the session's secret (`handshake.rs`),
//! and that they are of the same program and size, before either believes anything the other says.
//!
//! What leaves the host does so in TLS 1.3, always (`tls.rs`). Each rank that listens on an interface has a certificate of its own, whose fingerprint
//! is part of its address (`certificate.rs`); who connects accepts no other. Who accepts asks for no certificate: the proof that runs inside
//! the TLS connection is bound to it, so nobody can stand in the middle, not even one whose certificate a rank was made to believe in.

mod address;
mod certificate;
mod connect;
mod handshake;
mod stream;
mod tls;

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

    fn stream(&mut self, peer: usize) -> io::Result<&mut Stream> {
        self.streams.get_mut(peer).and_then(Option::as_mut).ok_or_else(|| io::ErrorKind::NotConnected.into())
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
        let mut to_read = self.streams.iter_mut().zip(interests).filter(|(_, interest)| interest.read);
        if to_read.any(|(stream, _)| stream.as_mut().is_some_and(Stream::has_read_ahead)) {
            return Ok(());
        }
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
