//! One connection.

use std::io::{self, IoSlice, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg, sockopt};

/// What a connection should hold on its way: enough that neither end waits for the other all the time. The system may give less.
const BUFFER_BYTES: usize = 1 << 20;

/// After so much silence a peer's machine is asked whether it is there, so often, and so many times before it is lost.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEPALIVE_TRIES: u32 = 5;

#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(s) => s.as_fd(),
            Self::Tcp(s) => s.as_fd(),
        }
    }
}

impl Stream {
    /// From now on reads and writes do not block.
    pub(super) fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Unix(s) => s.set_nonblocking(true)?,
            Self::Tcp(s) => {
                s.set_nodelay(true)?;
                s.set_nonblocking(true)?;
                // A machine that vanishes says nothing; one that is frozen still answers.
                sockopt::set_socket_keepalive(self, true)?;
                sockopt::set_tcp_keepidle(self, KEEPALIVE_IDLE)?;
                sockopt::set_tcp_keepintvl(self, KEEPALIVE_EVERY)?;
                sockopt::set_tcp_keepcnt(self, KEEPALIVE_TRIES)?;
            }
        }
        if matches!(self, Self::Unix(_)) {
            // TCP finds out by itself what it needs.
            let _ = sockopt::set_socket_send_buffer_size(self, BUFFER_BYTES);
        }
        Ok(())
    }

    /// Writes without the signal that would end the process when the peer is gone.
    pub(super) fn write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(sendmsg(self, bytes, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => (&*s).read(into),
            Self::Tcp(s) => (&*s).read(into),
        }
    }

    /// Writes all of it, before the deadline; it is short.
    pub(super) fn send_all(&self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = left(deadline)?;
            match self {
                Self::Unix(s) => s.set_write_timeout(Some(left))?,
                Self::Tcp(s) => s.set_write_timeout(Some(left))?,
            }
            match self.write(&[IoSlice::new(bytes)]) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads as many bytes, before the deadline.
    pub(super) fn receive_all(&self, into: &mut [u8], deadline: Instant) -> io::Result<()> {
        let mut got = 0;
        while got < into.len() {
            let left = left(deadline)?;
            match self {
                Self::Unix(s) => s.set_read_timeout(Some(left))?,
                Self::Tcp(s) => s.set_read_timeout(Some(left))?,
            }
            match self.read(&mut into[got..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
