//! What happens to the core.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey};

use crate::dependency::Dependency;
use crate::place::{Place, Tags};

/// Something that happened, as the driver saw it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Input {
    /// A client's session began. Ids of clients, nodes and jobs are the driver's and never repeat.
    ClientJoined { client: ClientId },
    /// A client's session ended: its jobs are cancelled, but for those that are kept.
    ClientLost { client: ClientId },
    /// The client does not read its results (`on`), or reads them again: start no more of its chunks.
    ClientPressure { client: ClientId, on: bool },
    /// A node registered `engines` engines; `wanted` are ids it had before, `tags` what each has (nothing, where there are fewer).
    /// Answered by [`Action::Registered`](crate::Action::Registered).
    NodeJoined { node: NodeId, engines: u32, wanted: Vec<EngineId>, tags: Vec<Tags> },
    /// A sign of life. Only these count: data does not.
    Heartbeat { node: NodeId },
    /// The node does not read its commands (`on`), or reads them again.
    NodePressure { node: NodeId, on: bool },
    /// The node leaves: give it no more; answered by [`Action::Drained`](crate::Action::Drained) when it holds nothing.
    NodeDraining { node: NodeId },
    /// The node's session ended.
    NodeLost { node: NodeId, reason: Arc<str> },
    /// A new job. None of its elements can be assigned before they are `Supplied`.
    Submit { client: ClientId, job: JobKey, spec: JobSpec },
    /// The payload of the first `elements` elements of the job is here.
    Supplied { job: JobKey, elements: u64 },
    /// The client wants the job ended, or the driver does in the name of one that has left a kept job.
    Cancel { client: ClientId, job: JobKey },
    /// Results of the chunks `first .. first + count`, all assigned together or at least with one `attempt`.
    Report {
        node: NodeId,
        engine: EngineId,
        job: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
        /// Time spent in all these chunks together.
        busy: Duration,
        /// Offsets, in the run, of the elements whose function failed; ascending. With `retries` left,
        /// a failed chunk goes out again for those elements only. `count` is 1 whenever this is not empty.
        failed: Vec<u32>,
    },
    /// Chunks handed back unstarted: after a recall, by a node that leaves, or, `refused`, because the job's condition is not met there.
    Returned {
        node: NodeId,
        engine: EngineId,
        job: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
        refused: bool,
    },
    /// A chunk has been run, and what came of it is more than a report holds: it is not tried again.
    Untold { node: NodeId, engine: EngineId, job: JobKey, index: u64, attempt: u32, message: Arc<str> },
    /// In answer to a recall: of these chunks, those that were not handed back have been begun.
    Begun { node: NodeId, engine: EngineId, job: JobKey, first: u64, count: u32, attempt: u32 },
    /// The engine's worker is gone with all that was assigned to it; `running` is what it ran.
    WorkerLost { node: NodeId, engine: EngineId, loss: Loss, running: Option<RunningChunk> },
    /// A client has the engine started anew: whatever it held ends with its worker. What it is sent from now on is for the next one.
    EngineRestarted { engine: EngineId, reason: Arc<str> },
    /// A client has the engine leave, while its node may stay: whatever it held is done elsewhere, or ends.
    EngineLeaving { engine: EngineId, reason: Arc<str> },
    /// Time passed: what [`poll_timeout`](crate::Scheduler::poll_timeout) asked for.
    Tick,
}

/// What a worker ran when it was lost, as its engine saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningChunk {
    /// The job.
    pub job: JobKey,
    /// The chunk's index.
    pub chunk: u64,
    /// Which try.
    pub attempt: u32,
    /// The element it was at: its place among those that this attempt ran. None when that is not known.
    pub place: Option<u32>,
}

/// How a worker was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Whose fault it may be.
    pub kind: LossKind,
    /// What is known, for people.
    pub message: Arc<str>,
    /// The signal that ended it, if one did.
    pub signal: Option<u32>,
}

/// Whose fault a lost worker may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// It died: counts against the element that it ran.
    Died,
    /// The engine ended it, for an element ran longer than its job allows: that element's function has failed.
    Overran,
    /// The program cannot run on this engine's node at all: that job is not given to the node again.
    CannotStart,
    /// The engine ended it (its job was cancelled): nobody's fault.
    Stopped,
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// The program it runs in. An engine holds chunks of one program at a time.
    pub program: ProgramKey,
    /// How many elements, of all the job's payload.
    pub elements: u64,
    /// How they are cut and placed.
    pub plan: Plan,
    /// Further attempts for an element whose function failed.
    pub retries: u32,
    /// Of one client's balanced jobs those with the highest come first; between clients it counts for nothing.
    pub priority: i32,
    /// It ends when nothing of it has been begun for so long.
    pub queue_limit: Option<Duration>,
    /// What must be over before it begins; balanced jobs only.
    pub after: Vec<Dependency>,
    /// Where its chunks may go; balanced jobs only.
    pub place: Place,
    /// It goes on when its client is lost.
    pub kept: bool,
}

impl JobSpec {
    /// A job without retries, of ordinary priority, that waits for as long as it takes.
    #[must_use]
    pub fn new(program: ProgramKey, elements: u64, plan: Plan) -> Self {
        Self {
            program,
            elements,
            plan,
            retries: 0,
            priority: 0,
            queue_limit: None,
            after: Vec::new(),
            place: Place::default(),
            kept: false,
        }
    }
}

/// How elements are cut into chunks and where those go.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Plan {
    /// Wherever there is room. `remaining` are the elements still to do, ascending and disjoint; empty means all.
    /// With fixed chunks, a chunk is to do when its first element is in `remaining`.
    Balanced { chunking: Chunking, remaining: Vec<Range<u64>> },
    /// Chunk i is the i-th block of the elements and runs on `targets[i]`, nowhere else.
    Direct { targets: Vec<EngineId> },
}

/// How long chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// ceil(n / k) chunks by the block split.
    Fixed(u64),
    /// Guided by measured times; chunk indices rise in the order in which chunks are cut.
    Auto,
}
