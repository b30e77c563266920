//! Why a question has no answer.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::query::FilterError;

/// How long one question may take.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a question has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be asked.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No job fits.
    #[error("the history holds no job {job:?}: it is too long ago, or was never run on this profile")]
    UnknownJob {
        /// What was asked for.
        job: String,
    },
    /// Several jobs fit.
    #[error("the ids of several jobs begin or end with {job:?}; give more of it")]
    AmbiguousJob {
        /// What was asked for.
        job: String,
    },
    /// The file cannot be written, so there is nothing to read.
    #[error("there is no history to read, for none can be recorded: {trouble}")]
    NotRecorded {
        /// What the writer met.
        trouble: String,
    },
    /// The file cannot be read.
    #[error("the history {} cannot be read: {reason}", path.display())]
    CannotRead {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It takes too long.
    #[error("the history was searched for {} s without an end; ask for less: a shorter time, one job, a lower limit", QUERY_TIMEOUT.as_secs())]
    TooSlow,
}
