//! Why the controller cannot be reached, and what to do.

use std::path::PathBuf;

use thiserror::Error;

/// No connection to the controller.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The socket is not there, or nobody listens on it.
    #[error("no controller answers on {path}: {source}\n  Start one: controller --profile {profile} (or: phalanx start --profile {profile})", path = path.display())]
    NotRunning {
        /// The controller's socket.
        path: PathBuf,
        /// The profile that it belongs to.
        profile: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket may not be opened by this user.
    #[error("the controller's socket {path} may not be opened: {source}\n  It belongs to the user who started the controller", path = path.display())]
    NotAllowed {
        /// The controller's socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file names no address that can be used from this machine.
    #[error(
        "the connection file names no address that this machine could use\n  \
         Start the controller with --listen ADDR and --advertise HOST, then copy the file again"
    )]
    NoAddress,
    /// None of the addresses answered.
    #[error(
        "the controller cannot be reached:{attempts}\n  Is it running, and may this machine reach that address? If it moved, copy its connection file again"
    )]
    Unreachable {
        /// One line per address.
        attempts: String,
    },
    /// TLS failed: one side does not accept the other's certificate.
    #[error(
        "the controller at {address} and this connection file do not trust each other: {message}\n  \
         The file belongs to another cluster or is out of date: copy it again from the controller's profile"
    )]
    Untrusted {
        /// Where the controller was tried.
        address: String,
        /// What TLS said.
        message: String,
    },
    /// The file's certificates could not be read.
    #[error("the connection file's certificates cannot be used: {0}")]
    Certificates(crate::TlsError),
}
