//! What a file tells about the run as a whole.

use std::collections::BTreeMap;

use hdf5::Group;

use crate::storage::{Storage, attribute, text_attribute, without_nul};

/// Which job the results are of. Stored as attributes of the file's root; lists as small datasets.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// The job's id.
    pub job: String,
    /// A readable name of the function that ran.
    pub label: String,
    /// The hash of the program it is part of, in hexadecimal.
    pub program: String,
    /// When the job was submitted, in nanoseconds since 1970 (UTC) by the client's clock.
    pub submitted_ns: u64,
    /// When its last result was received, by the same clock.
    pub received_ns: u64,
    /// How long the caller waited, from submitting to the last result.
    pub wall_seconds: f64,
    /// The number of elements of each chunk, by chunk.
    pub chunk_sizes: Vec<u64>,
    /// The host of every engine that took part.
    pub hosts: BTreeMap<u32, String>,
    /// The version of Phalanx that ran the job.
    pub phalanx_version: String,
}

impl Default for RunInfo {
    /// A run of which nothing is known but this version of Phalanx.
    fn default() -> Self {
        Self {
            job: String::new(),
            label: String::new(),
            program: String::new(),
            submitted_ns: 0,
            received_ns: 0,
            wall_seconds: f64::NAN,
            chunk_sizes: Vec::new(),
            hosts: BTreeMap::new(),
            phalanx_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl RunInfo {
    pub(crate) fn write(&self, root: &Group, storage: Storage<'_>) -> hdf5::Result<()> {
        text_attribute(root, "job", &self.job)?;
        text_attribute(root, "label", &self.label)?;
        text_attribute(root, "program", &self.program)?;
        text_attribute(root, "phalanx_version", &self.phalanx_version)?;
        attribute(root, "submitted_ns", &self.submitted_ns)?;
        attribute(root, "received_ns", &self.received_ns)?;
        attribute(root, "wall_seconds", &self.wall_seconds)?;
        let chunks = root.create_group("chunks")?;
        storage.fixed(&chunks, "size", &[self.chunk_sizes.len()], &self.chunk_sizes)?;
        let engines = root.create_group("engines")?;
        let ids: Vec<u32> = self.hosts.keys().copied().collect();
        let hosts: Vec<_> = self.hosts.values().map(|host| without_nul(host)).collect();
        storage.fixed(&engines, "id", &[ids.len()], &ids)?;
        storage.texts(&engines, "host", &[hosts.len()], |engine| &hosts[engine]).map(drop)
    }
}
