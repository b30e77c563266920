//! A cluster's profile: the directory that makes its processes find and trust each other.
//!
//! ```text
//! $PHALANX_HOME/NAME            0700   Profile: who may enter, and where things are
//! ├── controller.lock                  Lock: one controller at a time, and which one
//! ├── controller.sock                  the controller's Unix socket
//! ├── ca.key, ca.crt            0600   Authority: signs every certificate of the cluster
//! ├── client.json, engine.json  0600   ConnectionFile: all that a peer needs to connect
//! ├── state.json                       the controller's own state
//! ├── log/                             logs of the daemons
//! └── programs/                        the program cache
//! ```
//!
//! A controller opens the profile, takes its [`Lock`], and with the lock as proof opens the
//! [`Authority`], which issues the server's certificate and writes the two connection files:
//!
//! ```
//! use phalanx_profile::{Authority, ConnectionFile, Endpoints, LocalSocket, Lock, Profile, Role};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let path = temporary.path().join("nbserver");
//! let profile = Profile::at(&path)?; // a named one: Profile::create_or_open("nbserver")?
//! let lock = Lock::acquire(&profile)?;
//! let socket = lock.claim_socket()?; // stale file removed: bind here
//! let authority = Authority::open(&lock)?;
//! let server = authority.server_identity(&["cluster.example.org".to_owned()])?;
//! authority.write_connection_files(&Endpoints {
//!     socket: Some(LocalSocket { path: socket, host_id: "boot-1/pid:[4026531836]".to_owned() }),
//!     tcp: vec!["cluster.example.org:7070".to_owned()],
//! })?;
//!
//! // An engine, on this machine or on one that engine.json was copied to:
//! let file = ConnectionFile::load(&profile.engine_file(), Role::Engine)?;
//! assert_eq!(file.ca_pem, server.ca_pem);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Across machines both sides show a certificate that the profile's CA signed, and the
//! controller reads the peer's [`Role`] from it with [`role_of`]. On one machine the modes of
//! the directory and of the files are the guard; they are checked, not assumed. Whatever lies
//! on disk is untrusted input: it is answered with an error that says what to do, never a panic.

mod authority;
mod authority_error;
mod certificate;
mod connection;
mod endpoints;
mod holder;
mod home;
mod issue;
mod lock;
mod name;
mod private_dir;
mod private_file;
mod profile;
mod role;
mod socket;
mod validity;

pub use authority::{Authority, FileOutcome, WrittenFiles};
pub use authority_error::AuthorityError;
pub use certificate::CertificateError;
pub use connection::{ConnectionError, ConnectionFile};
pub use endpoints::{EndpointError, Endpoints, LocalSocket};
pub use holder::Holder;
pub use home::Home;
pub use issue::{Identity, SERVER_NAME};
pub use lock::{Lock, LockError, LockStatus};
pub use private_file::FileError;
pub use profile::{Profile, ProfileError};
pub use role::{Role, RoleError, role_of};
pub use validity::{Validity, ValidityError};
