//! Waiting for several jobs at once.

use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::error::Result;
use crate::job::{Ended, Job, JobHandle};
use crate::progress;

/// When [`Client::wait_when`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnWhen {
    /// When all jobs have ended.
    #[default]
    AllCompleted,
    /// When one has ended.
    FirstCompleted,
    /// When anything of one has failed for good (an element, or the job itself), even while it goes on; else when all have ended.
    FirstException,
}

/// What [`Client::wait_when`] found: places among the jobs that it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waited {
    /// Jobs that have ended.
    pub done: Vec<usize>,
    /// Jobs that have not.
    pub pending: Vec<usize>,
    /// Jobs of which something has failed, be they done or pending.
    pub failed: Vec<usize>,
}

impl Client {
    /// Waits until all these jobs have ended, at most for `timeout`; false when some have not. Jobs are what calls return (references will do), of one type;
    /// those of several types go by their handles: `[out.as_ref(), other.as_ref()]`.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view();
    /// let jobs: Vec<_> = (0..3).map(|i| view.apply(|x: u64| x + 1, (i,))).collect();
    /// let sines = view.map_async(|x: f64| x.sin(), [0.1, 0.2], 1);
    /// assert!(client.wait(&jobs, None));
    /// assert!(client.wait([jobs[0].as_ref(), sines.as_ref()], None));
    /// assert!(jobs.iter().all(|job| job.ready()) && sines.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn wait<J: AsRef<JobHandle>>(
        &self,
        jobs: impl IntoIterator<Item = J>,
        timeout: Option<Duration>,
    ) -> bool {
        self.wait_when(jobs, ReturnWhen::AllCompleted, timeout).pending.is_empty()
    }

    /// Waits until one of these jobs has ended, or all have, or one has failed, at most for `timeout`; and says which.
    ///
    /// ```
    /// use phalanx::ReturnWhen;
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view();
    /// let jobs = ["7", "none"].map(|word| view.try_map_async(|word: String| word.parse::<u32>(), [word.to_owned()], 1));
    /// let waited = client.wait_when(&jobs, ReturnWhen::FirstException, None);
    /// assert_eq!(waited.failed, [1]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn wait_when<J: AsRef<JobHandle>>(
        &self,
        jobs: impl IntoIterator<Item = J>,
        when: ReturnWhen,
        timeout: Option<Duration>,
    ) -> Waited {
        let jobs: Vec<Arc<Job>> = jobs.into_iter().map(|job| Arc::clone(&job.as_ref().job)).collect();
        let all_over = || jobs.iter().all(|job| job.is_over());
        let holds = || match when {
            ReturnWhen::AllCompleted => all_over(),
            ReturnWhen::FirstCompleted => jobs.is_empty() || jobs.iter().any(|job| job.is_over()),
            ReturnWhen::FirstException => jobs.iter().any(|job| has_failed(job)) || all_over(),
        };
        let _ = self.session.wait_until(&jobs, holds, timeout);
        let mut waited = Waited::default();
        for (place, job) in jobs.iter().enumerate() {
            if job.is_over() { &mut waited.done } else { &mut waited.pending }.push(place);
            if has_failed(job) {
                waited.failed.push(place);
            }
        }
        waited
    }

    /// Waits until all these jobs have ended and shows their progress together, as [`JobHandle::wait_interactive`] does for one.
    ///
    /// # Errors
    /// Of the first of them that could not be run to its end.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view();
    /// let jobs = [view.map_async(|x: u32| x * x, 0..10, 5), view.map_async(|x: u32| x + x, 0..10, 5)];
    /// client.wait_interactive(&jobs)?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn wait_interactive<J: AsRef<JobHandle>>(&self, jobs: impl IntoIterator<Item = J>) -> Result<()> {
        let jobs: Vec<JobHandle> = jobs.into_iter().map(|job| job.as_ref().clone()).collect();
        progress::show(&jobs)?;
        jobs.iter().find_map(JobHandle::error).map_or(Ok(()), Err)
    }
}

/// Whether anything of it has failed for good.
fn has_failed(job: &Job) -> bool {
    let state = job.lock();
    state.failed > 0 || matches!(state.ended, Some(Ended::Failed(_)))
}
