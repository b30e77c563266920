//! Jobs on their way to the controller, when they are new and when it has come back.

use std::sync::Arc;

use phalanx_proto::v1::{self, Refusal};

use super::connection::Io;
use super::engines::Engines;
use super::outgoing::Outgoing;
use super::upload;
use crate::error::Error;
use crate::job::{Dependency, Ended, Job, JobPlan};

impl Io {
    /// The job ends; whether it was under way. No part of it is sent after this.
    pub(super) fn abort(&self, key: u64) -> bool {
        let Some((_, job)) = self.jobs.remove(&key) else { return false };
        job.end(Ended::Failed(Error::Aborted));
        true
    }

    /// The data of small jobs goes out at once, with them; that of others takes its time beside them.
    pub(super) fn submit(&mut self, job: Arc<Job>, outgoing: &Outgoing, again: bool) {
        if !self.unanswered.is_empty() && !job.spec.options.after.is_empty() {
            return self.held.push((job, again));
        }
        let waits = match job.spec.options.settled() {
            Ok(waits) => waits,
            Err(why) => {
                self.jobs.remove(&job.key);
                let error = Error::Impossible(why.to_owned());
                self.kept.refused(job.key, &error);
                return job.end(Ended::Failed(error));
            }
        };
        outgoing.send_ahead(upload::submission(&job, again, waits));
        if let Some(messages) = upload::small(&job)
            && outgoing.try_send(messages).is_ok()
        {
            return;
        }
        tokio::spawn(upload::data(job, outgoing.clone()));
    }

    pub(super) fn end_direct(&self, why: &str) {
        self.jobs.retain(|_, job| {
            // What is kept may go on without us.
            let direct = matches!(job.spec.plan, JobPlan::Direct { .. }) && !job.spec.options.kept;
            if direct {
                job.end(Ended::Failed(Error::ControllerLost(why.to_owned())));
            }
            !direct
        });
    }

    pub(super) fn resubmit(&mut self, outgoing: &Outgoing) {
        (self.unanswered, self.held) = Default::default();
        // One that is over needs nothing more; only its end was not heard of.
        self.jobs.retain(|_, job| job.spec.options.kept || !job.is_over());
        // The others' commands are still to come, and each job is submitted once.
        let taken = self.jobs.iter().filter(|job| job.is_taken());
        let mut jobs: Vec<_> = taken.map(|job| Arc::clone(&job)).collect();
        jobs.sort_by_key(|job| job.key);
        let (kept, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.spec.options.kept);
        for job in kept {
            job.follow();
            self.unanswered.insert(job.key);
            outgoing.send_ahead(upload::attach(job.key, job.id, job.spec.result_type));
        }
        for job in others {
            self.submit(job, outgoing, true);
        }
    }

    /// The controller has said whether it knows a job that is followed.
    pub(super) fn answered(&mut self, key: u64, outgoing: &Outgoing) {
        if !self.unanswered.remove(&key) || !self.unanswered.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|(job, _)| job.key);
        for (job, again) in held.into_iter().filter(|(job, _)| !job.is_over()) {
            self.submit(job, outgoing, again);
        }
    }
}

/// Why a job was refused, in the words of who submitted it.
pub(super) fn refusal(refused: &v1::JobRefused, job: Option<&Job>, engines: &Engines) -> Error {
    // It was bound to engines by what it follows, not by a view that could be made again.
    let follows = || job.is_some_and(|job| job.spec.options.after.iter().any(Dependency::is_followed));
    match refused.code() {
        Refusal::NoEngines => Error::NoEngines,
        Refusal::UnknownEngine if engines.ids().is_empty() => Error::NoEngines,
        Refusal::UnknownEngine if follows() => Error::Impossible(
            "the engines are gone on which the jobs ran that it follows; run those again, or let it go anywhere (after)".to_owned(),
        ),
        Refusal::Impossible => Error::Impossible(refused.message.clone()),
        Refusal::UnknownJob => Error::UnknownDependency(refused.message.clone()),
        _ => Error::JobRefused(refused.message.clone()),
    }
}
