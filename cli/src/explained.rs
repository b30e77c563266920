//! Why a job waits, as data.

use phalanx_proto::v1::ExplainReply;
use serde::Serialize;

/// How a job stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Explained {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) elements: u64,
    pub(crate) elements_done: u64,
    pub(crate) elements_failed: u64,
    pub(crate) running: Vec<Held>,
    pub(crate) chunks_queued: u64,
    pub(crate) chunks_waiting: u64,
    /// Why the first of those waits.
    pub(crate) waiting: Option<String>,
    /// Jobs that must be over before.
    pub(crate) after: Vec<String>,
}

/// What an engine holds of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Held {
    pub(crate) engine: u32,
    pub(crate) chunk: u64,
    pub(crate) attempt: u32,
    pub(crate) chunks: u64,
    /// Chunks of other jobs before it.
    pub(crate) behind: u64,
}

impl Explained {
    pub(crate) fn new(reply: ExplainReply) -> Self {
        let held = |run: phalanx_proto::v1::Running| Held {
            engine: run.engine,
            chunk: run.chunk,
            attempt: run.attempt,
            chunks: run.chunks,
            behind: run.behind,
        };
        Self {
            id: reply.id,
            label: reply.label,
            elements: reply.elements,
            elements_done: reply.elements_done,
            elements_failed: reply.elements_failed,
            running: reply.running.into_iter().map(held).collect(),
            chunks_queued: reply.chunks_queued,
            chunks_waiting: reply.chunks_waiting,
            waiting: Some(reply.waiting).filter(|waiting| !waiting.is_empty()),
            after: reply.after,
        }
    }
}
