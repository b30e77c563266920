//! Kept jobs that were aborted, until the controller has said so. They would outlive a client that leaves before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::job::Job;

/// By their numbers; bounded as jobs are.
#[derive(Default)]
pub(super) struct Aborting {
    jobs: Mutex<BTreeMap<u64, Arc<Job>>>,
    changed: Condvar,
}

impl Aborting {
    pub(super) fn insert(&self, job: &Arc<Job>) {
        self.jobs.lock().insert(job.key, Arc::clone(job));
    }

    /// The controller has ended it, or never had it.
    pub(super) fn remove(&self, key: u64) {
        let mut jobs = self.jobs.lock();
        if jobs.remove(&key).is_some() && jobs.is_empty() {
            self.changed.notify_all();
        }
    }

    pub(super) fn clear(&self) {
        self.jobs.lock().clear();
        self.changed.notify_all();
    }

    /// Those that the controller may still run.
    pub(super) fn all(&self) -> Vec<Arc<Job>> {
        self.jobs.lock().values().cloned().collect()
    }

    /// Waits until there are none; false when it was in vain.
    pub(super) fn wait_until_none(&self, until: Instant) -> bool {
        let mut jobs = self.jobs.lock();
        !self.changed.wait_while_until(&mut jobs, |jobs| !jobs.is_empty(), until).timed_out()
    }
}
