//! One accepted connection, and who is at its other end.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use phalanx_idle::{QuietReader, QuietWriter, quiet};
use phalanx_profile::Role;
use phalanx_proto::limits::READ_AHEAD_BYTES;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, Join, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Who calls, as far as the connection proves it. Found in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody whom the profile's directory let through: this user.
    Local,
    /// The bearer of a certificate.
    Remote(Role),
}

/// The bytes of a connection.
#[derive(Debug)]
enum Bytes {
    Unix(BufReader<Join<QuietReader, QuietWriter>>),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that may make requests. Counted while it lives.
#[derive(Debug)]
pub(crate) struct Connection {
    bytes: Bytes,
    caller: Caller,
    _counted: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn unix(stream: UnixStream, counted: OwnedSemaphorePermit) -> io::Result<Self> {
        let (reader, writer) = quiet(stream.into_std()?)?;
        let stream = BufReader::with_capacity(READ_AHEAD_BYTES, tokio::io::join(reader, writer));
        Ok(Self { bytes: Bytes::Unix(stream), caller: Caller::Local, _counted: counted })
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, role: Role, counted: OwnedSemaphorePermit) -> Self {
        Self { bytes: Bytes::Tls(Box::new(stream)), caller: Caller::Remote(role), _counted: counted }
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

/// Calls the same method of whichever stream there is.
macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().bytes {
            Bytes::Unix($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Bytes::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = forward!(self, stream => stream.poll_read(cx, buf));
        if read.is_ready() {
            phalanx_idle::noted();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Unix(stream) => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
