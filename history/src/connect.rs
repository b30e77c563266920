//! Connections that cannot write.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::schema::{self, BUSY_TIMEOUT, OpenError, with_suffix};

/// A connection that cannot write, and whether the file is empty. A file on a file system that is read-only or full has no
/// log and cannot get one.
pub(crate) fn connect(path: &Path) -> Result<(Connection, bool), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let checked = |db: Connection| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        let is_new = schema::check(&db)?;
        Ok((db, is_new))
    };
    let opened = Connection::open_with_flags(path, flags).map_err(OpenError::from).and_then(checked);
    let log_bytes = std::fs::metadata(with_suffix(path, "-wal")).map_or(0, |log| log.len());
    match opened {
        Err(OpenError::Sqlite(e))
            if log_bytes == 0
                && matches!(
                    e.sqlite_error_code(),
                    Some(
                        ErrorCode::CannotOpen
                            | ErrorCode::ReadOnly
                            | ErrorCode::SystemIoFailure
                            | ErrorCode::DiskFull
                    )
                ) =>
        {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            checked(Connection::open_with_flags(immutable(path), flags)?)
        }
        other => other,
    }
}

/// The path as a URI that says that nobody writes the file.
pub(crate) fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri + "?immutable=1"
}
