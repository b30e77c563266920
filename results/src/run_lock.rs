//! One writer per file.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::SaveError;

/// The right to write a run's file, held through a file `.NAME.lock` beside it: readers may lock the file itself.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    /// Takes the lock for `target`, whose directory exists.
    pub(crate) fn take(target: &Path) -> Result<Self, SaveError> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.lock"));
        let failed = |error| SaveError::from_io("lock", target, &path, error);
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    return Err(SaveError::InUse {
                        path: target.to_owned(),
                        holder: holder.trim().to_owned(),
                    });
                }
                // A file system without locks: there is no telling whether somebody else writes.
                Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) | Ok(()) => {}
                Err(error) => return Err(failed(error.into())),
            }
            // Whoever held it before may have removed the file between our opening and locking it.
            let ours = file.metadata().map_err(failed)?.ino();
            if fs::metadata(&path).is_ok_and(|found| found.ino() == ours) {
                file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // One that stays does no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_others_are_told_who() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run.h5");
        let lock = RunLock::take(&target).unwrap();
        let error = RunLock::take(&target).unwrap_err().to_string();
        assert!(error.contains("run.h5") && error.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        drop(RunLock::take(&target).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
