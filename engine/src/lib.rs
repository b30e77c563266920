//! The engine daemon: one process per machine that hosts engines, the slots in which users' functions run.
//!
//! ```text
//!                     commands                          frames
//! controller ◀──────▶ session ──▶ slot (one per engine) ──────▶ worker (a process, one per program)
//!      ▲                            │                               │ writes what it runs on a
//!      └── heartbeat (own thread,   └── program cache               ▼ shared page ([`Board`])
//!          own connection)
//! ```
//!
//! The daemon never runs a user's code: a worker that crashes takes nothing with it, and the daemon says what happened.
//! Start reading at [`node`].

mod board;
mod config;
mod exit;
mod heartbeat;
pub mod node;
mod outbound;
mod program;
mod session;
mod slot;
mod tags;
mod worker;

pub use board::{Board, NO_ELEMENT, Running};
pub use config::{Connection, NodeConfig, OutputTo, Workers};
pub use node::{Node, NodeError};
pub use tags::{NodeTags, TagError, TagOrder};
pub use worker::{ThreadLauncher, WORKER_BOARD_FD, WORKER_OUTPUT_FDS, WORKER_SOCKET_FD};
