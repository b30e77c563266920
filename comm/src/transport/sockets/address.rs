//! Where ranks listen.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stream::Stream;
use crate::CommError;

/// Where a rank can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The host's and process table's id: only there the socket can be reached.
    host: String,
    socket: PathBuf,
    tcp: Option<SocketAddr>,
}

impl Address {
    /// Of a rank on this host, that listens at this path or will.
    ///
    /// ```
    /// use phalanx_comm::transport::sockets::Address;
    /// let address = Address::local("/tmp/run/rank-0");
    /// assert!(format!("{address:?}").contains("rank-0"));
    /// ```
    #[must_use]
    pub fn local(socket: impl Into<PathBuf>) -> Self {
        Self { host: phalanx_proto::host::id(), socket: socket.into(), tcp: None }
    }

    /// Connects, once.
    pub(super) fn open(&self, timeout: Duration) -> io::Result<Stream> {
        match self.tcp {
            _ if self.host == phalanx_proto::host::id() => {
                UnixStream::connect(&self.socket).map(Stream::Unix)
            }
            Some(address) => TcpStream::connect_timeout(&address, timeout).map(Stream::Tcp),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is on another host and listens on a Unix socket only",
            )),
        }
    }
}

/// Where this rank is connected to.
#[derive(Debug)]
pub struct Listener {
    unix: UnixListener,
    tcp: Option<TcpListener>,
    address: Address,
}

impl Listener {
    /// Listens at a path, which must not exist, for ranks of this host; and for those of other hosts on this interface, if one is given, on a port
    /// that the system chooses. The path is removed when the mesh is made or has failed.
    ///
    /// ```
    /// use phalanx_comm::transport::sockets::Listener;
    /// let directory = tempfile::tempdir().unwrap();
    /// let listener = Listener::bind(&directory.path().join("rank-0"), None)?;
    /// println!("tell the others: {:?}", listener.address());
    /// # Ok::<(), phalanx_comm::CommError>(())
    /// ```
    pub fn bind(socket: &Path, interface: Option<IpAddr>) -> Result<Self, CommError> {
        let unix = UnixListener::bind(socket).and_then(|listener| {
            std::fs::set_permissions(socket, PermissionsExt::from_mode(0o600))?;
            listener.set_nonblocking(true).map(|()| listener)
        });
        let unix = unix.map_err(|e| {
            CommError::start(format_args!("cannot listen at {}: {e}; choose another path", socket.display()))
        })?;
        let mut address = Address::local(socket);
        let tcp = interface.map(|ip| {
            let listener = TcpListener::bind((ip, 0))?;
            listener.set_nonblocking(true)?;
            address.tcp = Some(listener.local_addr()?);
            Ok::<_, io::Error>(listener)
        });
        let tcp = tcp.transpose().map_err(|e| {
            CommError::start(format_args!(
                "cannot listen on interface {}: {e}",
                interface.map_or_else(String::new, |i| i.to_string())
            ))
        })?;
        Ok(Self { unix, tcp, address })
    }

    /// Where the others reach it: to be told to them.
    ///
    /// ```
    /// # use phalanx_comm::transport::sockets::*;
    /// let path = tempfile::tempdir().unwrap().path().join("rank-3");
    /// # std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    /// assert_eq!(Listener::bind(&path, None)?.address(), &Address::local(&path));
    /// # Ok::<(), phalanx_comm::CommError>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A connection, if somebody came.
    pub(super) fn accept(&self) -> io::Result<Option<Stream>> {
        let none = |e: io::Error| {
            use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
            if matches!(e.kind(), WouldBlock | Interrupted | ConnectionAborted) { Ok(None) } else { Err(e) }
        };
        let unix = self.unix.accept().map(|(s, _)| Some(Stream::Unix(s))).or_else(none)?;
        let stream = match &self.tcp {
            Some(tcp) if unix.is_none() => tcp.accept().map(|(s, _)| Some(Stream::Tcp(s))).or_else(none)?,
            _ => unix,
        };
        if let Some(stream) = &stream {
            match stream {
                Stream::Unix(s) => s.set_nonblocking(false)?,
                Stream::Tcp(s) => s.set_nonblocking(false)?,
            }
        }
        Ok(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.address.socket);
    }
}
