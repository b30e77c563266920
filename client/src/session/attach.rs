//! What the controller says of kept jobs.

use std::sync::Arc;

use phalanx_proto::v1;

use super::connection::Io;
use super::kept;
use super::outgoing::Outgoing;
use crate::error::Error;
use crate::job::{Ended, Job, JobPlan};

impl Io {
    /// The answer to somebody who attaches, or news of keeping a job of this client.
    pub(super) fn on_attached(&mut self, attached: v1::Attached, outgoing: &Outgoing) {
        let key = attached.job;
        self.take_attached(attached, outgoing);
        self.answered(key, outgoing);
    }

    fn take_attached(&mut self, attached: v1::Attached, outgoing: &Outgoing) {
        let key = attached.job;
        if let Some((_, waiting)) = self.kept.attaching.remove(&key) {
            let answer = match waiting.refusal(&attached) {
                Some(error) => Err(error),
                None => {
                    let job = Arc::new(Job::attached(key, waiting.id, waiting.wanted, attached));
                    self.jobs.insert(key, Arc::clone(&job));
                    Ok(job)
                }
            };
            return waiting.tell(answer);
        }
        if attached.refused() != v1::NotKept::Unspecified {
            self.kept.aborting.remove(key);
        }
        let under_way = self.jobs.get(&key).map(|job| Arc::clone(&job));
        // Its end may have come before.
        let Some(job) = under_way.or_else(|| self.kept.unpromised.get(&key).map(|job| Arc::clone(&job)))
        else {
            return;
        };
        match kept::refusal(&attached, job.id, job.spec.result_type) {
            Some((why, error)) => self.on_not_kept(&job, why, error, outgoing),
            // With a plan it is only the answer to following the job.
            None if attached.plan.is_none() => {
                self.kept.unpromised.remove(&key);
                job.is_promised();
            }
            None => {}
        }
    }

    /// Nothing comes any more of a job that is followed by its id. One that this client has submitted in this session goes on, for this client.
    fn on_not_kept(&mut self, job: &Arc<Job>, why: v1::NotKept, error: Error, outgoing: &Outgoing) {
        if !job.is_followed() {
            self.kept.unpromised.remove(&job.key);
            return job.keeps_no_more(error);
        }
        let unknown = matches!(
            why,
            v1::NotKept::Unknown | v1::NotKept::Before | v1::NotKept::Unsent | v1::NotKept::Unasked
        );
        let is_balanced = matches!(job.spec.plan, JobPlan::Balanced { .. });
        if unknown && is_balanced && !job.is_attached && !job.is_over() {
            // The controller was restarted, or has never had all of it.
            job.follow_no_more();
            // A promise was another controller's.
            self.kept.unpromised.insert(job.key, Arc::clone(job));
            return self.submit(Arc::clone(job), outgoing, true);
        }
        let restarted = matches!(why, v1::NotKept::Unknown | v1::NotKept::Before);
        let error = if restarted && !job.is_attached {
            Error::ControllerLost("it was restarted, and a call on a direct view is not repeated".to_owned())
        } else {
            error
        };
        self.kept.refused(job.key, &error);
        job.keeps_no_more(error.clone());
        self.jobs.remove(&job.key);
        job.end(Ended::Failed(error));
    }
}
