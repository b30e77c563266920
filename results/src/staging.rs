//! A file that appears under its name only when it is complete.
//!
//! It is written as `.NAME.tmp-PID-RANDOM` beside its final place, brought to the disk, and renamed. Until
//! then nobody sees it; whatever fails, it is removed. Renaming replaces another file only if that was
//! asked for, also when that file appeared while this one was being written.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::SaveError;

/// The temporary file; removed when dropped before [`Staging::publish`].
#[derive(Debug)]
pub(crate) struct Staging {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    overwrite: bool,
    published: bool,
}

impl Staging {
    /// Checks that `target` can be made, and makes its missing directories and the temporary file.
    pub(crate) fn create(target: &Path, overwrite: bool) -> Result<Self, SaveError> {
        prepare(target)?;
        if !overwrite && target.exists() {
            return Err(SaveError::AlreadyExists { path: target.to_owned() });
        }
        // Checked above: there is one.
        let (directory, name) = (directory_of(target), target.file_name().unwrap_or_default());
        let mut temporary = OsString::from(".");
        temporary.push(name);
        let random = getrandom::u64().map_err(|error| {
            SaveError::from_io("name", target, target, io::Error::other(error.to_string()))
        })?;
        temporary.push(format!(".tmp-{}-{random:016x}", std::process::id()));
        let temporary = directory.join(temporary);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| SaveError::from_io("create a file in", target, directory, error))?;
        Ok(Self { file, temporary, target: target.to_owned(), overwrite, published: false })
    }

    /// The file to write to.
    pub(crate) fn file(&self) -> Result<File, SaveError> {
        self.file
            .try_clone()
            .map_err(|error| SaveError::from_io("open", &self.target, &self.temporary, error))
    }

    /// Brings the file to the disk and gives it its name.
    pub(crate) fn publish(mut self) -> Result<PathBuf, SaveError> {
        let target = &self.target;
        self.file.sync_all().map_err(|error| SaveError::from_io("write", target, target, error))?;
        self.rename().map_err(|error| SaveError::from_io("name", target, target, error))?;
        self.published = true;
        // The file is complete and has its name. Whether the name would survive a power failure is up to
        // the file system where a directory cannot be synchronised.
        let _ = File::open(directory_of(target)).and_then(|directory| directory.sync_all());
        Ok(self.target.clone())
    }

    fn rename(&self) -> io::Result<()> {
        if self.overwrite {
            return fs::rename(&self.temporary, &self.target);
        }
        match renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Not every file system knows this flag (NFS does not); a hard link never replaces a file either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::hard_link(&self.temporary, &self.target)?;
                fs::remove_file(&self.temporary)
            }
            renamed => Ok(renamed?),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Checks that there can be a file `target`, and makes its missing directories.
pub(crate) fn prepare(target: &Path) -> Result<(), SaveError> {
    let invalid = |reason| SaveError::InvalidPath { path: target.to_owned(), reason };
    if target.file_name().is_none() || ends_with_separator(target) {
        return Err(invalid("it names no file; give a file name such as `results.h5`"));
    }
    match fs::metadata(target) {
        Ok(found) if found.is_dir() => {
            return Err(invalid("it is a directory; add a file name such as `results.h5`"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(SaveError::from_io("look at", target, obstacle(target), error)),
    }
    let directory = directory_of(target);
    fs::create_dir_all(directory).map_err(|error| {
        let at = obstacle(directory);
        // What stands in the way of a directory "exists", but it is not the target that does.
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                SaveError::NotADirectory { path: target.to_owned(), at: at.to_owned() }
            }
            _ => SaveError::from_io("create the directory of", target, at, error),
        }
    })
}

fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The part of the path that stands in the way: the longest that exists and can be looked at.
fn obstacle(path: &Path) -> &Path {
    path.ancestors().find(|part| fs::symlink_metadata(part).is_ok()).unwrap_or(path)
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_seen_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a/b/results.h5");
        let staging = Staging::create(&target, false).unwrap();
        staging.file().unwrap().write_all(b"complete").unwrap();
        assert!(!target.exists());
        assert_eq!(staging.publish().unwrap(), target);
        assert_eq!(fs::read_to_string(&target).unwrap(), "complete");
        assert_eq!(names(target.parent().unwrap()), ["results.h5"]);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("results.h5");
        let staging = Staging::create(&target, false).unwrap();
        fs::write(&target, "somebody else's").unwrap();
        let error = staging.publish().unwrap_err();
        assert!(matches!(error, SaveError::AlreadyExists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "somebody else's");
        assert_eq!(names(directory.path()), ["results.h5"]);
    }

    #[test]
    fn replacing_is_a_matter_of_asking() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("results.h5");
        fs::write(&target, "old").unwrap();
        let error = Staging::create(&target, false).unwrap_err();
        assert!(matches!(error, SaveError::AlreadyExists { .. }), "{error}");
        let staging = Staging::create(&target, true).unwrap();
        staging.file().unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        staging.publish().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn paths_that_cannot_be_say_why() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = |path: &Path| Staging::create(path, true).unwrap_err();
        for below in ["file/results.h5", "file/deeper/results.h5"] {
            let error = refused(&directory.path().join(below));
            assert!(matches!(&error, SaveError::NotADirectory { at, .. } if *at == file), "{error}");
        }
        for nameless in ["", "/", "results/", ".."] {
            let error = refused(Path::new(nameless));
            assert!(matches!(error, SaveError::InvalidPath { .. }), "{nameless}: {error}");
        }
        let error = refused(directory.path());
        assert!(error.to_string().contains("is a directory"), "{error}");
        assert_eq!(names(directory.path()), ["file"]);
    }
}
