//! What can go wrong when results are saved, told to the person who waits for the file.

use std::io;
use std::path::{Path, PathBuf};

/// Why results could not be saved. No file of the wanted name was made or changed, and nothing temporary
/// is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// There is a file of that name, and overwriting was not asked for.
    #[error(
        "{path} exists already and was left as it is: choose another name, or ask for it to be replaced \
         with `SaveOptions {{ overwrite: true, .. }}`", path = path.display()
    )]
    AlreadyExists {
        /// The file that exists.
        path: PathBuf,
    },
    /// Another process writes the file.
    #[error(
        "{path} is being written by process {holder}: wait until it has ended, or choose another file",
        path = path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process's id.
        holder: String,
    },
    /// The disk, the quota or the allowed file size is exhausted.
    #[error(
        "no room to save {path} ({reason}): free some space{available}, or save to another disk; \
         what is in memory stays there as long as the program runs", path = path.display()
    )]
    NoSpace {
        /// The file that was to be written.
        path: PathBuf,
        /// What the system said: disk full, quota exceeded, file too large.
        reason: String,
        /// How much room was left when it failed, as part of the message; empty if unknown.
        available: String,
    },
    /// The file system takes no files from anybody.
    #[error("{path} cannot be written: its file system is mounted read-only; choose another directory", path = path.display())]
    ReadOnly {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The user may not write there.
    #[error(
        "not allowed to write {path}: choose a directory you may write to, or change the permissions of {at}",
        path = path.display(), at = at.display()
    )]
    PermissionDenied {
        /// The file that was to be written.
        path: PathBuf,
        /// The file or directory that refused.
        at: PathBuf,
    },
    /// A part of the path that must be a directory is a file.
    #[error(
        "cannot save {path}: {at} is a file, not a directory; choose another directory",
        path = path.display(), at = at.display()
    )]
    NotADirectory {
        /// The file that was to be written.
        path: PathBuf,
        /// The file where a directory was expected.
        at: PathBuf,
    },
    /// The path is one that no file can have.
    #[error("cannot save results as \"{path}\": {reason}", path = path.display())]
    InvalidPath {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it, and what to give instead.
        reason: &'static str,
    },
    /// A value's own `Serialize` implementation returned an error.
    #[error(
        "cannot save the {part} of element {index}: its type's `Serialize` implementation failed with \
         \"{message}\"; mend it, or map the values to a type that serialises before saving"
    )]
    Unserializable {
        /// "value", "parameter" or "context".
        part: &'static str,
        /// The element, counted from 0.
        index: usize,
        /// What the implementation said.
        message: String,
    },
    /// The caller passed lists that do not belong together.
    #[error(
        "cannot save: {expected} outcomes but {got} {what} were given, and every element needs one \
         (a fault of the program that saves, not of the results)"
    )]
    Mismatched {
        /// Which list has the wrong length.
        what: &'static str,
        /// How many elements there are.
        expected: usize,
        /// How many entries the list has.
        got: usize,
    },
    /// The system refused a file operation for another reason.
    #[error("could not {action} {path}: {source}; check the disk and the directory, then save again", path = path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or directory it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The HDF5 library refused to write.
    #[error(
        "HDF5 could not write {path}: {message}; check the disk, then save again, and please report this \
         as a fault of Phalanx if it happens twice", path = path.display()
    )]
    Hdf5 {
        /// The file that was to be written.
        path: PathBuf,
        /// HDF5's own account.
        message: String,
    },
}

impl SaveError {
    /// The error for a failed file operation on `at`, while saving `path`.
    pub(crate) fn from_io(action: &'static str, path: &Path, at: &Path, source: io::Error) -> Self {
        let (path, at) = (path.to_owned(), at.to_owned());
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::AlreadyExists { path },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { path, at },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path, at },
            kind if is_no_space(kind) => Self::no_space(&path, &source.to_string()),
            _ => Self::Io { action, path: at, source },
        }
    }

    /// The error for a failed HDF5 call while saving `path`, when the disk took everything.
    pub(crate) fn from_hdf5(path: &Path, error: &hdf5::Error) -> Self {
        Self::Hdf5 { path: path.to_owned(), message: error.to_string() }
    }

    fn no_space(path: &Path, reason: &str) -> Self {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let available = rustix::fs::statvfs(directory.unwrap_or(Path::new(".")))
            .map_or(String::new(), |fs| {
                format!(" ({} MiB are free there now)", fs.f_bavail.saturating_mul(fs.f_frsize) >> 20)
            });
        Self::NoSpace { path: path.to_owned(), reason: reason.to_owned(), available }
    }
}

fn is_no_space(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_codes_get_their_remedies() {
        let path = Path::new("/tmp/x.h5");
        // EACCES, ENOSPC, EROFS, EDQUOT and EFBIG on Linux.
        for (code, remedy) in [
            (13, "choose a directory you may write to"),
            (28, "free some space"),
            (30, "choose another directory"),
            (122, "free some space"),
            (27, "free some space"),
        ] {
            let source = io::Error::from_raw_os_error(code);
            let message = SaveError::from_io("write", path, path, source).to_string();
            assert!(message.contains("/tmp/x.h5") && message.contains(remedy), "{code}: {message}");
        }
    }
}
