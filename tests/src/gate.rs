//! A place where functions on the engines wait until the test lets them go on, and where the test sees them arrive.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::wait::{DEADLINE, wait_for, wait_until};

/// A folder that tests and functions share. It travels to the engines as any value does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gate {
    folder: PathBuf,
}

/// Somebody who came to a [`Gate`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Who it said it was: as a rule the element.
    pub tag: String,
    /// The process it runs in.
    pub pid: u32,
}

impl Gate {
    /// A closed gate in a folder, which is made if need be.
    #[must_use]
    pub fn at(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder).expect("the gate's folder can be made");
        Self { folder }
    }

    /// Its folder, to be given to a [`Program`](crate::Program).
    #[must_use]
    pub fn folder(&self) -> &str {
        self.folder.to_str().expect("tests' folders have plain names")
    }

    /// Says who came, without waiting.
    pub fn sign(&self, tag: impl std::fmt::Display) {
        let file = self.folder.join(format!("at-{tag}-{}", std::process::id()));
        fs::write(file, "").expect("the gate's folder can be written to");
    }

    /// Says who came, and waits until the gate is open.
    pub fn pass(&self, tag: impl std::fmt::Display) {
        self.sign(&tag);
        wait_until("the gate is opened", 2 * DEADLINE, || self.is_open());
    }

    /// Lets everybody go on.
    pub fn open(&self) {
        fs::write(self.folder.join("open"), "").expect("the gate's folder can be written to");
    }

    /// Whether it was opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.folder.join("open").exists()
    }

    /// Who came so far, each in each process once, in the order of the tags.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        let entries = fs::read_dir(&self.folder).expect("the gate's folder is there");
        let arrival = |name: &str| {
            let (tag, pid) = name.strip_prefix("at-")?.rsplit_once('-')?;
            Some(Arrival { tag: tag.to_owned(), pid: pid.parse().ok()? })
        };
        let mut found: Vec<_> =
            entries.flatten().filter_map(|entry| arrival(entry.file_name().to_str()?)).collect();
        found.sort();
        found
    }

    /// Waits until `n` have come, and says who.
    #[track_caller]
    pub fn wait_for_arrivals(&self, n: usize) -> Vec<Arrival> {
        let what = format!("{n} arrive at the gate");
        wait_for(&what, DEADLINE, || Some(self.arrivals()).filter(|found| found.len() >= n))
    }

    /// Waits until somebody has come from this process.
    #[track_caller]
    pub fn wait_for_process(&self, pids: &[u32]) -> Arrival {
        let what = format!("one of the processes {pids:?} arrives at the gate");
        wait_for(&what, DEADLINE, || self.arrivals().into_iter().find(|a| pids.contains(&a.pid)))
    }
}
