//! A harness for end-to-end tests: the daemons as users start them, programs as users write them, and the means to
//! kill, freeze and restart any of them.
//!
//! ```text
//! test ──▶ Cluster ──▶ controller, engine daemons (Daemon) ──▶ workers
//!   └────▶ Program ──▶ a program of src/bin/, a client of that cluster
//!   └────▶ Gate    ◀── functions on the engines wait at it, and tell who they are
//! ```
//!
//! Nothing here sleeps and hopes: every wait is for a condition ([`wait_until`]) and says what it waited for when it fails.
//! A cluster that goes out of scope kills all its processes, demands that none is left, and prints the logs of a test that failed.

// A test that cannot go on panics, and this crate is for tests alone.
#![allow(clippy::missing_panics_doc, reason = "every function here panics when its test has failed")]

mod binaries;
mod cluster;
mod daemon;
mod gate;
mod held_thread;
mod network;
mod processes;
mod program;
pub mod scenarios;
mod wait;

pub use binaries::{find as binary, phalanx};
pub use cluster::Cluster;
pub use daemon::Daemon;
pub use gate::{Arrival, Gate};
pub use held_thread::HeldThread;
pub use network::Network;
pub use processes::{is_alive, signal};
pub use program::{Finished, Program};
pub use rustix::process::Signal;
pub use wait::{DEADLINE, wait_for, wait_until};
