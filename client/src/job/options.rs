//! What a view asks of the jobs that it submits.

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::limits::{TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_MAX, clip};
use phalanx_proto::needs::Need;

use super::dependency::{Dependency, Waits, settled};
use crate::error::{Error, Result};

/// The most further attempts: those of an element are counted in 16 bits.
const RETRIES_MAX: u32 = u16::MAX as u32 - 1;

/// How a job is to be run, whatever it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobOptions {
    /// Further attempts for an element whose function failed.
    pub(crate) retries: u32,
    /// What people call it, when not by its function's name.
    pub(crate) label: Option<Arc<str>>,
    /// The highest come first among this client's.
    pub(crate) priority: i32,
    /// How long one of its elements may run.
    pub(crate) run_limit: Option<Duration>,
    /// How long it may wait until something of it is assigned.
    pub(crate) queue_limit: Option<Duration>,
    /// It outlives its client.
    pub(crate) kept: bool,
    /// What must be over before it begins.
    pub(crate) after: Vec<Dependency>,
    /// Where it may go.
    pub(crate) place: JobPlace,
}

impl JobOptions {
    /// What is left of what it waits for; or why it can never be run.
    pub(crate) fn settled(&self) -> std::result::Result<Waits, &'static str> {
        let targets = self.place.targets.as_ref().and_then(|targets| targets.as_deref().ok());
        settled(&self.after, targets)
    }
}

/// Where a load-balanced job may go: everywhere, unless something else is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobPlace {
    /// These engines, or why there are none.
    pub(crate) targets: Option<Result<Vec<u32>>>,
    /// Tags that an engine must have, or the one that is none.
    pub(crate) needs: Vec<Arc<str>>,
    /// It waits for an engine that has them.
    pub(crate) patient: bool,
    /// The offset of a function that says whether it may run on an engine.
    pub(crate) condition: Option<Result<i64>>,
}

impl JobOptions {
    /// What is wrong with it, if something is.
    pub(crate) fn check(&self) -> Result<()> {
        let limits = [("run", self.run_limit), ("queue", self.queue_limit)];
        if let Some((name, _)) = limits.iter().find(|(_, limit)| limit.is_some_and(|limit| limit.is_zero())) {
            return Err(Error::JobRefused(format!(
                "a {name} limit of no time lets nothing run; give a longer one, or leave it out"
            )));
        }
        if self.retries > RETRIES_MAX {
            let text = format!(
                "an element is tried at most {RETRIES_MAX} times more, and {} were wanted",
                self.retries
            );
            return Err(Error::JobRefused(text));
        }
        self.place.check()
    }
}

impl JobPlace {
    /// What is wrong with it, if something is.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(Err(e)) = &self.targets {
            return Err(e.clone());
        }
        if let Some(Err(e)) = &self.condition {
            return Err(e.clone());
        }
        let is_bad = |need: &Arc<str>| {
            need.len() > TAG_NAME_BYTES_MAX + TAG_VALUE_BYTES_MAX || Need::parse(need).is_none()
        };
        match self.needs.iter().find(|need| is_bad(need)) {
            Some(need) => Err(Error::BadNeed(clip(need, TAG_NAME_BYTES_MAX))),
            None if self.needs.len() > TAGS_MAX => Err(Error::JobRefused(format!(
                "it needs {} tags, and at most {TAGS_MAX} can be asked for",
                self.needs.len()
            ))),
            None => Ok(()),
        }
    }
}
