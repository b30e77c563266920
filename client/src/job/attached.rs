//! A job that somebody else submitted: known by what the controller says of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phalanx_proto::ids::JobId;
use phalanx_proto::v1::{self, attached};

use super::dependency::Fate;
use super::options::JobOptions;
use super::spec::{JobPlan, JobSpec};
use super::state::{Job, Lost};
use crate::codec::Elements;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::worker::Function;

impl Job {
    /// Its elements themselves stay where they are.
    pub(crate) fn attached(key: u64, id: JobId, result_type: &'static str, known: v1::Attached) -> Self {
        let nanoseconds = |ns: u64| (ns > 0).then(|| Duration::from_nanos(ns));
        let (plan, remaining) = match known.plan {
            Some(attached::Plan::Direct(plan)) => (JobPlan::Direct { targets: plan.targets }, Vec::new()),
            Some(attached::Plan::Balanced(plan)) => {
                (JobPlan::Balanced { chunksize: plan.chunksize }, plan.remaining)
            }
            None => (JobPlan::Balanced { chunksize: 0 }, Vec::new()),
        };
        let options = JobOptions {
            label: Some(Arc::from(known.label)),
            queue_limit: nanoseconds(known.queue_limit_ns),
            kept: true,
            ..JobOptions::default()
        };
        let function = Function { entry: 0, label: "", own_worker: false };
        let spec = JobSpec::new(function, Elements::default(), Bytes::new(), plan);
        let spec = JobSpec { options, result_type, ..spec };
        let mut job = Self::new(key, spec);
        let age = Duration::from_nanos(known.age_ns);
        (job.id, job.count, job.is_attached) = (id, known.elements, true);
        job.fate = Arc::new(Fate::new(id));
        job.submitted = Instant::now().checked_sub(age).unwrap_or(job.submitted);
        job.submitted_ns = job.submitted_ns.saturating_sub(known.age_ns);
        job.take();
        job.lock().lasted = nanoseconds(known.lasted_ns);
        job.miss(&remaining);
        job
    }

    /// Before its controller was restarted other elements had their results, which only its client has.
    fn miss(&self, remaining: &[v1::Span]) {
        let mut state = self.lock();
        let mut next = 0;
        for span in remaining {
            state.miss(next..span.first);
            next = span.first.saturating_add(span.count);
        }
        if !remaining.is_empty() {
            state.miss(next..self.count);
        }
    }
}

impl super::State {
    fn miss(&mut self, elements: std::ops::Range<u64>) {
        if elements.is_empty() || self.coverage.intersects(&elements) {
            return;
        }
        let error = RemoteError {
            element: elements.start,
            engine: None,
            attempt: 0,
            kind: RemoteErrorKind::Other,
            message: "it was done before the controller was restarted, and only the client that submitted the job has its result"
                .to_owned(),
            location: String::new(),
            backtrace: String::new(),
        };
        self.coverage.insert(elements.clone());
        self.failed += elements.end - elements.start;
        self.lost.push(Lost { chunk: 0, elements: elements.collect(), error, signal: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(elements: u64, remaining: &[(u64, u64)]) -> v1::Attached {
        let remaining =
            remaining.iter().map(|(first, count)| v1::Span { first: *first, count: *count }).collect();
        let plan = attached::Plan::Balanced(v1::BalancedPlan {
            chunksize: 2,
            remaining,
            ..v1::BalancedPlan::default()
        });
        v1::Attached {
            elements,
            label: "squares".into(),
            age_ns: 5_000_000_000,
            lasted_ns: 3_000_000_000,
            plan: Some(plan),
            ..v1::Attached::default()
        }
    }

    #[test]
    fn an_attached_job_has_its_plan_its_name_and_its_times() {
        let job = Job::attached(3, JobId(9), "u32", known(10, &[]));
        assert_eq!((job.id, job.elements(), job.chunks(), job.label()), (JobId(9), 10, Some(5), "squares"));
        assert!(job.submitted.elapsed() >= Duration::from_secs(5));
        assert_eq!(job.lock().lasted, Some(Duration::from_secs(3)));
        assert!(job.is_taken() && job.lock().lost.is_empty());
    }

    #[test]
    fn what_was_done_under_another_controller_is_named_as_missing() {
        let job = Job::attached(3, JobId(9), "u32", known(10, &[(2, 4), (8, 1)]));
        let state = job.lock();
        let missing: Vec<u64> = state.lost.iter().flat_map(|lost| lost.elements.clone()).collect();
        assert_eq!((missing, state.failed), (vec![0, 1, 6, 7, 9], 5));
    }
}
