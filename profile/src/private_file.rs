//! Files that only their owner may read: keys, certificates and connection files.
//!
//! Written to a temporary file beside the target, flushed, then renamed over it: a reader finds
//! the old content or the new, and a crash leaves no half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// No file of a profile comes near this size, in bytes; a larger one is a mistake.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a private file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// This user may not read it.
    #[error("{} may not be read by this user; run as the user who owns it, or copy it to a file of your own", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or write it.
    #[error(
        "{} is open to other users (mode {mode:03o}), so the key in it can no longer be trusted to be secret; close it with: chmod 600 {}",
        path.display(), quoted(path)
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a directory, a pipe or a device.
    #[error("{} is not a regular file; remove or rename it", path.display())]
    NotAFile {
        /// What is in the way.
        path: PathBuf,
    },
    /// It is larger than any such file can be.
    #[error("{} has {bytes} bytes, more than the {FILE_BYTES_MAX} such a file may have; it was not written by Phalanx", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It does not hold UTF-8 text.
    #[error("{} is not text: it is damaged, or was not written by Phalanx", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused something else.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// `path` as a shell takes it, for the commands that messages tell people to run.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// The text of a file that only its owner may read.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    let failed = |doing, source| FileError::Io { doing, path: path.to_owned(), source };
    // NONBLOCK: a pipe in the file's place must not hang the reader.
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) fits its argument");
    let file =
        OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
            io::ErrorKind::PermissionDenied => FileError::Denied { path: path.to_owned() },
            _ => failed("open", e),
        })?;
    // Asked of the open file, not of its name: the name may mean another file by now.
    let found = file.metadata().map_err(|e| failed("look at", e))?;
    if !found.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| failed("read", e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes: found.len() });
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.to_owned() })
}

/// Puts `content` at `path`, mode 0600, all at once.
pub(crate) fn write(path: &Path, content: &str) -> Result<(), FileError> {
    let failed = |doing, source| FileError::Io { doing, path: path.to_owned(), source };
    let mut salt = [0_u8; 8];
    getrandom::fill(&mut salt)
        .map_err(|e| failed("get randomness to write", io::Error::other(e.to_string())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{:016x}.tmp", u64::from_le_bytes(salt)));

    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // It holds a key: do not leave it lying about. That it may not exist is fine.
        let _ = fs::remove_file(&temporary);
        return Err(failed("write", source));
    }
    // The rename itself is durable only once the directory is.
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|d| d.sync_all()).map_err(|e| failed("flush the directory of", e))
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[path = "private_file_tests.rs"]
mod tests;
