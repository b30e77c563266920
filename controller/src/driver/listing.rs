//! What is kept and what is under way, for those who ask; and what shall be kept no more.

use std::time::{Duration, Instant};

use phalanx_proto::ids::{JobId, JobKey};
use phalanx_proto::limits::clip;
use phalanx_proto::v1::{JobEntry, JobPhase, JobsReply, NotKept, PurgeReply};
use phalanx_scheduler::Outcome;

use super::Driver;
use super::job::Job;
use super::shelf::{Entry, Missing};
use crate::parse::PurgeWanted;

/// Jobs that are listed at most, the newest.
const LISTED_MAX: usize = 10_000;
/// Bytes of a text in the list: all of it must fit into one message.
const LISTED_TEXT_BYTES_MAX: usize = 256;

/// What a line of the list is of.
enum Listed<'a> {
    Kept(&'a Entry),
    Other(JobKey, &'a Job),
}

impl Driver {
    /// Every job that is kept or under way, the oldest first.
    pub(super) fn list_jobs(&self) -> JobsReply {
        // There may be very many: an entry is made for those that are listed only.
        let kept = self.shelf.iter().map(|(id, entry)| (entry.about.since, id, Listed::Kept(entry)));
        let others = self.jobs.iter().filter(|(key, job)| self.shelf.job(job.id) != Some(**key));
        let others = others.map(|(key, job)| (job.since, job.id, Listed::Other(*key, job)));
        let mut jobs: Vec<(Instant, JobId, Listed<'_>)> = kept.chain(others).collect();
        let order = |a: &(Instant, JobId, Listed<'_>), b: &(Instant, JobId, Listed<'_>)| {
            (a.0, a.1.to_bytes()).cmp(&(b.0, b.1.to_bytes()))
        };
        let surplus = jobs.len().saturating_sub(LISTED_MAX);
        if surplus > 0 {
            jobs.select_nth_unstable_by(surplus, order);
            jobs.drain(..surplus);
        }
        jobs.sort_unstable_by(order);
        let entry = |(_, id, listed)| match listed {
            Listed::Kept(entry) => self.kept_entry(id, entry),
            Listed::Other(key, job) => self.other_entry(key, job),
        };
        JobsReply { jobs: jobs.into_iter().map(entry).collect() }
    }

    fn kept_entry(&self, id: JobId, entry: &Entry) -> JobEntry {
        let (done, failed) = entry.settled();
        let phase = match entry.end.map(|end| end.outcome) {
            None => JobPhase::Running,
            Some(Outcome::Completed) => JobPhase::Completed,
            Some(Outcome::Cancelled) => JobPhase::Cancelled,
            Some(Outcome::Expired(_)) => JobPhase::Expired,
            Some(Outcome::Impossible(_)) => JobPhase::Impossible,
        };
        JobEntry {
            id: id.to_bytes().to_vec().into(),
            label: clip(&entry.about.label, LISTED_TEXT_BYTES_MAX),
            client: entry.client.0,
            client_left: !self.clients.contains_key(&entry.client),
            kept: true,
            phase: phase.into(),
            elements: entry.about.elements,
            elements_done: done,
            elements_failed: failed,
            age_ms: millis(entry.about.since.elapsed()),
            ended_ms: entry.end.map_or(0, |end| millis(end.at.elapsed())),
            kept_bytes: entry.bytes(),
            result_type: clip(&entry.about.result_type, LISTED_TEXT_BYTES_MAX),
        }
    }

    fn other_entry(&self, key: JobKey, job: &Job) -> JobEntry {
        let seen = self.scheduler.job_status(key).unwrap_or_default();
        JobEntry {
            id: job.id.to_bytes().to_vec().into(),
            label: clip(&job.label, LISTED_TEXT_BYTES_MAX),
            client: job.client.0,
            client_left: !self.clients.contains_key(&job.client),
            phase: JobPhase::Running.into(),
            elements: job.elements,
            elements_done: seen.elements_done,
            elements_failed: seen.elements_failed,
            age_ms: millis(job.since.elapsed()),
            ..JobEntry::default()
        }
    }

    /// Drops the results of jobs that have ended: of all these, or of none.
    pub(super) fn purge(&mut self, wanted: &PurgeWanted) -> PurgeReply {
        let ids: Vec<JobId> = match wanted {
            PurgeWanted::All => {
                self.shelf.iter().filter(|(_, e)| e.end.is_some()).map(|(id, _)| id).collect()
            }
            PurgeWanted::These(ids) => ids.clone(),
        };
        for id in &ids {
            if let Err(missing) = self.purgeable(*id) {
                return PurgeReply {
                    refused_id: id.to_bytes().to_vec().into(),
                    refused: missing.why.into(),
                    message: missing.message,
                    ..PurgeReply::default()
                };
            }
        }
        let mut reply = PurgeReply::default();
        for id in ids {
            let bytes = self.shelf.get(id).map_or(0, Entry::bytes);
            let removed = self.shelf.remove(id, Instant::now(), NotKept::Purged, "its results were purged");
            if let Some(removed) = removed {
                (reply.jobs, reply.bytes) = (reply.jobs + 1, reply.bytes + bytes);
                self.bury(removed);
            }
        }
        self.settle();
        reply
    }

    fn purgeable(&self, id: JobId) -> Result<(), Missing> {
        match self.shelf.get(id) {
            Some(entry) if entry.end.is_some() => Ok(()),
            Some(_) => Err(Missing::new(
                NotKept::Unfinished,
                "it is under way; wait for its end, or abort it (phalanx abort does), before it is purged",
            )),
            None => Err(self.missing(id)),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
