//! One connection over TCP, in TLS 1.3.
//!
//! It behaves like a socket that does not block, and can be waited for like one:
//!
//! - **Reading** takes from the system only when nothing that came before is left, and decrypts all of that before it says that nothing has come. What did
//!   not fit into the reader's room stays here, where the system does not see it: [`Tls::has_read_ahead`] says so.
//! - **Writing** encrypts only when everything before is with the system. Of what it has encrypted it keeps the last byte to itself until that holds
//!   again: to the writer it is not written yet, so the writer waits for room and comes back with it. What was written to the
//!   end therefore needs nobody any more to get to the peer, who may compute for an hour meanwhile.
//!
//! So at most [`WRITE_BYTES`] on their way out, [`READ_BYTES`] on their way in and one record are held. The end of the connection is an end whether TLS
//! announced it or not: the courier's own last words say whether a rank was to end, and they come inside. For the same reason none is announced.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};

use super::certificate::{self, Fingerprint};
use super::handshake::HandshakeError;
use super::stream::{left, send, wait_for};

/// What is encrypted at once.
pub(super) const WRITE_BYTES: usize = 128 << 10;
/// What is taken from the system at once.
const READ_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Tls {
    socket: TcpStream,
    connection: Connection,
    /// Of what was written last, one byte was not said to be.
    owes_byte: bool,
    /// Ciphertext that came; what of it was not looked at yet.
    came: Box<[u8]>,
    at: usize,
    end: usize,
    /// What came last is not what the other end of this connection has sent.
    broken: Option<rustls::Error>,
}

impl AsFd for Tls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Tls {
    /// The connecting end, to whoever has this certificate; the socket must not block.
    pub(super) fn connecting(socket: TcpStream, to: Fingerprint) -> Result<Self, rustls::Error> {
        let (config, name) = certificate::expect(to)?;
        Ok(Self::new(socket, ClientConnection::new(config, name)?.into()))
    }

    /// The accepting end; the socket must not block.
    pub(super) fn accepting(socket: TcpStream, config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self::new(socket, ServerConnection::new(Arc::clone(config))?.into()))
    }

    fn new(socket: TcpStream, mut connection: Connection) -> Self {
        connection.set_buffer_limit(Some(WRITE_BYTES));
        let came = vec![0; READ_BYTES].into();
        Self { socket, connection, owes_byte: false, came, at: 0, end: 0, broken: None }
    }

    /// Comes to an agreement on keys, before the deadline.
    pub(super) fn shake_hands(&mut self, deadline: Instant) -> Result<(), HandshakeError> {
        loop {
            left(deadline)?;
            if let Some(error) = self.broken.take() {
                return Err(error.into());
            }
            match self.flush() {
                Ok(()) if !self.connection.is_handshaking() => return Ok(()),
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(self, PollFlags::OUT, deadline)?;
                    continue;
                }
                Err(e) => return Err(e.into()),
            }
            match self.take() {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_for(self, PollFlags::IN, deadline)?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// A secret of this one connection that both ends know, and nobody between them.
    ///
    /// The channel binding `tls-exporter` of RFC 9266.
    pub(super) fn binding(&self) -> Result<[u8; 32], rustls::Error> {
        self.connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
    }

    /// Writes what there is room for. Who was told that less was written must go on with the rest.
    pub(super) fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        if bytes.iter().all(|part| part.is_empty()) {
            return Ok(0);
        }
        if std::mem::take(&mut self.owes_byte) {
            return Ok(1);
        }
        let taken = self.connection.writer().write_vectored(bytes)?;
        match self.flush() {
            Ok(()) => Ok(taken),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.owes_byte = true;
                if taken > 1 { Ok(taken - 1) } else { Err(e) }
            }
            Err(e) => Err(e),
        }
    }

    /// Reads what has come.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while got < into.len() {
            match self.connection.reader().read(&mut into[got..]) {
                // The end, announced or not.
                Ok(0) => break,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
                Ok(n) => {
                    got += n;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
            if got > 0 && self.at == self.end {
                break;
            }
            match self.take() {
                Ok(_) => {}
                Err(_) if got > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }

    /// Whether there is something to read that has left the system already.
    pub(super) fn has_read_ahead(&mut self) -> bool {
        let nothing = |e: &io::Error| e.kind() == io::ErrorKind::WouldBlock;
        let decrypted = !self.connection.reader().into_first_chunk().as_ref().is_err_and(nothing);
        decrypted || self.at < self.end || self.broken.is_some()
    }

    /// Takes some ciphertext and decrypts it; 0 at the end.
    fn take(&mut self) -> io::Result<usize> {
        if let Some(error) = &self.broken {
            return Err(io::Error::new(io::ErrorKind::InvalidData, error.clone()));
        }
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
            self.end = self.socket.read(&mut self.came)?;
        }
        let n = self.connection.read_tls(&mut &self.came[self.at..self.end])?;
        self.at += n;
        let processed = self.connection.process_new_packets();
        if self.connection.wants_write() {
            // What TLS itself has to say, such as why it gives up; if there is no room now, it goes before whatever is written next.
            let _ = self.flush();
        }
        // What came before it counts; the error is told by the next call.
        self.broken = processed.err();
        Ok(n)
    }

    /// Gives all ciphertext to the system.
    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Wire(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// A socket that is written to without the signal that would end the process when the peer is gone.
struct Wire<'a>(&'a TcpStream);

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        send(self.0, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        send(self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
