//! The place of a run's file, before it is known whether the run begins there or goes on.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::SaveError;
use crate::journal;
use crate::open_error::OpenError;
use crate::result_file::SaveOptions;
use crate::row::Recorded;
use crate::run_file::RunFile;
use crate::run_header::{RunHeader, RunProgress};
use crate::run_lock::RunLock;
use crate::staging;
use crate::stored_run::StoredRun;

/// A path that nobody else writes a run to.
#[derive(Debug)]
pub struct RunSlot {
    path: PathBuf,
    lock: RunLock,
}

impl RunSlot {
    /// Takes the path, and makes missing directories.
    ///
    /// # Errors
    /// A [`SaveError`]: another process writes there, or no file can be there.
    pub fn take(path: impl AsRef<Path>) -> Result<Self, SaveError> {
        let path = path.as_ref();
        staging::prepare(path)?;
        Ok(Self { lock: RunLock::take(path)?, path: path.to_owned() })
    }

    /// The run that is there, if there is a file, with what a session that was killed had not brought to it yet.
    ///
    /// # Errors
    /// An [`OpenError`]: the file is something else, or damaged.
    pub fn stored(&self) -> Result<Option<StoredRun>, OpenError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let mut stored = StoredRun::read(&self.path)?;
        let noted = journal::read(&self.path, &stored.header)
            .map_err(|source| OpenError::Io { path: self.path.clone(), source })?;
        stored.add(noted);
        Ok(Some(stored))
    }

    /// Makes the file, with the elements' parameters and the rows that are known already; with `overwrite` in place of one of
    /// that name.
    ///
    /// # Errors
    /// A [`SaveError`] that says what stands in the way: an existing file, the disk, a value that cannot be serialised.
    pub fn create<R: Recorded, P: Serialize>(
        self,
        header: RunHeader,
        parameters: &[P],
        progress: &RunProgress,
        rows: &[R],
        options: &SaveOptions,
    ) -> Result<RunFile, SaveError> {
        RunFile::create(&self.path, self.lock, header, parameters, progress, rows, options)
    }
}
