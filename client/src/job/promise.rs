//! Whether the controller has promised to keep a job, and following it by its id when a connection was lost.

use std::time::Duration;

use super::state::{Ended, Job};
use crate::error::{Error, NotKept, Result};

/// What the controller has said of keeping a job.
#[derive(Debug, Clone, Default)]
pub(crate) enum Promise {
    /// Nothing, so far.
    #[default]
    Open,
    /// All of it is there.
    Given,
    /// It will not be kept, or is kept no more.
    Broken(Error),
}

/// What a job had when it was submitted last: chunks and attempts are numbered anew from there on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Since {
    pub(super) runs: usize,
    pub(super) lost_attempts: usize,
}

impl Job {
    /// The controller has all of it.
    pub(crate) fn is_promised(&self) {
        self.promise(Promise::Given);
    }

    /// Its results can be had by nobody else.
    pub(crate) fn keeps_no_more(&self, why: Error) {
        self.promise(Promise::Broken(why));
    }

    fn promise(&self, promise: Promise) {
        self.lock().promise = promise;
        self.tell();
    }

    /// Waits until the controller has said whether it keeps the job. Somebody else runs the connection meanwhile.
    pub(crate) fn wait_kept(&self, timeout: Option<Duration>) -> Result<()> {
        if let Some(error) = self.failed_unpromised() {
            return Err(error);
        }
        if !self.spec.options.kept {
            let message = "nobody asked for that; make the view keep() before the call".to_owned();
            return Err(Error::NotKept { job: self.id.to_string(), why: NotKept::Unasked, message });
        }
        match self.wait_for_promise(timeout) {
            Promise::Given => Ok(()),
            Promise::Broken(why) => Err(why),
            Promise::Open => {
                Err(self.failed_unpromised().unwrap_or_else(|| Error::Timeout(timeout.unwrap_or_default())))
            }
        }
    }

    /// Why it has failed, if it did before anything was said of keeping it: it may never have been sent.
    fn failed_unpromised(&self) -> Option<Error> {
        let state = self.lock();
        match (&state.ended, &state.promise) {
            (Some(Ended::Failed(error)), Promise::Open) => Some(error.clone()),
            _ => None,
        }
    }

    /// From now on it is followed by its id: all that the controller has kept of it comes, again or for the first time.
    pub(crate) fn follow(&self) {
        let mut state = self.lock();
        state.clear_parts();
        let known = state.runs[state.since.runs..].iter().map(|run| (run.first_chunk, run.attempt)).collect();
        state.known = Some(known);
    }

    /// The controller does not know it: it is submitted anew, and its chunks are counted anew.
    pub(crate) fn follow_no_more(&self) {
        let mut state = self.lock();
        state.known = None;
        state.since = Since { runs: state.runs.len(), lost_attempts: state.lost_attempts.len() };
        if matches!(state.promise, Promise::Given) {
            state.promise = Promise::Open;
        }
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.is_attached || self.lock().known.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Elements;
    use crate::job::{JobOptions, JobPlan, JobSpec};
    use crate::worker::Function;

    fn job(kept: bool) -> Job {
        let function = Function { entry: 0, label: "f", own_worker: false };
        let plan = JobPlan::Balanced { chunksize: 1 };
        let spec = JobSpec::new(function, Elements::default(), bytes::Bytes::new(), plan);
        Job::new(1, JobSpec { options: JobOptions { kept, ..JobOptions::default() }, ..spec })
    }

    #[test]
    fn nobody_waits_for_a_promise_that_cannot_come() {
        let unasked = job(false).wait_kept(None).unwrap_err();
        assert!(matches!(unasked, Error::NotKept { why: NotKept::Unasked, .. }), "{unasked}");
        let failed = job(true);
        failed.end(Ended::Failed(Error::NoEngines));
        assert!(matches!(failed.wait_kept(None), Err(Error::NoEngines)));
        let late = job(true);
        assert!(matches!(late.wait_kept(Some(Duration::ZERO)), Err(Error::Timeout(_))));
    }

    #[test]
    fn a_promise_is_given_and_may_be_broken_later() {
        let job = job(true);
        job.is_promised();
        assert!(job.wait_kept(None).is_ok());
        job.keeps_no_more(Error::Closed);
        assert!(matches!(job.wait_kept(None), Err(Error::Closed)));
    }

    fn report(element: u64, retrying: bool) -> phalanx_proto::v1::Report {
        phalanx_proto::v1::Report {
            element_first: element,
            chunk_len: 1,
            chunk_count: 1,
            attempt: 1,
            stride: 1,
            retrying,
            data: bytes::Bytes::from_static(b"x"),
            timings: bytes::Bytes::from(vec![0; 10]),
            ..phalanx_proto::v1::Report::default()
        }
    }

    /// Chunks cut by a restarted controller have numbers that were there before.
    #[test]
    fn what_comes_of_a_job_that_was_submitted_anew_is_not_taken_for_what_came_before() {
        let mut elements = crate::codec::ElementsBuilder::default();
        (0..3_u8).for_each(|x| elements.push(&x).unwrap());
        let function = Function { entry: 0, label: "f", own_worker: false };
        let plan = JobPlan::Balanced { chunksize: 0 };
        let spec = JobSpec::new(function, elements.finish(), bytes::Bytes::new(), plan);
        let options = JobOptions { kept: true, ..JobOptions::default() };
        let job = Job::new(1, JobSpec { options, ..spec });
        let lost = |engine| phalanx_proto::v1::AttemptLost { engine, attempt: 1, ..Default::default() };
        assert!(job.on_report(report(0, false)));
        job.on_attempt_lost(&lost(3));
        job.is_promised();
        // The controller was restarted, and knows it no more.
        job.follow();
        job.follow_no_more();
        assert!(matches!(job.wait_kept(Some(Duration::ZERO)), Err(Error::Timeout(_))), "nothing is promised");
        job.on_attempt_lost(&lost(3));
        assert_eq!(job.lock().attempts_lost, 2);
        // The connection was lost, and all comes again: what has its number is another chunk.
        job.follow();
        job.on_attempt_lost(&lost(3));
        assert_eq!(job.lock().attempts_lost, 2);
        assert!(job.on_report(report(1, false)));
        assert_eq!(job.lock().coverage.covered(), 2);
        // Once more, and this time it is known.
        job.follow();
        assert!(job.on_report(report(1, false)));
        assert!(job.on_report(phalanx_proto::v1::Report { first_chunk: 1, ..report(2, false) }));
        assert_eq!((job.lock().runs.len(), job.is_over()), (3, true));
    }
}
