//! The file of a run: results are added as they come, and whoever looks at it finds a whole file.
//!
//! HDF5 does not promise that by itself: a writer that dies, and a copy made while it writes, leave files that do not open. So
//! nothing that a reader may see is ever changed. Each commit writes a new set of HDF5's own records behind everything the file
//! holds; complete chunks of earlier rows are not written again but pointed to where they are (`Series`). At last the superblock,
//! the one thing at a fixed place, is replaced in a single write of 48 bytes (`Disk::commit`). What the old records took is lost;
//! when more than half of the file is that, and when rows turn up that are shaped unlike those before, the file is written anew
//! beside the old one and takes its place.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hdf5::Group;
use serde::Serialize;

use crate::column::Column;
use crate::disk::Disk;
use crate::driver;
use crate::error::SaveError;
use crate::journal::Journal;
use crate::result_file::{FORMAT_VERSION, SaveOptions, fill};
use crate::row::{Recorded, Row};
use crate::run_header::{RunHeader, RunProgress};
use crate::run_lock::RunLock;
use crate::run_tables::{Given, Refused, Tables};
use crate::staging::Staging;
use crate::storage::{Storage, attribute, text_attribute};

/// A file is written anew when it is this many bytes larger than twice what will never be written again.
const WASTED_BYTES_MAX: u64 = 16 << 20;

/// The file of a run that is going on.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    options: SaveOptions,
    file: File,
    /// How much of the file is committed.
    length: u64,
    header: RunHeader,
    identity: Given,
    parameters: Given,
    tables: Tables,
    journal: Journal,
    _lock: RunLock,
}

/// Why a commit did not succeed.
enum Trouble {
    /// Rows of another shape: all must be written anew.
    Conflict,
    Save(SaveError),
}

impl From<SaveError> for Trouble {
    fn from(error: SaveError) -> Self {
        Self::Save(error)
    }
}

impl RunFile {
    pub(crate) fn create<R: Recorded, P: Serialize>(
        path: &Path,
        lock: RunLock,
        header: RunHeader,
        parameters: &[P],
        progress: &RunProgress,
        rows: &[R],
        options: &SaveOptions,
    ) -> Result<Self, SaveError> {
        if header.elements.len() != parameters.len() {
            let (expected, got) = (header.elements.len(), parameters.len());
            return Err(SaveError::Mismatched { what: "parameters", expected, got });
        }
        let staging = Staging::create(path, options.overwrite)?;
        let identity = fill(Column::Unset, "parameter", header.elements.iter().enumerate())?;
        let column = fill(Column::Unset, "parameter", parameters.iter().enumerate())?;
        let mut run = Self {
            path: path.to_owned(),
            options: *options,
            file: staging.file()?,
            length: 0,
            identity: Given::new(identity, parameters.len()),
            parameters: Given::new(column, parameters.len()),
            header,
            tables: Tables::new(),
            journal: Journal::default(),
            _lock: lock,
        };
        run.write_anew(staging, progress, rows, false)?;
        // From here on what the journal held before is in the file.
        run.journal = Journal::create(path, &run.header);
        Ok(run)
    }

    /// How many elements the run has.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.header.elements.len() as u64
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps rows safe that are not in the file yet, which is much cheaper than to bring them there: when the run goes on, they are found.
    /// `host` is that of a row's engine. False when the disk did not take them (it is full): they are then safe only when they are in the file.
    #[must_use]
    pub fn note<'h, R: Recorded>(&mut self, rows: &[R], host: impl Fn(&Row<'_>) -> &'h str) -> bool {
        for row in rows {
            let row = row.row();
            self.journal.add(&row, host(&row));
        }
        self.journal.write()
    }

    /// Bytes of rows that were noted and are not in the file yet.
    #[must_use]
    pub fn noted_bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// Brings rows to the file: `rows` are all of them, those that are in the file first and unchanged.
    ///
    /// # Errors
    /// A [`SaveError`]; the file is then as it was before, and the next attempt writes what this one could not.
    pub fn append<R: Recorded>(&mut self, progress: &RunProgress, rows: &[R]) -> Result<(), SaveError> {
        let kept = self.tables.bytes() + self.parameters.bytes() + self.identity.bytes();
        if self.length <= 2 * kept + WASTED_BYTES_MAX {
            match self.write(self.length, self.file.try_clone(), progress, rows, false) {
                Err(Trouble::Conflict) => {}
                Err(Trouble::Save(error)) => return Err(error),
                Ok(()) => {
                    self.journal.clear();
                    return Ok(());
                }
            }
        }
        self.write_anew(Staging::create(&self.path, true)?, progress, rows, false)?;
        self.journal.clear();
        Ok(())
    }

    /// Writes the whole file anew, with the rows in the order given. `complete` says that no element is missing.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn finish<R: Recorded>(
        &mut self,
        progress: &RunProgress,
        rows: &[R],
        complete: bool,
    ) -> Result<(), SaveError> {
        self.write_anew(Staging::create(&self.path, true)?, progress, rows, complete)?;
        self.journal.remove();
        Ok(())
    }

    /// Writes everything to a new file, which then takes the old one's place.
    fn write_anew<R: Recorded>(
        &mut self,
        staging: Staging,
        progress: &RunProgress,
        rows: &[R],
        complete: bool,
    ) -> Result<(), SaveError> {
        let before = (self.length, std::mem::replace(&mut self.tables, Tables::new()));
        let given = [self.identity.restart(), self.parameters.restart()];
        let file = staging.file()?;
        let written = match self.write(0, file.try_clone(), progress, rows, complete) {
            Ok(()) => staging.publish(),
            Err(Trouble::Save(error)) => Err(error),
            Err(Trouble::Conflict) => {
                let message = "rows were found to differ from themselves".to_owned();
                Err(SaveError::Hdf5 { path: self.path.clone(), message })
            }
        };
        if let Err(error) = written {
            // The old file is still there.
            (self.length, self.tables) = before;
            let [identity, parameters] = given;
            self.identity.put_back(identity);
            self.parameters.put_back(parameters);
            return Err(error);
        }
        self.file = file;
        Ok(())
    }

    /// Writes what `file` does not hold behind its first `start` bytes, and makes it what the file holds.
    fn write<R: Recorded>(
        &mut self,
        start: u64,
        file: io::Result<File>,
        progress: &RunProgress,
        rows: &[R],
        complete: bool,
    ) -> Result<(), Trouble> {
        let file = file.map_err(|error| SaveError::from_io("open", &self.path, &self.path, error))?;
        let disk = Arc::new(Mutex::new(Disk::onward(file, start)));
        let hdf5 = driver::create(&disk).map_err(|error| SaveError::from_hdf5(&self.path, &error))?;
        let storage = Storage { compression: self.options.compression, disk: &disk, table: None };
        let writing = self.write_all(&hdf5, storage, progress, rows, complete);
        let closed = hdf5.close();
        let conflict = self.tables.take_conflict();
        let result = match (conflict, writing.and(closed.map_err(Refused::from))) {
            (true, _) => Err(Trouble::Conflict),
            // What the disk said comes first: it is the reason for the rest.
            (false, written) => self.committed(driver::lock(&disk).commit(written.is_ok()), written),
        };
        let length = driver::lock(&disk).end();
        match result {
            Ok(()) => self.length = length,
            Err(_) => driver::lock(&disk).roll_back(),
        }
        self.tables.committed(result.is_ok().then_some(rows.len()));
        self.identity.committed(result.is_ok());
        self.parameters.committed(result.is_ok());
        result
    }

    fn committed(&self, disk: io::Result<()>, written: Result<(), Refused>) -> Result<(), Trouble> {
        disk.map_err(|error| SaveError::from_io("write", &self.path, &self.path, error))?;
        Ok(written.map_err(|refused| match refused {
            Refused::Hdf5(error) => SaveError::from_hdf5(&self.path, &error),
            Refused::Value(error) => error,
        })?)
    }

    fn write_all<R: Recorded>(
        &mut self,
        root: &Group,
        storage: Storage<'_>,
        progress: &RunProgress,
        rows: &[R],
        complete: bool,
    ) -> Result<(), Refused> {
        text_attribute(root, "format", "phalanx-results")?;
        attribute(root, "format_version", &FORMAT_VERSION)?;
        attribute(root, "complete", &complete)?;
        self.header.write(root)?;
        progress.write(root, storage)?;
        let run = root.create_group("run")?;
        self.identity.write(&run, "identity", storage)?;
        self.parameters.write(root, "parameters", storage)?;
        self.tables.write(root, &run, storage, rows)?;
        Ok(text_attribute(root, "values_type", &self.tables.values_type())?)
    }
}
