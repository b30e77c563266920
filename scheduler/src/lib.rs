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
mod config;
mod input;
mod reject;
mod time;

pub use action::{Action, ChunkFailure, Outcome};
pub use config::Config;
pub use input::{Chunking, Input, JobSpec, Loss, LossKind, Plan};
pub use reject::Reject;
pub use time::Timestamp;
