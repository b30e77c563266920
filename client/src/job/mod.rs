//! A job on the client's side: what was sent, what came back.

mod attempts;
mod coverage;
mod handle;
mod news;
mod options;
mod ready;
mod run;
mod state;

pub use attempts::{AttemptInfo, AttemptOutcome, Attempts};
pub use handle::{ChunkInfo, JobHandle, Progress};
pub(crate) use news::{Cursor, News};
pub(crate) use options::JobOptions;
pub(crate) use ready::Ready;
pub(crate) use run::RunResult;
pub(crate) use state::{Ended, Job, JobPlan, JobSpec, State};
