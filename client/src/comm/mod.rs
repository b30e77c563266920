//! A communicator with MPI's names: the ranks of a program talk to each other, on one thread, on many, or on engines.
//!
//! A program is a function of a [`Communicator`], called on every rank. [`run_spmd`] runs it on a [`Runner`], which is chosen by name:
//! "serial", "threads", "cluster" once a cluster's engines were [registered](register), and "mpi" with that feature. It gives the
//! same answer on all of them.
//!
//! ```
//! use phalanx::comm::{CommError, Communicator, Op, register, run_spmd};
//!
//! /// The length of a vector that is spread over the ranks.
//! fn norm(comm: &Communicator) -> Result<f64, CommError> {
//!     let vector = comm.is_root().then(|| vec![3.0; 100]);
//!     let part = comm.scatter(0, vector)?;
//!     let squares: f64 = part.iter().map(|x| x * x).sum();
//!     Ok(comm.all_reduce(&[squares], Op::Sum)?[0].sqrt())
//! }
//!
//! phalanx::init();
//! let client = phalanx::Client::in_process(2)?; // or local(4), or connect("nbserver")
//! register(client.direct_view(..).ranks())?;
//! for runner in ["serial", "threads", "cluster"] {
//!     assert_eq!(run_spmd(runner, 2, norm)?, 30.0);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whatever goes wrong on whichever rank (an error, a panic, a process that is killed, ranks that call different operations) ends the
//! operations of all ranks with an equal [`CommError`], within seconds.
//!
//! On a cluster, ranks are engines: each runs the program in its worker, where the namespace's neighbours are. They talk to each other
//! directly, over Unix sockets, and prove to each other that they belong together; the controller only tells them where the others are.

mod cluster;
mod rank;

pub use cluster::ClusterRunner;
pub use phalanx_comm::*;

pub(crate) use rank::{Meeting, listen, take_part};
