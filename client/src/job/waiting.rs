//! Waiting for a job: until it has ended, until there is more of it, until the controller has promised to keep it.

use std::task::Waker;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::promise::Promise;
use super::state::{Ended, Job, State};

impl Job {
    /// Waits until it has ended; false when `timeout` passes first. Somebody else runs the connection meanwhile.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        let is_over = || self.is_over().then_some(true);
        phalanx_idle::wait(is_over, || {
            let (mut state, running) = (self.lock(), |s: &mut State| s.ended.is_none());
            match timeout {
                None => self.ended.wait_while(&mut state, running),
                Some(timeout) => {
                    let _ = self.ended.wait_while_for(&mut state, running, timeout);
                }
            }
            state.ended.is_some()
        })
    }

    /// Waits until more than `runs` results and `lost` chunks without one are there, or it has ended, or for `timeout`.
    pub(crate) fn wait_for_more(&self, runs: usize, lost: usize, timeout: Duration) -> MutexGuard<'_, State> {
        let waiting = |s: &mut State| s.ended.is_none() && s.runs.len() <= runs && s.lost.len() <= lost;
        let mut state = self.lock();
        let _ = self.arrived.wait_while_for(&mut state, waiting, timeout);
        state
    }

    /// What was said of keeping it, at most after `timeout`; nothing is said of what has failed to be sent.
    pub(super) fn wait_for_promise(&self, timeout: Option<Duration>) -> Promise {
        let open =
            |s: &mut State| matches!(s.promise, Promise::Open) && !matches!(s.ended, Some(Ended::Failed(_)));
        let mut state = self.lock();
        match timeout {
            None => self.arrived.wait_while(&mut state, open),
            Some(timeout) => drop(self.arrived.wait_while_for(&mut state, open, timeout)),
        }
        state.promise.clone()
    }

    /// Something has changed that people wait for.
    pub(super) fn tell(&self) {
        self.arrived.notify_all();
    }

    /// Whether it has ended; else `waker` is woken at the next news.
    pub(crate) fn poll_ended(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        if state.ended.is_some() {
            return true;
        }
        if !state.wakers.iter().any(|w| w.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        false
    }
}
