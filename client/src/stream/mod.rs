//! Maps over lazy and endless input, with bounded memory: [`LoadBalancedView::map_stream`](crate::LoadBalancedView::map_stream).
//!
//! ```text
//! iterator ── pulled ──▶ chunk ──▶ a balanced job of one chunk ──▶ fleet ──▶ reader
//!                 ▲                (retries, limits, restarts: as any job)     │
//!                 └──── only while the window has room, when the reader asks ◀─┘
//! ```
//!
//! - `map_stream`: what users hold, read by a thread; `asynchronous`: the same, awaited;
//! - `flow`: pulls, submits, takes what is done; it never waits, so that both can use it;
//! - `fleet`: the jobs that are under way, which a [`StreamCanceller`] can end from another thread;
//! - `window`: how much may be under way, and how long chunks are.

mod asynchronous;
mod fleet;
mod flow;
mod map_stream;
mod order;
mod window;

pub use asynchronous::AsyncMapStream;
pub use fleet::StreamCanceller;
pub use map_stream::MapStream;
pub use order::{Completed, Order, Ordered};

pub(crate) use flow::Recipe;
