//! What the controller notes of a job: small values that are pushed and forgotten.

use std::sync::Arc;

use phalanx_proto::ids::JobId;
use phalanx_proto::limits::clip;

use crate::record::{ChunkStatus, JobState};

/// Longest text that is kept of a failure: a million of them are a gigabyte, which a disk has.
const MESSAGE_BYTES_MAX: usize = 1 << 10;
/// Longest label.
const LABEL_BYTES_MAX: usize = 1 << 10;
/// Longest host name; the system allows 64 bytes.
const HOST_BYTES_MAX: usize = 256;

/// Something that has happened to a job.
#[derive(Debug, Clone)]
pub enum Note {
    /// It has begun ([`JobState::Running`]) or ended.
    Job(Box<JobNote>),
    /// An attempt at some of its chunks has ended.
    Chunk(ChunkNote),
}

/// A job at its beginning or its end.
#[derive(Debug, Clone)]
pub struct JobNote {
    /// The client's id for it.
    pub id: JobId,
    /// The function's name.
    pub label: String,
    /// `Running` at its beginning.
    pub state: JobState,
    /// Its client's machine.
    pub client_host: String,
    /// Its client's process.
    pub client_pid: u32,
    /// A call of a direct view.
    pub direct: bool,
    /// Nanoseconds since 1970.
    pub submitted_ns: u64,
    /// The same, when it has ended.
    pub ended_ns: Option<u64>,
    /// All its elements.
    pub elements: u64,
    /// Elements that the client had already when it submitted the job, which was known before, again.
    pub elements_before: u64,
    /// Elements with a result, without those from before.
    pub elements_done: u64,
    /// Elements that failed, without those from before.
    pub elements_failed: u64,
    /// Chunks that have ended.
    pub chunks: u64,
    /// Attempts that were lost.
    pub attempts_lost: u64,
    /// Why the first element failed.
    pub message: String,
}

/// One attempt at a run of chunks.
#[derive(Debug, Clone)]
pub struct ChunkNote {
    /// The job's id.
    pub job: JobId,
    /// The first chunk.
    pub chunk_first: u64,
    /// How many.
    pub chunks: u32,
    /// The first element.
    pub element_first: u64,
    /// How many were run.
    pub elements: u64,
    /// How many failed.
    pub elements_failed: u64,
    /// Where.
    pub engine: u32,
    /// The engine's machine, when it is known.
    pub host: Option<Arc<str>>,
    /// Which try.
    pub attempt: u32,
    /// How it ended.
    pub status: ChunkStatus,
    /// When the first chunk began; 0: unknown.
    pub started_ns: u64,
    /// When the last one ended.
    pub ended_ns: u64,
    /// What went wrong, if something did.
    pub trouble: Option<Box<Trouble>>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of failure it is.
    pub kind: String,
    /// What was said.
    pub message: String,
}

impl Trouble {
    /// `kind` as the wire has it: an enumeration's name or number.
    #[must_use]
    pub fn new(kind: phalanx_proto::v1::FailureKind, message: &str) -> Box<Self> {
        let name = kind.as_str_name();
        let name = name.strip_prefix("FAILURE_KIND_").unwrap_or(name);
        let kind = name.to_ascii_lowercase().replace('_', " ");
        Box::new(Self { kind, message: clip(message, MESSAGE_BYTES_MAX) })
    }
}

impl JobNote {
    /// Cuts texts that are longer than what is kept.
    pub(crate) fn clipped(mut self: Box<Self>) -> Box<Self> {
        for (text, bytes_max) in [
            (&mut self.label, LABEL_BYTES_MAX),
            (&mut self.client_host, HOST_BYTES_MAX),
            (&mut self.message, MESSAGE_BYTES_MAX),
        ] {
            if text.len() > bytes_max {
                *text = clip(text, bytes_max);
            }
        }
        self
    }
}

impl Note {
    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let texts = match self {
            Self::Job(job) => {
                size_of::<JobNote>() + job.label.len() + job.client_host.len() + job.message.len()
            }
            Self::Chunk(chunk) => chunk
                .trouble
                .as_ref()
                .map_or(0, |trouble| size_of::<Trouble>() + trouble.kind.len() + trouble.message.len()),
        };
        size_of::<Self>() + texts
    }
}
