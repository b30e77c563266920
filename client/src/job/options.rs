//! What a view asks of the jobs that it submits.

use std::sync::Arc;
use std::time::Duration;

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
}
