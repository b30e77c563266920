//! The file: its tables, its version, and what is done with a file that is not ours or is damaged.
//!
//! `application_id` says that it is ours, `user_version` which tables it has. Notes are appended in transactions to a write-ahead log, so readers never
//! wait for the writer, and a killed controller leaves a whole file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};
use thiserror::Error as ThisError;

/// "PHLX".
pub(crate) const APPLICATION_ID: i64 = 0x5048_4c58;
/// The version of the tables below.
pub(crate) const VERSION: i64 = 1;
/// How long somebody else's transaction is waited for: a person with `sqlite3`, say.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Files that were set aside are kept up to this many.
const ASIDE_MAX: u32 = 3;

// Chunks are kept in the order of their jobs and, within one, of their end: a job's rows lie together, so they are read and removed
// together. `seq` rises, across restarts too.
const TABLES: &str = "
    CREATE TABLE jobs (
        id BLOB NOT NULL PRIMARY KEY,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        client_host TEXT NOT NULL,
        client_pid INTEGER NOT NULL,
        direct INTEGER NOT NULL,
        submitted_ns INTEGER NOT NULL,
        ended_ns INTEGER,
        elements INTEGER NOT NULL,
        elements_done INTEGER NOT NULL,
        elements_failed INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        attempts_lost INTEGER NOT NULL,
        rows_pruned INTEGER NOT NULL DEFAULT 0,
        message TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX jobs_by_time ON jobs (submitted_ns, id);
    CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
    CREATE TABLE chunks (
        job BLOB NOT NULL,
        seq INTEGER NOT NULL,
        chunk_first INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        element_first INTEGER NOT NULL,
        elements INTEGER NOT NULL,
        elements_failed INTEGER NOT NULL,
        engine INTEGER NOT NULL,
        host TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        status TEXT NOT NULL,
        started_ns INTEGER,
        ended_ns INTEGER NOT NULL,
        kind TEXT,
        message TEXT,
        PRIMARY KEY (job, seq)
    ) WITHOUT ROWID;
    CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('dropped', 0);
";

/// Why the file cannot be opened.
#[derive(Debug, ThisError)]
pub(crate) enum OpenError {
    /// It is whole, and not ours.
    #[error("it is not a history of Phalanx")]
    Foreign,
    /// It is ours, from a later version.
    #[error(
        "it was written by a newer version (its tables are of version {0}, and this one knows {VERSION})"
    )]
    Newer(i64),
    #[error(transparent)]
    Sqlite(#[from] Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OpenError {
    /// Whether no amount of waiting will make it a file to write to.
    pub(crate) fn is_hopeless(&self) -> bool {
        match self {
            Self::Foreign | Self::Newer(_) => true,
            Self::Sqlite(e) => is_damage(e),
            Self::Io(_) => false,
        }
    }
}

/// Whether the file itself is at fault.
pub(crate) fn is_damage(e: &Error) -> bool {
    matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // Tables that are not there, or of another shape.
        || e.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// Opens the file for writing; makes it when there is none.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    // Made by hand, for its mode; the log beside it gets the same.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(32);
    let is_new = check(&db)?;
    if is_new {
        // Before anything is in it; pages that pruning frees can then be given back.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    // Where the file system has no write-ahead log the answer is another mode, which will do.
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
    if is_new {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    Ok(db)
}

/// Whether the file is ours and of this version; true when it is empty.
pub(crate) fn check(db: &Connection) -> Result<bool, OpenError> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(true),
        (APPLICATION_ID, VERSION) => Ok(false),
        (APPLICATION_ID, newer) if newer > VERSION => Err(OpenError::Newer(newer)),
        _ => Err(OpenError::Foreign),
    }
}

/// For tests without a file.
#[cfg(test)]
pub(crate) fn tables() -> &'static str {
    TABLES
}

/// Renames a file that is of no use, with what belongs to it; gives its new name. A history from then on is a new one.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let named = |n: u32| with_suffix(path, &format!(".aside-{n}"));
    let free = (1..=ASIDE_MAX).find(|n| !named(*n).exists());
    let aside = named(free.unwrap_or(ASIDE_MAX));
    // A log that stayed would be taken for the new file's.
    for suffix in ["-wal", "-shm"] {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_new_file_is_private_and_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let db = open(&path).unwrap();
        assert!(!check(&db).unwrap());
        let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        for file in [path.clone(), with_suffix(&path, "-wal")] {
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
        }
        drop(db);
        assert!(!check(&open(&path).unwrap()).unwrap());
    }

    #[test]
    fn what_is_not_ours_is_told_from_what_is_newer_and_from_what_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let foreign = Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        drop(foreign);
        assert!(matches!(open(&path), Err(OpenError::Foreign)));
        fs::remove_file(&path).unwrap();

        open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(open(&path), Err(OpenError::Newer(2))));

        fs::write(&path, "no database at all, but a letter of some length to somebody").unwrap();
        let broken = open(&path).unwrap_err();
        assert!(broken.is_hopeless(), "{broken}");
        assert!(!OpenError::Io(io::ErrorKind::ReadOnlyFilesystem.into()).is_hopeless());
    }

    #[test]
    fn a_file_is_set_aside_with_its_log_and_a_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        for round in 0..5 {
            fs::write(&path, round.to_string()).unwrap();
            fs::write(with_suffix(&path, "-wal"), "log").unwrap();
            let aside = set_aside(&path).unwrap();
            assert!(!path.exists() && !with_suffix(&path, "-wal").exists());
            assert_eq!(fs::read_to_string(&aside).unwrap(), round.to_string());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6, "three files and their logs");
    }
}
