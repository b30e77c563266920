//! What the core wants done.

use std::fmt;
use std::sync::Arc;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, Run};

use crate::dependency::Impossible;
use crate::input::{Loss, LossKind};

/// Something the driver must do. The order is the order of doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Action {
    /// Tell the node the ids of its engines, and the clients about them.
    Registered { node: NodeId, engines: Vec<EngineId> },
    /// Send a run to an engine. `only`: just these offsets of the (single) chunk, a retry.
    /// `urgent`: before what the engine has queued, which is of other clients, and between two elements of what it runs.
    Assign { node: NodeId, engine: EngineId, run: Run, only: Option<Box<[u32]>>, urgent: bool },
    /// Ask for chunks back that have not been started; what has is answered for with [`Input::Begun`](crate::Input::Begun).
    Recall { node: NodeId, engine: EngineId, job: JobKey, first: u64, count: u32, attempt: u32 },
    /// The report that is being handled counts: send it to the client. `retrying`: its failures are tried again.
    Accepted { client: ClientId, run: Run, retrying: bool },
    /// A chunk has failed for good; there is no report. With an `offset` only that element of it has, and the others go on.
    Failed { client: ClientId, run: Run, offset: Option<u32>, engine: EngineId, failure: ChunkFailure },
    /// An attempt was lost and the chunks go on elsewhere: tell the client, so that it shows.
    /// `kind` is how the worker was lost; none when its engine was.
    AttemptLost {
        client: ClientId,
        run: Run,
        engine: EngineId,
        kind: Option<LossKind>,
        signal: Option<u32>,
        message: Arc<str>,
    },
    /// End whatever of this job the engine holds, running or queued. Nothing more will be heard of it from there
    /// but `WorkerLost`, `Returned` or late reports, which are rejected.
    CancelOn { node: NodeId, engine: EngineId, job: JobKey },
    /// All chunks are terminal. The core has forgotten the job.
    Finished { client: ClientId, job: JobKey, outcome: Outcome },
    /// The node holds nothing any more and may go.
    Drained { node: NodeId },
    /// The node was silent for too long and is lost: end its session.
    Expired { node: NodeId },
    /// An engine is no more: tell clients.
    EngineGone { engine: EngineId, reason: Arc<str> },
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every chunk was reported or has failed.
    Completed,
    /// It was cancelled, or its client went away.
    Cancelled,
    /// Nothing of it was begun within its queue limit.
    Expired(Unbegun),
    /// What is left of it can never be run.
    Impossible(Impossible),
}

/// Why nothing of a job was begun in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbegun {
    /// Jobs that it runs after were not over.
    After,
    /// Its elements had not all arrived.
    NotSupplied,
    /// Its client did not read the results of others.
    ClientPressure,
    /// There was no engine that may be given work.
    NoEngines,
    /// No engine that was there had what it needs.
    Needs,
    /// The engines that it is bound to had not come back.
    Absent,
    /// No engine that was there could run its program.
    CannotRun,
    /// The engines that could run it had other work before it.
    Busy,
}

impl fmt::Display for Unbegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::After => "jobs that it runs after were not over",
            Self::NotSupplied => "its elements had not arrived",
            Self::ClientPressure => "its client did not read the results that were there already",
            Self::NoEngines => "there were no engines",
            Self::Needs => "no engine that was there had what it needs",
            Self::Absent => "the engines that it is bound to had not come back",
            Self::CannotRun => "no engine that was there could run its program",
            Self::Busy => "the engines that can run it were busy with other work",
        })
    }
}

/// Why a chunk will not be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum ChunkFailure {
    /// A direct chunk's engine went away.
    EngineLost { reason: Arc<str> },
    /// A direct chunk's worker died, running it or with the namespace it would have used.
    WorkerLost { was_running: bool, loss: Loss },
    /// An element ran longer than its job allows, as often as its function may fail.
    Overran { message: Arc<str> },
    /// The chunk, or that element of it, was lost with too many workers: `engines` held it, and that is what each said.
    Quarantined { engines: Vec<EngineId>, messages: Vec<Arc<str>> },
    /// The program cannot run on any engine there is (balanced), or on this one (direct).
    CannotStart { message: Arc<str> },
    /// What came of the chunk is more than a report holds.
    Untold { message: Arc<str> },
}
