//! What is known of each job, client and lane.

use std::cmp::Reverse;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct JobShare {
    pub(super) lane: u32,
    pub(super) time: u64,
    /// The time under which it is listed, while it is ready.
    pub(super) key: u64,
    pub(super) ready: bool,
}

#[derive(Debug, Default)]
pub(super) struct ClientShare {
    pub(super) time: u64,
    pub(super) pressed: bool,
    pub(super) lanes: Vec<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) client: u32,
    pub(super) program: u32,
    pub(super) priority: i32,
    pub(super) class: Option<u32>,
    pub(super) jobs: BTreeSet<(u64, u32)>,
    /// Jobs, ready or not.
    pub(super) members: u32,
    pub(super) now: u64,
    /// Its client's time when it was listed, and its first job's.
    pub(super) key: u64,
    pub(super) head: u64,
    pub(super) listed: bool,
}

/// Where a lane is listed: its client's time, its priority, its first job's time, its slot.
pub(super) type Place = (u64, Reverse<i32>, u64, u32);

impl Lane {
    pub(super) fn place(&self, slot: u32) -> Place {
        (self.key, Reverse(self.priority), self.head, slot)
    }

    pub(super) fn first_key(&self) -> u64 {
        self.jobs.first().map_or(self.head, |(key, _)| *key)
    }
}
