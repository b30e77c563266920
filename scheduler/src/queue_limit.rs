//! Duty: a job of which nothing is begun in time ends.
//!
//! That an engine was given a chunk does not mean that it runs it: it may wait there behind one that takes hours. So at the
//! deadline all that engines hold of the job is asked back, and no more of it is given out. An engine hands over what it has not
//! begun, or says that it has begun it, and then the job goes on. What an engine says nothing of for
//! [`recall_timeout`](crate::Config::recall_timeout) counts as not begun.

use std::mem;

use crate::action::{Action, Outcome, Unbegun};
use crate::bug::Bug;
use crate::explain::Waiting;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// Notes until when something of a new job must have been begun.
    pub(crate) fn watch(&mut self, slot: u32) {
        self.begin_by.extend(self.jobs[slot].begin_by.map(|deadline| (deadline, slot)));
    }

    /// Something of the job has been begun: it does not end any more for having waited.
    pub(crate) fn begin(&mut self, slot: u32) {
        self.unwatch(slot);
        let job = &mut self.jobs[slot];
        if mem::take(&mut job.overdue) {
            // It is looked at once this input has been dealt with.
            self.reviews.insert(job.key);
        }
    }

    /// A job is not watched any more.
    pub(crate) fn unwatch(&mut self, slot: u32) {
        if let Some(deadline) = self.jobs[slot].begin_by.take() {
            self.begin_by.remove(&(deadline, slot));
        }
    }

    /// Deals with jobs that should have begun by now.
    pub(crate) fn expire_jobs(&mut self) {
        if self.has_bug(Bug::WaitsForEver) {
            return self.begin_by.clear();
        }
        while let Some(&(deadline, slot)) = self.begin_by.first().filter(|(by, _)| *by <= self.now) {
            let job = &self.jobs[slot];
            if job.overdue || job.ledger.assigned() == 0 || self.has_bug(Bug::ExpiresTheBegun) {
                self.end_job(slot, Outcome::Expired(self.why_unbegun(slot)));
            } else {
                self.begin_by.remove(&(deadline, slot));
                self.call_back(slot);
            }
        }
    }

    /// Asks for all that engines hold of a job, and gives out no more of it until it is known whether any was begun.
    fn call_back(&mut self, slot: u32) {
        let answer_by = self.now.after(self.config.recall_timeout);
        let job = &mut self.jobs[slot];
        (job.overdue, job.begin_by) = (true, Some(answer_by));
        self.watch(slot);
        self.update_ready(slot);
        for engine in self.jobs[slot].holders() {
            let at = self.ids.slot(engine).expect("the owner of an assigned chunk is alive");
            let (engine, actions) = (&mut self.engines[at], &mut self.actions);
            let (node, id) = (engine.node, engine.id);
            engine.held.call_back(slot, |run| {
                let (job, first, count, attempt) = (run.job, run.index, run.count, run.attempt);
                actions.push_back(Action::Recall { node, engine: id, job, first, count, attempt });
            });
            self.note(at);
        }
    }

    /// Chunks of an overdue job have come back: if it has none left on engines, none was begun.
    pub(crate) fn review_overdue(&mut self, slot: u32) {
        if self.jobs.get(slot).is_some_and(|job| job.overdue && job.ledger.assigned() == 0) {
            self.end_job(slot, Outcome::Expired(self.why_unbegun(slot)));
        }
    }

    fn why_unbegun(&self, slot: u32) -> Unbegun {
        let job = &self.jobs[slot];
        if !job.waits.is_empty() {
            return Unbegun::After;
        }
        // Else all of it is on engines.
        let Some(next) = job.next_waiting() else { return Unbegun::Busy };
        match self.why_waiting(slot, next) {
            Waiting::NotSupplied { .. } => Unbegun::NotSupplied,
            Waiting::ClientPressure => Unbegun::ClientPressure,
            Waiting::NoEngines | Waiting::NoOpenEngines => Unbegun::NoEngines,
            Waiting::Needs { .. } => Unbegun::Needs,
            Waiting::Absent => Unbegun::Absent,
            Waiting::CannotRun => Unbegun::CannotRun,
            _ => Unbegun::Busy,
        }
    }

    /// Something of an overdue job has been begun after all: it goes on.
    pub(crate) fn resume(&mut self, slot: u32) {
        self.update_ready(slot);
        let alive = |at: &&u32| self.engines.get(**at).is_some();
        self.unblocked.extend(self.jobs[slot].targets.iter().filter(alive));
    }
}
