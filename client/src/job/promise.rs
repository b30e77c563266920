//! Whether the controller has promised to keep a job, and following it by its id when a connection was lost.

use std::time::Duration;

use super::state::Job;
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
        if !self.spec.options.kept {
            let message = "nobody asked for that; make the view keep() before the call".to_owned();
            return Err(Error::NotKept { job: self.id.to_string(), why: NotKept::Unasked, message });
        }
        match self.wait_for_promise(timeout) {
            Promise::Given => Ok(()),
            Promise::Broken(why) => Err(why),
            Promise::Open => Err(Error::Timeout(timeout.unwrap_or_default())),
        }
    }

    /// From now on it is followed by its id: all that the controller has kept of it comes, again or for the first time.
    pub(crate) fn follow(&self) {
        let mut state = self.lock();
        state.clear_parts();
        let known = state.runs.iter().map(|run| (run.first_chunk, run.attempt)).collect();
        state.known = Some(known);
    }

    /// The controller does not know it: it is submitted anew.
    pub(crate) fn follow_no_more(&self) {
        self.lock().known = None;
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.is_attached || self.lock().known.is_some()
    }
}
