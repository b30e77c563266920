//! Where ranks listen.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};

use super::certificate::{self, Fingerprint};
use super::handshake::HandshakeError;
use super::stream::Stream;
use crate::CommError;

/// Where a rank can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The host's and process table's id: only there the socket can be reached.
    host: String,
    socket: PathBuf,
    pub(super) tcp: Option<TcpAddress>,
}

/// Where a rank can be reached from other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TcpAddress {
    pub(super) at: SocketAddr,
    /// Of the certificate that the rank shows there.
    pub(super) certificate: Fingerprint,
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

    /// The same as seen from other hosts: ranks of its own host use TCP as well, to test or to measure it. Nobody reaches a rank thus that
    /// listens on no interface.
    ///
    /// ```
    /// # use phalanx_comm::transport::sockets::*;
    /// # let path = tempfile::tempdir().unwrap().path().join("rank-3");
    /// # std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    /// let listener = Listener::bind(&path, Some([127, 0, 0, 1].into()))?;
    /// let address = listener.address().clone().over_tcp();
    /// assert_ne!(&address, listener.address());
    /// # Ok::<(), phalanx_comm::CommError>(())
    /// ```
    #[must_use]
    pub fn over_tcp(self) -> Self {
        // No host's id.
        Self { host: String::new(), ..self }
    }

    /// Connects, once.
    pub(super) fn open(&self, timeout: Duration) -> Result<Stream, HandshakeError> {
        match self.tcp {
            _ if self.host == phalanx_proto::host::id() => {
                Ok(Stream::unix(UnixStream::connect(&self.socket)?)?)
            }
            Some(tcp) => Stream::connecting(TcpStream::connect_timeout(&tcp.at, timeout)?, tcp.certificate),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is on another host and listens on a Unix socket only",
            )
            .into()),
        }
    }
}

/// Where this rank is connected to.
#[derive(Debug)]
pub struct Listener {
    unix: UnixListener,
    tcp: Option<(TcpListener, Arc<ServerConfig>)>,
    address: Address,
}

impl Listener {
    /// Listens at a path, which must not exist, for ranks of this host; and for those of other hosts on this interface, if one is given, on a port
    /// that the system chooses, with a certificate made for the purpose. The path is removed when the mesh is made or has failed.
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
            let (certificate, config) = certificate::make().map_err(io::Error::other)?;
            address.tcp = Some(TcpAddress { at: listener.local_addr()?, certificate });
            Ok::<_, io::Error>((listener, config))
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
    pub(super) fn accept(&self) -> Result<Option<Stream>, HandshakeError> {
        fn some<T>(accepted: io::Result<(T, impl Sized)>) -> io::Result<Option<T>> {
            use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
            match accepted {
                Ok((socket, _)) => Ok(Some(socket)),
                Err(e) if matches!(e.kind(), WouldBlock | Interrupted | ConnectionAborted) => Ok(None),
                Err(e) => Err(e),
            }
        }
        if let Some(socket) = some(self.unix.accept())? {
            return Ok(Some(Stream::unix(socket)?));
        }
        let Some((tcp, config)) = &self.tcp else { return Ok(None) };
        some(tcp.accept())?.map(|socket| Stream::accepting(socket, config)).transpose()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.address.socket);
    }
}
