//! What a run is, apart from its results.

use std::collections::BTreeMap;

use hdf5::Group;

use crate::storage::{Storage, attribute, text_attribute, without_nul};

/// A run: a function over elements, whose results go to a file as they come. It says what must be the same when the run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunHeader {
    /// A readable name of the function.
    pub label: String,
    /// The hash of the program it is part of, in hexadecimal.
    pub program: String,
    /// Where in that program it is: what tells closures of one function apart, which have one name.
    pub entry: i64,
    /// The hash of what all elements share, in hexadecimal.
    pub shared: String,
    /// What all elements share, in JSON, for people; empty if there is nothing or too much of it.
    pub parameters: String,
    /// A hash of each element's parameters.
    pub elements: Vec<u64>,
}

/// What happens while a run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunProgress {
    /// Every time that the run was started, the first one first.
    pub sessions: Vec<RunSession>,
    /// The host of every engine that took part, by the session and the engine's id.
    pub hosts: BTreeMap<(u32, u32), String>,
}

/// One time that the run was started, or went on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSession {
    /// The id of its job.
    pub job: String,
    /// The hash of the program that it ran, in hexadecimal: runs may go on with another one.
    pub program: String,
    /// When it was submitted, in nanoseconds since 1970 (UTC) by the client's clock.
    pub submitted_ns: u64,
    /// When its last result so far was received, by the same clock; 0 if there is none.
    pub received_ns: u64,
}

impl RunHeader {
    pub(crate) fn write(&self, root: &Group) -> hdf5::Result<()> {
        text_attribute(root, "label", &self.label)?;
        text_attribute(root, "program", &self.program)?;
        attribute(root, "entry", &self.entry)?;
        text_attribute(root, "shared", &self.shared)?;
        text_attribute(root, "shared_parameters", &self.parameters)?;
        attribute(root, "elements", &(self.elements.len() as u64))
    }
}

impl RunProgress {
    /// The seconds that somebody waited, all sessions together.
    #[must_use]
    pub fn wall_seconds(&self) -> f64 {
        let nanos = |s: &RunSession| s.received_ns.saturating_sub(s.submitted_ns);
        self.sessions.iter().map(nanos).sum::<u64>() as f64 / 1e9
    }

    pub(crate) fn write(&self, root: &Group, storage: Storage<'_>) -> hdf5::Result<()> {
        let each = || self.sessions.iter();
        let last = each().map(|session| session.received_ns).max().unwrap_or(0);
        text_attribute(root, "job", each().next_back().map_or("", |session| &session.job))?;
        text_attribute(root, "phalanx_version", env!("CARGO_PKG_VERSION"))?;
        attribute(root, "submitted_ns", &each().map(|s| s.submitted_ns).next().unwrap_or(0))?;
        attribute(root, "received_ns", &last)?;
        attribute(root, "wall_seconds", &self.wall_seconds())?;
        let (group, dims) = (root.create_group("sessions")?, [self.sessions.len()]);
        storage.texts(&group, "job", &dims, |session| &self.sessions[session].job)?;
        storage.texts(&group, "program", &dims, |session| &self.sessions[session].program)?;
        storage.fixed(&group, "submitted_ns", &dims, &each().map(|s| s.submitted_ns).collect::<Vec<_>>())?;
        storage.fixed(&group, "received_ns", &dims, &each().map(|s| s.received_ns).collect::<Vec<_>>())?;
        let (group, dims) = (root.create_group("engines")?, [self.hosts.len()]);
        let (sessions, engines): (Vec<u32>, Vec<u32>) = self.hosts.keys().copied().unzip();
        let hosts: Vec<_> = self.hosts.values().map(|host| without_nul(host)).collect();
        storage.fixed(&group, "session", &dims, &sessions)?;
        storage.fixed(&group, "id", &dims, &engines)?;
        storage.texts(&group, "host", &dims, |engine| &hosts[engine]).map(drop)
    }
}
