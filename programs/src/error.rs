//! What can go wrong with a stored program.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

/// Why a program could not be stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The bytes are not those that the name promised.
    #[error(
        "the program {expected} arrived as {found}: its file changed since the client started, or it was damaged on the way; start the client again"
    )]
    HashMismatch {
        /// The hash it was announced with, in hexadecimal.
        expected: String,
        /// The hash of what arrived.
        found: String,
    },
    /// More or fewer bytes than were announced.
    #[error("the program was announced with {expected} bytes but has {found}; start the client again")]
    SizeMismatch {
        /// Bytes announced.
        expected: u64,
        /// Bytes that arrived, at least.
        found: u64,
    },
    /// It does not fit into the store at all.
    #[error(
        "the program has {size} bytes and the store holds at most {max}; strip its debug information or raise the bound"
    )]
    TooLarge {
        /// Bytes of the program.
        size: u64,
        /// The store's bound, in bytes.
        max: u64,
    },
    /// The disk is full, or a quota is reached.
    #[error("no space left for programs in {}: free some, or point PHALANX_HOME to a larger disk", path.display())]
    NoSpace {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// Puts the path to an error of the file system, telling a full disk from the rest.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| {
            let full = [Errno::NOSPC, Errno::DQUOT];
            if full.iter().any(|e| source.raw_os_error() == Some(e.raw_os_error())) {
                Self::NoSpace { path: path.to_owned() }
            } else {
                Self::Io { path: path.to_owned(), source }
            }
        }
    }
}
