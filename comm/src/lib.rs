//! One communicator, with the names of MPI, over several ways to run.
//!
//! A program is a function of a [`Communicator`], called on every rank: `fn(&Communicator) -> Result<T, E>`. [`run_spmd`] runs it, on the ranks of a
//! [`Runner`] that is chosen by name: "serial", "threads", those that others [`register`] (the client's "cluster"),
//! and with the feature `mpi` "mpi". It gives the same answer on all of them.
//!
//! ```
//! use phalanx_comm::{CommError, Communicator, run_spmd};
//!
//! fn norm(comm: &Communicator) -> Result<f64, CommError> {
//!     let vector = comm.is_root().then(|| vec![3.0; 100]);
//!     let part = comm.scatter(0, vector)?;
//!     let squares: f64 = part.iter().map(|x| x * x).sum();
//!     Ok(comm.all_reduce(&[squares], phalanx_comm::Op::Sum)?[0].sqrt())
//! }
//! for runner in ["serial", "threads"] {
//!     assert_eq!(run_spmd(runner, 4, norm), Ok(30.0));
//! }
//! ```
//!
//! Operations work on values (any owned serde type) and, with the endings `v` and `_into`, on slices of numbers, which move as they lie in
//! memory. Whatever goes wrong, on whichever rank, ends the operations of all ranks with an equal [`CommError`], within seconds.
//!
//! - `communicator.rs`, `collectives/`, `messages.rs`, `map.rs`: the operations;
//! - `courier/`: messages between ranks, and the agreement about failures, on any [`transport`];
//! - `transport/`: bytes between ranks;
//! - `runner.rs`, `registry.rs`, `spmd.rs`: ways to run; `client_server.rs`, `sweep.rs`: programs of a known form;
//! - `shared.rs`: arrays that ranks of one host share.

mod client_server;
mod collectives;
mod communicator;
mod courier;
mod error;
mod frame;
mod map;
mod messages;
mod op;
mod program;
mod raw;
mod registry;
mod runner;
mod shared;
mod spmd;
mod stamp;
mod sweep;
pub mod transport;

pub use client_server::ClientServerRunner;
pub use collectives::Join;
pub use communicator::Communicator;
pub use error::CommError;
pub use map::Where;
pub use op::{Op, Reduce};
pub use phalanx_codec::{Number, Value};
pub use program::{Entry, Program, Remote};
pub use registry::{default_runner, lookup, names, register};
pub use runner::{Runner, SerialRunner, ThreadsRunner, conduct};
pub use shared::SharedArray;
pub use spmd::{Choice, run_spmd, run_spmd_all, run_spmd_with};
pub use sweep::{LocalResults, Sweep, merge_columns};
