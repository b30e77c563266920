//! The engines there are.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use phalanx_proto::v1;

use super::standstill::{Cause, Standstill};
use crate::error::{Error, Result};

/// One engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its id.
    pub id: u32,
    /// The host it is on.
    pub host: String,
    /// The daemon that hosts it: engines of one node share a machine.
    pub node: u64,
    /// That daemon's process.
    pub node_pid: u32,
    /// What it has, by the daemon's `--tag`; its host's name, as `host`, at least.
    pub tags: BTreeMap<String, String>,
}

/// The engines, kept up to date by the session's thread.
#[derive(Default)]
pub(crate) struct Engines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The cluster's profile.
    profile: String,
    alive: BTreeMap<u32, EngineInfo>,
    /// Hosts of engines that have left, for chunks that they ran; bounded.
    left: BTreeMap<u32, String>,
    standstill: Option<Standstill>,
    closed: bool,
}

impl State {
    /// Notes whether there are any.
    fn look(&mut self) {
        if !self.alive.is_empty() {
            self.standstill = None;
        } else if self.standstill.is_none() {
            self.stand_still(Cause::NoEngines);
        }
    }

    fn stand_still(&mut self, cause: Cause) {
        self.standstill = Some(Standstill { cause, since: Instant::now(), profile: self.profile.clone() });
    }
}

/// Engines remembered after they left.
const LEFT_MAX: usize = 10_000;

impl Engines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them anew, from the controller of this profile.
    pub(crate) fn reset(&self, profile: &str, engines: Vec<v1::EngineInfo>) {
        let mut state = self.lock();
        state.profile = profile.to_owned();
        state.alive.clear();
        // What stood still for another reason stands still anew.
        state.standstill = None;
        join(&mut state, engines);
        state.look();
        drop(state);
        self.changed.notify_all();
    }

    /// The controller is gone, and with it what was known of them.
    pub(crate) fn lost(&self, why: &str) {
        let mut state = self.lock();
        state.alive.clear();
        state.stand_still(Cause::NoController(why.to_owned()));
        drop(state);
        self.changed.notify_all();
    }

    /// Why nothing can run at present, if so.
    pub(crate) fn standstill(&self) -> Option<Standstill> {
        self.lock().standstill.clone()
    }

    pub(crate) fn change(&self, change: v1::EnginesChanged) {
        let mut state = self.lock();
        for left in change.left {
            if let Some(engine) = state.alive.remove(&left.id) {
                tracing::info!(engine = left.id, "an engine has left: {}", left.reason);
                if state.left.len() == LEFT_MAX {
                    state.left.pop_first();
                }
                state.left.insert(left.id, engine.host);
            }
        }
        join(&mut state, change.joined);
        state.look();
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// All engines, by id.
    pub(crate) fn all(&self) -> Vec<EngineInfo> {
        self.lock().alive.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().alive.len()
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.lock().alive.keys().copied().collect()
    }

    pub(crate) fn host_of(&self, engine: u32) -> Option<String> {
        let state = self.lock();
        state.alive.get(&engine).map(|e| e.host.clone()).or_else(|| state.left.get(&engine).cloned())
    }

    /// Waits until there are `n`.
    pub(crate) fn wait_for(&self, n: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while state.alive.len() < n {
            if state.closed {
                return Err(Error::Closed);
            }
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Error::TooFewEngines { wanted: n, there: state.alive.len(), waited: timeout });
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

fn join(state: &mut State, engines: Vec<v1::EngineInfo>) {
    for e in engines {
        let tags = e.tags.into_iter().map(|tag| (tag.name, tag.value)).collect();
        let info = EngineInfo { id: e.id, host: e.host, node: e.node, node_pid: e.node_pid, tags };
        state.alive.insert(e.id, info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(id: u32) -> v1::EngineInfo {
        v1::EngineInfo { id, ..v1::EngineInfo::default() }
    }

    fn change(left: &[u32], joined: &[u32]) -> v1::EnginesChanged {
        let left = left.iter().map(|&id| v1::EngineLeft { id, reason: "it was killed".to_owned() }).collect();
        v1::EnginesChanged { left, joined: joined.iter().copied().map(engine).collect() }
    }

    #[test]
    fn without_engines_or_controller_nothing_runs_and_it_is_said_what_to_start() {
        let engines = Engines::default();
        let cause = || engines.standstill().map(|standstill| standstill.cause);
        assert_eq!(cause(), None, "nothing is known yet");

        engines.reset("lab", Vec::new());
        assert_eq!(cause(), Some(Cause::NoEngines));
        let text = engines.standstill().unwrap().to_string();
        assert!(text.contains("no engines") && text.contains("engine --profile lab -n 4"), "{text}");

        engines.change(change(&[], &[0, 1]));
        assert_eq!(cause(), None);
        engines.change(change(&[1], &[]));
        assert_eq!(cause(), None, "one is left");
        engines.change(change(&[0], &[]));
        assert_eq!(cause(), Some(Cause::NoEngines));

        engines.lost("it was closed");
        assert_eq!(cause(), Some(Cause::NoController("it was closed".to_owned())));
        let text = engines.standstill().unwrap().to_string();
        assert!(text.contains("it was closed") && text.contains("controller --profile lab"), "{text}");

        engines.reset("lab", Vec::new());
        assert_eq!(cause(), Some(Cause::NoEngines), "the controller is back, without engines");
        engines.reset("lab", vec![engine(0)]);
        assert_eq!(cause(), None);
    }

    #[test]
    fn a_standstill_counts_from_its_beginning() {
        let engines = Engines::default();
        engines.reset("lab", Vec::new());
        let since = engines.standstill().unwrap().since;
        engines.change(change(&[], &[]));
        assert_eq!(engines.standstill().unwrap().since, since);
    }
}
