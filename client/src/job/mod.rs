//! A job on the client's side: what was sent, what came back.

mod attached;
mod attempts;
mod chunk_output;
mod coverage;
mod dependency;
mod explain;
mod follow;
mod handle;
mod handle_output;
mod news;
mod options;
mod output;
mod promise;
mod ready;
mod run;
mod spec;
mod state;
mod waiter;
mod waiting;

pub use attempts::{AttemptInfo, AttemptOutcome, Attempts};
pub use chunk_output::{ChunkOutput, StdStream};
pub use dependency::Dependency;
pub(crate) use dependency::Waits;
pub(crate) use explain::explain_by_name;
pub use explain::{HeldChunks, JobExplanation};
pub use follow::{FollowFailures, FollowOutput};
pub use handle::{ChunkInfo, JobHandle, Progress};
pub(crate) use news::Cursor;
#[cfg(feature = "hdf5")]
pub(crate) use news::News;
pub(crate) use options::{JobOptions, JobPlace};
pub(crate) use ready::Ready;
pub(crate) use run::RunResult;
pub(crate) use spec::{JobPlan, JobSpec};
pub(crate) use state::{Ended, Job, State};
pub(crate) use waiter::Waiter;
