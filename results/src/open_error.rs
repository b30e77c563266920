//! Why a file cannot be read, told to the person who named it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of results cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened at all.
    #[error("cannot open {path}: {source}; check its name and permissions", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{path} is no HDF5 file: it does not begin as one; is it the right file?", path = path.display())]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// It was an HDF5 file once.
    #[error(
        "{path} is damaged: {message}; a part of it is missing or was overwritten, so take a copy that is whole, \
         or remove it and start anew", path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// It is HDF5, of another program.
    #[error(
        "{path} is an HDF5 file, but not of Phalanx: {message}; choose another file, this one is left as it is",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        message: String,
    },
    /// It was written by a later version.
    #[error(
        "{path} has format version {found}, and this Phalanx knows up to {known}: use a newer one",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: u32,
        /// The latest known.
        known: u32,
    },
}

impl OpenError {
    pub(crate) fn damaged(path: &Path, message: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), message: message.to_string() }
    }
}
