//! Holding a function back until the scenario says go, with no cluster's folder to share: a [`Gate`](crate::Gate) in a
//! temporary folder, which opens at the latest when it is dropped, so that no thread is left waiting by a test that failed.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::wait::{DEADLINE, wait_until};

/// A closed latch; it opens when told to, and when it is dropped.
#[derive(Debug)]
pub struct Latch {
    folder: TempDir,
}

impl Latch {
    /// A closed one.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The folder that it is in, for marks of the test's own.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What [`pass`] takes.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("open")
    }

    /// Lets everybody pass.
    pub fn open(&self) {
        std::fs::write(self.path(), "").expect("the temporary folder can be written to");
    }
}

/// Waits until the latch is open, or gone with its scenario.
pub fn pass(latch: &Path) {
    let gone = || !latch.parent().is_some_and(Path::exists);
    wait_until("the latch is opened", 2 * DEADLINE, || latch.exists() || gone());
}
