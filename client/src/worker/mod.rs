//! The other side of a call: the process (or, for `Client::in_process`, the thread) in which an engine
//! runs a program's functions.
//!
//! ```text
//!            frames            claims            results
//! daemon ──▶ input ──▶ queue ─────────▶ executor ───────▶ output ──▶ daemon
//!              ▲                          │ reads itself while idle       ▲
//!              └────── monitor ───────────┴── flushes and reads ──────────┘
//!                      while a chunk runs long
//! ```
//!
//! - [`entry`]: from an offset to a function;
//! - [`entries`]: the functions there are: map, apply, push, pull …
//! - [`segments`]: those of work mappers;
//! - [`call`]: the loop over chunks and elements that they share;
//! - [`urgent`]: what is run between two elements of a long run;
//! - [`interrupt`]: how a function learns that its job was aborted;
//! - [`shared`], [`monitor`]: how a recall reaches a worker that is busy;
//! - [`printed`], [`print_thread`]: what user code prints, and how it is told whose it is.

mod call;
mod clock;
mod condition;
mod entries;
mod entry;
mod executor;
mod fault;
mod held;
mod held_text;
mod here;
mod input;
mod interrupt;
mod monitor;
mod namespace;
mod namespace_error;
mod output;
mod pace;
mod print_thread;
mod printed;
mod queue;
mod reference;
mod segments;
mod shared;
mod start;
mod urgent;
mod work;

pub(crate) use clock::now_ns;
pub(crate) use condition::condition;
pub use entries::Apply;
pub(crate) use entries::{
    Function, apply, clear, execute, listen, map, map_rows, map_with, names, pull, push, push_context,
    scatter, simulate, take_part, try_apply, try_execute, try_map, try_map_with, try_simulate,
};
pub(crate) use entry::{BadEntry, code_at, offset_of_code, summon};
pub(crate) use fault::{Fault, guard, install_hook};
pub use here::{Here, here};
pub use interrupt::interrupted;
pub use namespace::Namespace;
pub use namespace_error::NamespaceError;
pub use reference::Reference;
pub use segments::ApplyWith;
pub(crate) use segments::{
    Fallible, FallibleWith, Plain, Reply, Segment, With, prepare, release, run_alone, run_kept, with_worker,
};
pub(crate) use start::{ThreadWorkers, become_worker, forgot_init};
