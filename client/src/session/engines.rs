//! The engines there are.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use phalanx_proto::v1;

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
}

/// The engines, kept up to date by the session's thread.
#[derive(Default)]
pub(crate) struct Engines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    alive: BTreeMap<u32, EngineInfo>,
    /// Hosts of engines that have left, for chunks that they ran; bounded.
    left: BTreeMap<u32, String>,
    closed: bool,
}

/// Engines remembered after they left.
const LEFT_MAX: usize = 10_000;

impl Engines {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them anew.
    pub(crate) fn reset(&self, engines: Vec<v1::EngineInfo>) {
        let mut state = self.lock();
        state.alive.clear();
        join(&mut state, engines);
        drop(state);
        self.changed.notify_all();
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

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.lock().alive.keys().copied().collect()
    }

    pub(crate) fn host_of(&self, engine: u32) -> Option<String> {
        let state = self.lock();
        state.alive.get(&engine).map(|e| e.host.clone()).or_else(|| state.left.get(&engine).cloned())
    }

    /// Waits until there are `n`.
    pub(crate) fn wait_for(&self, n: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.alive.len() < n {
            if state.closed {
                return Err(Error::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
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
        let info = EngineInfo { id: e.id, host: e.host, node: e.node, node_pid: e.node_pid };
        state.alive.insert(e.id, info);
    }
}
