//! The directory of programs.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use crate::StoreError;
use crate::hash::{Hash, hash_reader, hex};
use crate::receiver::{Receiver, Temp, mismatch};

pub(crate) const TEMP_PREFIX: &str = ".receiving-";

/// A temporary file younger than this may belong to a process that has not locked it yet.
const TEMP_AGE_MIN: Duration = Duration::from_secs(60);

/// Programs in a directory, under `HASH-SIZE`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    dir: Arc<Path>,
    bytes_max: u64,
}

impl Store {
    /// Opens the store in `dir`, which is made (mode 0700) when missing, and removes what crashed
    /// processes left half-written. It keeps at most `bytes_max` bytes, but always the newest program.
    ///
    /// ```
    /// let dir = tempfile::tempdir()?;
    /// let store = phalanx_programs::Store::open(dir.path(), 1 << 30)?;
    /// let program = std::env::current_exe()?;
    /// let (hash, _) = phalanx_programs::hash_file(&program)?;
    /// assert_eq!(store.get(&hash), None);
    /// let copy = store.insert_copy(&hash, &program)?;
    /// assert_eq!(store.get(&hash), Some(copy));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(dir: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(StoreError::at(dir))?;
        let store = Self { dir: dir.into(), bytes_max };
        store.remove_leftovers()?;
        Ok(store)
    }

    /// Where a program is, if it is here and whole. Counts as a use of it.
    ///
    /// Whoever starts it must be ready to find it evicted in between, by another process.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<PathBuf> {
        let prefix = format!("{}-", hex(hash));
        let entry = self.entries().ok()?.find(|e| e.name.starts_with(&prefix))?;
        let size: u64 = entry.name[prefix.len()..].parse().ok()?;
        if entry.metadata.len() != size {
            // A crash of the machine can leave a file without its bytes: it is as good as absent.
            let _ = fs::remove_file(&entry.path);
            return None;
        }
        let file = File::open(&entry.path).ok()?;
        // The order of eviction is not worth failing for.
        let _ = file.set_modified(SystemTime::now());
        Some(entry.path)
    }

    /// Stores a copy of the file `from`, after checking that its hash is `hash`.
    /// The copy shares the blocks of the original where the file system can.
    ///
    /// # Errors
    /// When the file is not that program, is too large, or the disk refuses.
    pub fn insert_copy(&self, hash: &Hash, from: &Path) -> Result<PathBuf, StoreError> {
        if let Some(path) = self.get(hash) {
            return Ok(path);
        }
        let mut source = File::open(from).map_err(StoreError::at(from))?;
        let size = source.metadata().map_err(StoreError::at(from))?.len();
        self.check_size(size)?;
        let mut temp = Temp::create(&self.dir)?;
        // Between two files this is copy_file_range(2), which clones blocks when it can.
        io::copy(&mut source, &mut temp.file).map_err(StoreError::at(&temp.path))?;
        io::Seek::rewind(&mut temp.file).map_err(StoreError::at(&temp.path))?;
        let (found, size) = hash_reader(&mut temp.file).map_err(StoreError::at(&temp.path))?;
        self.accept(temp, hash, found, size)
    }

    /// Begins to receive a program of `size` bytes piece by piece.
    ///
    /// # Errors
    /// When it cannot fit, or the disk refuses.
    pub fn begin(&self, hash: &Hash, size: u64) -> Result<Receiver, StoreError> {
        Receiver::new(self, *hash, size)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn check_size(&self, size: u64) -> Result<(), StoreError> {
        if size > self.bytes_max { Err(StoreError::TooLarge { size, max: self.bytes_max }) } else { Ok(()) }
    }

    pub(crate) fn accept(
        &self,
        temp: Temp,
        hash: &Hash,
        found: Hash,
        size: u64,
    ) -> Result<PathBuf, StoreError> {
        if found != *hash {
            return Err(mismatch(hash, &found));
        }
        let path = self.dir.join(format!("{}-{size}", hex(hash)));
        temp.persist(&path)?;
        self.evict(&path);
        Ok(path)
    }

    /// Removes the least recently used programs until the rest fits; never `newest`.
    fn evict(&self, newest: &Path) {
        let Ok(entries) = self.entries() else { return };
        let mut programs: Vec<Entry> = entries.filter(|e| !e.name.starts_with('.')).collect();
        let mut total: u64 = programs.iter().map(|e| e.metadata.len()).sum();
        programs.retain(|e| e.path != newest);
        programs.sort_by_key(|e| e.metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        for old in programs {
            if total <= self.bytes_max {
                return;
            }
            // Another process may have been quicker: gone is gone.
            let _ = fs::remove_file(&old.path);
            total -= old.metadata.len();
        }
    }

    fn remove_leftovers(&self) -> Result<(), StoreError> {
        for entry in self.entries().map_err(StoreError::at(&self.dir))? {
            if entry.name.starts_with(TEMP_PREFIX) && entry.age() >= TEMP_AGE_MIN && is_unlocked(&entry.path)
            {
                let _ = fs::remove_file(&entry.path);
            }
        }
        Ok(())
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = Entry>> {
        Ok(fs::read_dir(&self.dir)?.filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
            Some(Entry { path: entry.path(), name: entry.file_name().into_string().ok()?, metadata })
        }))
    }
}

/// A file of the store's directory.
struct Entry {
    path: PathBuf,
    name: String,
    metadata: Metadata,
}

impl Entry {
    fn age(&self) -> Duration {
        self.metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
    }
}

/// A living process holds the lock of the file that it writes.
fn is_unlocked(path: &Path) -> bool {
    File::open(path).is_ok_and(|f| flock(&f, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
