//! A program on its way into the store.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{FlockOperation, flock};

use crate::StoreError;
use crate::hash::{Hash, hex};
use crate::store::{Store, TEMP_PREFIX};

/// Takes the pieces of one program. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct Receiver {
    store: Store,
    temp: Temp,
    hash: Hash,
    size: u64,
    written: u64,
    hasher: blake3::Hasher,
}

impl Receiver {
    pub(crate) fn new(store: &Store, hash: Hash, size: u64) -> Result<Self, StoreError> {
        store.check_size(size)?;
        let temp = Temp::create(store.dir())?;
        Ok(Self { store: store.clone(), temp, hash, size, written: 0, hasher: blake3::Hasher::new() })
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// When there are more than were announced, or the disk refuses them.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        let written = self.written + piece.len() as u64;
        if written > self.size {
            return Err(StoreError::SizeMismatch { expected: self.size, found: written });
        }
        self.temp.file.write_all(piece).map_err(StoreError::at(&self.temp.path))?;
        self.hasher.update(piece);
        self.written = written;
        Ok(())
    }

    /// Checks size and hash, and gives the program its name.
    ///
    /// # Errors
    /// When they are not what was announced, or the disk refuses.
    pub fn finish(self) -> Result<PathBuf, StoreError> {
        if self.written != self.size {
            return Err(StoreError::SizeMismatch { expected: self.size, found: self.written });
        }
        let found = *self.hasher.finalize().as_bytes();
        self.store.accept(self.temp, &self.hash, found, self.size)
    }
}

/// A temporary file, locked for as long as it grows so that nobody takes it for a leftover.
#[derive(Debug)]
pub(crate) struct Temp {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    kept: bool,
}

impl Temp {
    pub(crate) fn create(dir: &Path) -> Result<Self, StoreError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| StoreError::Io {
            path: dir.to_owned(),
            source: std::io::Error::other(e.to_string()),
        })?;
        let path = dir.join(format!("{TEMP_PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(random)));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600);
        let file = file.open(&path).map_err(StoreError::at(&path))?;
        let temp = Self { file, path, kept: false };
        flock(&temp.file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| StoreError::at(&temp.path)(e.into()))?;
        Ok(temp)
    }

    /// Makes it an executable of its owner, under its name. The rename is the moment it exists.
    pub(crate) fn persist(mut self, to: &Path) -> Result<(), StoreError> {
        self.seal()?;
        fs::rename(&self.path, to).map_err(StoreError::at(to))?;
        self.kept = true;
        Ok(())
    }

    /// From now on it can be executed and not be written to. The system starts no program that is open for writing, and
    /// whoever finds it under its name may start it at once: so this comes before the rename.
    fn seal(&mut self) -> Result<(), StoreError> {
        self.file.set_permissions(Permissions::from_mode(0o500)).map_err(StoreError::at(&self.path))?;
        self.file = File::open(&self.path).map_err(StoreError::at(&self.path))?;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done about a file that does not go away: the next `open` removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn mismatch(expected: &Hash, found: &Hash) -> StoreError {
    StoreError::HashMismatch { expected: hex(expected), found: hex(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_can_be_started_before_it_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut temp = Temp::create(dir.path()).unwrap();
        temp.file.write_all(&fs::read("/bin/true").unwrap()).unwrap();
        temp.seal().unwrap();
        assert!(process::Command::new(&temp.path).status().unwrap().success());
        assert!(temp.file.write_all(b"more").is_err());
    }
}
