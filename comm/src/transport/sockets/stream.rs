//! One connection.

use std::io::{self, IoSlice, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg, sockopt};
use rustls::ServerConfig;

use super::certificate::Fingerprint;
use super::handshake::HandshakeError;
use super::tls::Tls;

/// What a connection should hold on its way: enough that neither end waits for the other all the time. The system may give less.
const BUFFER_BYTES: usize = 1 << 20;

/// After so much silence a peer's machine is asked whether it is there, so often, and so many times before it is lost.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEPALIVE_TRIES: u32 = 5;

#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tls(Box<Tls>),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(s) => s.as_fd(),
            Self::Tls(s) => s.as_fd(),
        }
    }
}

impl Stream {
    pub(super) fn unix(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // The system may give less.
        let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES);
        Ok(Self::Unix(socket))
    }

    /// The connecting end of a connection to another host, where somebody must have this certificate.
    pub(super) fn connecting(socket: TcpStream, to: Fingerprint) -> Result<Self, HandshakeError> {
        prepare(&socket)?;
        Ok(Self::Tls(Box::new(Tls::connecting(socket, to)?)))
    }

    /// The accepting end of such a connection.
    pub(super) fn accepting(socket: TcpStream, config: &Arc<ServerConfig>) -> Result<Self, HandshakeError> {
        prepare(&socket)?;
        Ok(Self::Tls(Box::new(Tls::accepting(socket, config)?)))
    }

    /// Encrypts what leaves the host, from now on: a secret of this one connection, which no other connection has; zeros within a host, where the system
    /// lets nobody come between.
    pub(super) fn secure(&mut self, deadline: Instant) -> Result<[u8; 32], HandshakeError> {
        match self {
            Self::Unix(_) => Ok([0; 32]),
            Self::Tls(s) => {
                s.shake_hands(deadline)?;
                Ok(s.binding()?)
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => send(s, bytes),
            Self::Tls(s) => s.write(bytes),
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(into),
            Self::Tls(s) => s.read(into),
        }
    }

    /// Whether there is something to read of which the system does not know.
    pub(super) fn has_read_ahead(&mut self) -> bool {
        match self {
            Self::Unix(_) => false,
            Self::Tls(s) => s.has_read_ahead(),
        }
    }

    /// Writes all of it, before the deadline; it is short.
    pub(super) fn send_all(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            left(deadline)?;
            match self.write(&[IoSlice::new(bytes)]) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_for(self, PollFlags::OUT, deadline)?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads as many bytes, before the deadline.
    pub(super) fn receive_all(&mut self, into: &mut [u8], deadline: Instant) -> io::Result<()> {
        let mut got = 0;
        while got < into.len() {
            left(deadline)?;
            match self.read(&mut into[got..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_for(self, PollFlags::IN, deadline)?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// From now on the socket does not block, sends at once, and notices when the other machine is gone. What it should hold, TCP finds out by itself.
fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    // A machine that vanishes says nothing; one that is frozen still answers.
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_TRIES)?;
    Ok(())
}

/// Writes without the signal that would end the process when the peer is gone.
pub(super) fn send(socket: impl AsFd, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(sendmsg(socket, bytes, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
}

/// Sleeps until there is something to read, or room to write, or the deadline is over.
pub(super) fn wait_for(socket: &impl AsFd, what: PollFlags, deadline: Instant) -> io::Result<()> {
    let left = Timespec::try_from(left(deadline)?).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(socket, what)], Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// How long it is to the deadline, if it is not over.
pub(super) fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
