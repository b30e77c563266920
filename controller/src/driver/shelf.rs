//! Results that outlive their client, within a bound of bytes and of age.
//!
//! A kept job has an [`Entry`] from its submission on. What its client is told of it is noted there too, and whoever attaches
//! reads it from the beginning, at a pace of its own. Bytes are those of the messages, which share what was received.
//!
//! Beyond the bound of bytes results are dropped: those of jobs that have ended, the oldest first; when that is not enough those of
//! jobs that are under way, the largest first, for it is the one that does not fit. What was dropped is remembered for a while, so
//! that who asks for it is told.

mod entry;
mod grave;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use phalanx_proto::ids::{JobId, JobKey};
use phalanx_proto::v1::NotKept;

pub(super) use entry::{About, End, Entry, Watcher, report_bytes};
use grave::Graves;

/// Ends that are remembered of entries that are gone, besides as many as there are entries.
const ENDED_SLACK: usize = 64;

/// Why the results of a job cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) why: NotKept,
    pub(super) message: String,
}

impl Missing {
    pub(super) fn new(why: NotKept, message: impl Into<String>) -> Self {
        Self { why, message: message.into() }
    }
}

/// A kept job that is on the shelf no more: its driver tells those who follow it.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) id: JobId,
    pub(super) entry: Entry,
    pub(super) missing: Missing,
}

/// All entries. It keeps within its bounds when it is told to ([`trim`](Self::trim)).
#[derive(Debug)]
pub(super) struct Shelf {
    entries: HashMap<JobId, Entry>,
    /// Those that have ended, in the order of their ends; with some that are gone.
    ended: VecDeque<(Instant, JobId)>,
    graves: Graves,
    bytes: u64,
    bytes_max: u64,
    age_max: Duration,
}

impl Shelf {
    pub(super) fn new(bytes_max: u64, age_max: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            ended: VecDeque::new(),
            graves: Graves::default(),
            bytes: 0,
            bytes_max,
            age_max,
        }
    }

    pub(super) fn open(&mut self, id: JobId, entry: Entry) {
        self.bytes += entry.bytes();
        self.graves.open(id);
        self.entries.insert(id, entry);
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (JobId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Changes an entry, and counts what that adds.
    pub(super) fn change<T>(&mut self, id: JobId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&id)?;
        let before = entry.bytes();
        let result = change(entry);
        self.bytes = self.bytes - before + entry.bytes();
        Some(result)
    }

    /// The job has ended: from now on it ages.
    pub(super) fn end(&mut self, id: JobId, end: End) {
        if self.change(id, |entry| entry.finish(end)).is_some() {
            self.ended.push_back((end.at, id));
        }
    }

    pub(super) fn is_within_bounds(&self) -> bool {
        self.bytes <= self.bytes_max
    }

    /// Drops what is too old or too much; gives what was dropped.
    pub(super) fn trim(&mut self, now: Instant) -> Vec<Removed> {
        let mut removed = Vec::new();
        while let Some((at, id)) = self.ended.front().copied() {
            let old = now.saturating_duration_since(at) >= self.age_max;
            if !old && self.is_within_bounds() {
                break;
            }
            self.ended.pop_front();
            // Of one that was purged and kept anew the new one is not meant.
            if self.entries.get(&id).is_some_and(|entry| entry.end.is_some_and(|end| end.at == at)) {
                let what = if old { self.too_old() } else { self.too_much() };
                removed.extend(self.remove(id, now, NotKept::Dropped, &what));
            }
        }
        while !self.is_within_bounds() {
            let largest = self.entries.iter().max_by_key(|(id, entry)| (entry.bytes(), **id));
            let Some(id) = largest.map(|(id, _)| *id) else { break };
            let what = self.too_much();
            removed.extend(self.remove(id, now, NotKept::Dropped, &what));
        }
        removed
    }

    /// When [`trim`](Self::trim) has something to do again, should nothing be added.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ended.front().and_then(|(at, _)| at.checked_add(self.age_max))
    }

    /// Takes an entry off the shelf, and remembers why.
    pub(super) fn remove(&mut self, id: JobId, now: Instant, why: NotKept, what: &str) -> Option<Removed> {
        let mut entry = self.entries.remove(&id)?;
        self.bytes -= entry.bytes();
        if self.ended.len() > 2 * self.entries.len() + ENDED_SLACK {
            let is_there = |(at, id): &(Instant, JobId)| {
                self.entries.get(id).is_some_and(|entry| entry.end.is_some_and(|end| end.at == *at))
            };
            self.ended.retain(is_there);
        }
        entry.release();
        self.graves.dig(id, now, why, what);
        Some(Removed { id, entry, missing: Missing::new(why, what) })
    }

    /// Why there is no entry, if that is known.
    pub(super) fn missing(&self, id: JobId, now: Instant) -> Option<Missing> {
        self.graves.find(id, now)
    }

    /// The job that has this entry, if it is under way.
    pub(super) fn job(&self, id: JobId) -> Option<JobKey> {
        self.entries.get(&id).filter(|entry| entry.end.is_none()).map(|entry| entry.key)
    }

    fn too_much(&self) -> String {
        format!(
            "its results were dropped, because all that are kept took more than the {} bytes that the controller keeps; purge results that are not needed any more, or start the controller with a higher --kept-limit",
            self.bytes_max
        )
    }

    fn too_old(&self) -> String {
        format!(
            "its results were dropped, because they are kept for {} hours after the job's end; start the controller with a higher --kept-hours",
            self.age_max.as_secs_f64() / 3_600.0
        )
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
