//! A job on the client's side: what was sent, what came back.

mod chunk_output;
mod coverage;
mod follow;
mod handle;
mod handle_output;
mod news;
mod options;
mod output;
mod ready;
mod run;
mod state;

pub use chunk_output::{ChunkOutput, StdStream};
pub use follow::{FollowFailures, FollowOutput};
pub use handle::{ChunkInfo, JobHandle, Progress};
pub(crate) use news::{Cursor, News};
pub(crate) use options::JobOptions;
pub(crate) use ready::Ready;
pub(crate) use run::RunResult;
pub(crate) use state::{Ended, Job, JobPlan, JobSpec, State};
