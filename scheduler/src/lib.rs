//! The scheduling core: inputs in, actions out, nothing else.
//!
//! ```text
//!   driver ── handle(now, Input) ──▶ Scheduler ── poll_action() ──▶ driver
//!          ── handle(now, Tick)  ──▶           ── poll_timeout() ─▶
//! ```
//!
//! No clock, no I/O, no threads, no randomness but the seed's: the same inputs give the same
//! actions. What peers say is untrusted and is answered with a [`Reject`], never with a panic.

mod action;
mod assign;
mod bits;
mod bug;
mod classes;
mod clients;
mod config;
mod cutter;
mod dependency;
mod direct;
mod engine;
mod engine_ids;
mod explain;
mod fair;
mod held;
mod input;
mod invariants;
mod job;
mod jobs;
mod ledger;
mod load;
mod losses;
mod nodes;
mod pace;
pub mod place;
mod queue_limit;
mod recall;
mod reject;
mod reports;
mod scheduler;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod slab;
mod status;
mod time;
mod urgent;
mod waits;
mod wishes;

pub use action::{Action, ChunkFailure, Outcome, Unbegun};
#[doc(hidden)]
pub use bug::Bug;
pub use config::Config;
pub use dependency::{Dependency, Impossible};
pub use explain::{Explanation, HeldChunks, JobExplanation, Waiting};
pub use input::{Chunking, Input, JobSpec, Loss, LossKind, Plan, RunningChunk};
pub use invariants::Violation;
pub use place::Place;
pub use reject::Reject;
pub use scheduler::Scheduler;
pub use status::{EngineStatus, JobStatus};
pub use time::Timestamp;
