//! Where a controller can be reached.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::private_dir;

/// Most TCP endpoints a connection file may list.
const TCP_ENDPOINTS_MAX: usize = 64;

/// Longest TCP endpoint, in bytes: a DNS name, a colon and a port, with room.
const TCP_ENDPOINT_BYTES_MAX: usize = 300;

/// The addresses of one controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Its Unix socket, for peers on the same machine.
    pub socket: Option<LocalSocket>,
    /// `host:port`, in the order in which peers should try them; IPv6 addresses in brackets.
    pub tcp: Vec<String>,
}

/// A Unix socket, and the machine it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSocket {
    /// Its path.
    pub path: PathBuf,
    /// The machine's id, as the caller tells machines apart: a copy of the file on another
    /// machine then knows that the socket is not there for it.
    pub host_id: String,
}

impl LocalSocket {
    /// Whether a peer on the machine `host_id` should connect to it: the socket is on that machine,
    /// and in a directory that is still private to this user.
    ///
    /// The second half matters because this connection is trusted without a certificate: were the
    /// directory gone, anyone could make another in `/tmp` and listen there.
    #[must_use]
    pub fn is_usable_from(&self, host_id: &str) -> bool {
        self.host_id == host_id && self.path.parent().is_some_and(private_dir::is_private)
    }
}

/// What cannot be an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not `host:port`.
    #[error("`{endpoint}` is not HOST:PORT; write for example node1:7070, 10.0.0.1:7070 or [fe80::1]:7070")]
    NotHostPort {
        /// What was given.
        endpoint: String,
    },
    /// Nothing to connect to.
    #[error("neither a Unix socket nor a TCP endpoint is given, so no peer could connect")]
    None,
    /// Too many.
    #[error("{count} TCP endpoints are given; at most {TCP_ENDPOINTS_MAX} are allowed")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A socket's path that is not absolute.
    #[error("the socket's path {} is not absolute, so it would mean another file to every peer", path.display())]
    RelativeSocket {
        /// The path.
        path: PathBuf,
    },
}

impl Endpoints {
    /// Checks that there is something to connect to, and that each endpoint can be one.
    ///
    /// # Errors
    /// Names the first that cannot.
    ///
    /// ```
    /// use phalanx_profile::Endpoints;
    /// let endpoints = Endpoints { socket: None, tcp: vec!["node1:7070".into(), "[::1]:7070".into()] };
    /// assert!(endpoints.check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), EndpointError> {
        if self.socket.is_none() && self.tcp.is_empty() {
            return Err(EndpointError::None);
        }
        if self.tcp.len() > TCP_ENDPOINTS_MAX {
            return Err(EndpointError::TooMany { count: self.tcp.len() });
        }
        if let Some(socket) = self.socket.as_ref().filter(|s| !s.path.is_absolute()) {
            return Err(EndpointError::RelativeSocket { path: socket.path.clone() });
        }
        match self.tcp.iter().find(|endpoint| !is_host_port(endpoint)) {
            Some(endpoint) => Err(EndpointError::NotHostPort { endpoint: endpoint.clone() }),
            None => Ok(()),
        }
    }

    /// The socket's path, when a peer on the machine `host_id` should use it; see [`LocalSocket::is_usable_from`].
    #[must_use]
    pub fn local_socket(&self, host_id: &str) -> Option<&Path> {
        self.socket.as_ref().filter(|s| s.is_usable_from(host_id)).map(|s| s.path.as_path())
    }
}

fn is_host_port(endpoint: &str) -> bool {
    let Some((host, port)) = endpoint.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(address) => address.split('%').next().is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }
    };
    let port_is_good = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p != 0);
    endpoint.len() <= TCP_ENDPOINT_BYTES_MAX && host_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tcp(endpoints: &[&str]) -> Endpoints {
        Endpoints { socket: None, tcp: endpoints.iter().map(|e| (*e).to_owned()).collect() }
    }

    #[test]
    fn hosts_with_ports_pass() {
        assert_eq!(
            tcp(&["node1:1", "a.b-c_d:65535", "10.0.0.1:7070", "[::1]:7070", "[fe80::1%eth0]:80"]).check(),
            Ok(())
        );
    }

    #[test]
    fn what_is_not_host_and_port_is_named() {
        let long = format!("{}:7070", "h".repeat(300));
        for bad in [
            "",
            "node1",
            ":7070",
            "node1:",
            "node1:0",
            "node1:65536",
            "node1:+70",
            "http://node1:70",
            "::1:70",
            "[::1]",
            "[x]:70",
            "a b:70",
            &long,
        ] {
            assert_eq!(
                tcp(&["ok:1", bad]).check(),
                Err(EndpointError::NotHostPort { endpoint: bad.to_owned() })
            );
        }
        assert_eq!(tcp(&[]).check(), Err(EndpointError::None));
        assert_eq!(tcp(&["ok:1"; 65]).check(), Err(EndpointError::TooMany { count: 65 }));
        let socket = LocalSocket { path: "run/s".into(), host_id: String::new() };
        let error = Endpoints { socket: Some(socket), tcp: vec![] }.check().unwrap_err();
        assert!(matches!(error, EndpointError::RelativeSocket { .. }));
    }

    #[test]
    fn a_socket_is_used_only_on_its_machine_and_while_its_directory_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("private");
        private_dir::ensure(&dir).unwrap();
        let path = dir.join("controller.sock");
        let endpoints = Endpoints {
            socket: Some(LocalSocket { path: path.clone(), host_id: "boot-1".into() }),
            tcp: vec![],
        };
        assert_eq!(endpoints.local_socket("boot-1"), Some(&*path));
        assert_eq!(endpoints.local_socket("boot-2"), None);
        fs::set_permissions(&dir, Permissions::from_mode(0o711)).unwrap();
        assert_eq!(endpoints.local_socket("boot-1"), None);
        fs::remove_dir(&dir).unwrap();
        assert_eq!(endpoints.local_socket("boot-1"), None);
    }
}
