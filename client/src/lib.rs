//! One controller, many engines, your own functions on all of them.
//!
//! ```no_run
//! use phalanx::{Auto, Client};
//!
//! fn main() -> phalanx::Result<()> {
//!     phalanx::init(); // the first line of main: engines run this very program
//!     let client = Client::local(4)?; // or Client::connect("nbserver")?
//!
//!     // Every engine at once, each with a namespace of its own:
//!     let dview = client.direct_view(..);
//!     println!("{:?}", dview.apply(|a: i64, b: i64| a * b, (5, 6)).get()?);
//!
//!     // Wherever there is room:
//!     let lview = client.load_balanced_view();
//!     let out = lview.map_async(|x: f64| x.sin(), (0..100_000).map(f64::from), Auto);
//!     out.wait_interactive()?;
//!     println!("the total calculation time is: {:?}", out.wall_time());
//!     # #[cfg(feature = "hdf5")]
//!     out.save("data/sines.h5")?;
//!     Ok(())
//! }
//! ```
//!
//! - [`Client`] connects to a cluster, or starts one: [`Client::local`].
//! - [`DirectView`] and [`LoadBalancedView`] run functions; [`AsyncResult`] and [`AsyncMapResult`] are what they
//!   return at once: wait for them, `.await` them, iterate over them, ask how far they are, abort them.
//! - Functions are plain functions and closures that capture nothing, for they travel as their place in this executable;
//!   data goes along with [`LoadBalancedView::with`]. Values are any `serde` type; vectors and arrays of numbers travel raw.
//! - [`comm`] lets the engines talk to each other, with MPI's names.
//! - [`simulation`] puts together what was computed in overlapping pieces.
//! - [`mapper`] maps one function over lists, cycle after cycle, on workers that stay or on a process per task.
//! - [`Client::history`] finds jobs of the past: who ran what, when, on which engines, and what failed.
//! - What functions print, and their `tracing` events, come back with the results, and while they run:
//!   [`stdout`](JobHandle::stdout), [`stderr`](JobHandle::stderr), [`follow_output`](JobHandle::follow_output).
//! - [`Error`] says what happened, whose fault it is, and what to do.

mod client;
pub mod comm;
mod control;
mod error;
mod executor;
mod history;
mod job;
mod kept;
mod local;
pub mod mapper;
mod program;
mod progress;
mod queue_status;
mod result;
#[cfg(feature = "hdf5")]
mod run;
#[cfg(feature = "hdf5")]
mod save;
mod session;
pub mod simulation;
pub mod stream;
mod view;
mod waiting;
mod worker;

pub use client::Client;
pub use error::{Error, NotKept, RemoteError, RemoteErrorKind, RemoteErrors, Result};
pub use executor::Executor;
pub use job::{
    AttemptInfo, AttemptOutcome, Attempts, ChunkInfo, ChunkOutput, Dependency, FollowFailures, FollowOutput,
    HeldChunks, JobExplanation, JobHandle, Progress, StdStream,
};
pub use kept::{JobInfo, JobPhase, Purged};
use phalanx_codec as codec;
pub use phalanx_codec::{CodecError, Number, Value};
#[doc(inline)]
pub use phalanx_history::{ChunkQuery, ChunkRecord, ChunkStatus, HistoryQuery, JobRecord, JobState};
pub use queue_status::{EngineQueue, QueueStatus};
pub use result::{AsCompleted, AsyncMapResult, AsyncResult, InOrder};
#[cfg(feature = "hdf5")]
pub use run::{AsyncRun, ResumableView};
#[cfg(feature = "hdf5")]
pub use save::SaveOptions;
pub use session::EngineInfo;
pub use stream::{AsyncMapStream, MapStream, StreamCanceller};
pub use view::{
    All, Auto, Chunksize, DirectView, DirectWith, Gather, LoadBalancedView, LoadBalancedWith, Many, One,
    Scatter, Shape, Targets,
};
pub use waiting::{ReturnWhen, Waited};
pub use worker::{Apply, Here, Namespace, NamespaceError, Reference, here, interrupted};

/// Must be the first line of `main`: engines start this very program as their worker, and there this call does not return.
/// In the user's own process it does nothing.
///
/// In a worker it sees to it that `tracing` events are written to standard error, and so come back with what else the functions print
/// ([`JobHandle::stderr`]): those that `RUST_LOG` on the engines lets through, else all from `info` on.
///
/// ```no_run
/// fn main() -> phalanx::Result<()> {
///     phalanx::init();
///     let client = phalanx::Client::connect("nbserver")?;
///     Ok(())
/// }
/// ```
pub fn init() {
    worker::become_worker();
}
