//! What has come of a job since it was last looked at.

use std::sync::Arc;

use super::run::RunResult;
use super::state::{Ended, Lost, State};

/// How far somebody has followed a job.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    pub(crate) runs: usize,
    pub(crate) lost: usize,
}

/// What has come since. The results themselves are shared, not copied.
pub(crate) struct News {
    pub(crate) runs: Vec<Arc<RunResult>>,
    pub(crate) lost: Vec<Lost>,
    /// How the job ended, if it has; nothing comes after that.
    pub(crate) ended: Option<Ended>,
}

impl Cursor {
    /// Takes what is new.
    pub(crate) fn take(&mut self, state: &State) -> News {
        let runs = state.runs[self.runs..].to_vec();
        let lost = state.lost[self.lost..].to_vec();
        (self.runs, self.lost) = (state.runs.len(), state.lost.len());
        News { runs, lost, ended: state.ended.clone() }
    }
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.lost.is_empty()
    }
}
