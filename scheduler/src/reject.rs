//! Why an input was refused. Nothing has changed then.

use phalanx_proto::ids::{ChunkId, ClientId, EngineId, JobKey, NodeId};
use thiserror::Error;

use crate::dependency::Impossible;

/// What was wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Reject {
    #[error("client {0} is not known")]
    UnknownClient(ClientId),
    #[error("node {0} is not known")]
    UnknownNode(NodeId),
    #[error("engine {0} is not known")]
    UnknownEngine(EngineId),
    #[error("job {0} is not known, or has ended")]
    UnknownJob(JobKey),
    #[error("{0} is not known")]
    UnknownChunk(ChunkId),
    #[error("{chunk} is at another attempt than {attempt}")]
    StaleAttempt { chunk: ChunkId, attempt: u32 },
    #[error("{chunk} is not assigned to engine {engine}")]
    WrongOwner { chunk: ChunkId, engine: EngineId },
    #[error("engine {engine} is not an engine of node {node}")]
    NotOfNode { engine: EngineId, node: NodeId },
    #[error("job {job} is not a job of client {client}")]
    NotOfClient { job: JobKey, client: ClientId },
    #[error("job {0} is to be waited for, and is not known")]
    UnknownDependency(JobKey),
    #[error("the job can never be run: {0}")]
    Impossible(Impossible),
    #[error("{0} is already in use")]
    Duplicate(&'static str),
    #[error("malformed: {0}")]
    Malformed(&'static str),
    #[error("the limit of {max} {what} is reached")]
    Limit { what: &'static str, max: usize },
}
