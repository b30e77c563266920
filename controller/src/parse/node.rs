//! What nodes say.

use std::sync::Arc;

use phalanx_proto::ids::{EngineId, JobKey};
use phalanx_proto::limits::{
    NODE_ENGINES_MAX, OUTPUT_BYTES_MAX, RUN_CHUNKS_MAX, TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_MAX,
    TEXT_BYTES_MAX, clip, is_tag_name,
};
use phalanx_proto::v1::node_message::Kind;
use phalanx_proto::v1::{
    Begun, EngineTags, NodeMessage, Output, ReportPart, Returned, Tag, WorkerLossKind, WorkerLost,
};
use phalanx_scheduler::place::Tags;
use phalanx_scheduler::{Loss, LossKind, RunningChunk};

use super::{NodeReport, PeerInfo, Refused, demand};

/// A node's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) peer: PeerInfo,
    pub(crate) engines: u32,
    pub(crate) wanted: Vec<EngineId>,
    /// What each engine has.
    pub(crate) tags: Vec<Tags>,
}

/// A message of a node after its greeting.
#[derive(Debug)]
pub(crate) enum NodeSaid {
    Report(Box<NodeReport>),
    Part(ReportPart),
    Output(Output),
    Returned(Box<Handback>),
    /// In answer to a recall: of these chunks, those that were not handed back have been begun.
    Begun {
        engine: EngineId,
        job: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
    },
    WorkerLost {
        engine: EngineId,
        loss: Loss,
        running: Option<RunningChunk>,
    },
    Draining,
    Controlled {
        ticket: u64,
        engine: EngineId,
        error: Option<String>,
    },
}

/// Chunks that a node hands back unstarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handback {
    pub(crate) engine: EngineId,
    pub(crate) job: JobKey,
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) attempt: u32,
    /// The job's condition is not met on the engine, and what it said.
    pub(crate) refused: Option<String>,
    /// The chunk has been run, and what came of it cannot be told; why.
    pub(crate) untold: Option<Arc<str>>,
}

pub(crate) fn parse_registration(message: NodeMessage) -> Result<Registration, Refused> {
    let Some(Kind::Register(register)) = message.kind else {
        return Err(Refused::malformed("a node's first message is not its registration"));
    };
    let peer = PeerInfo::parse(register.peer, "engine")?;
    demand((1..=NODE_ENGINES_MAX).contains(&register.engines), "a node with no engines, or too many")?;
    demand(
        register.wanted.len() <= register.engines as usize,
        "a node that wants more ids than it has engines",
    )?;
    demand(register.tags.len() <= register.engines as usize, "tags of more engines than a node has")?;
    let tags = register.tags.into_iter().map(parse_tags).collect::<Result<_, _>>()?;
    let wanted = register.wanted.into_iter().map(EngineId).collect();
    Ok(Registration { peer, engines: register.engines, wanted, tags })
}

fn parse_tags(tags: EngineTags) -> Result<Tags, Refused> {
    demand(tags.tags.len() <= TAGS_MAX, "an engine with too many tags")?;
    let parse = |tag: Tag| {
        let short = tag.name.len() <= TAG_NAME_BYTES_MAX && tag.value.len() <= TAG_VALUE_BYTES_MAX;
        demand(short && is_tag_name(&tag.name), "a tag that is too long, or has no proper name")?;
        Ok((tag.name.into(), tag.value.into()))
    };
    tags.tags.into_iter().map(parse).collect()
}

pub(crate) fn parse_node(message: NodeMessage) -> Result<NodeSaid, Refused> {
    match message.kind {
        Some(Kind::Report(report)) => Ok(NodeSaid::Report(Box::new(NodeReport::parse(report)?))),
        Some(Kind::Part(part)) => parse_part(part),
        Some(Kind::Output(output)) => parse_output(output),
        Some(Kind::Returned(returned)) => parse_returned(&returned),
        Some(Kind::Begun(begun)) => parse_begun(&begun),
        Some(Kind::WorkerLost(lost)) => Ok(parse_worker_lost(lost)),
        Some(Kind::Draining(_)) => Ok(NodeSaid::Draining),
        Some(Kind::Controlled(done)) => {
            let error = (!done.error.is_empty()).then(|| clip(&done.error, TEXT_BYTES_MAX));
            Ok(NodeSaid::Controlled { ticket: done.ticket, engine: EngineId(done.engine), error })
        }
        Some(Kind::Register(_)) => Err(Refused::malformed("a second registration")),
        None => Err(Refused::malformed("an empty message of a node")),
    }
}

fn parse_part(part: ReportPart) -> Result<NodeSaid, Refused> {
    demand(part.data.len() as u64 <= part.total, "a part of a result that is longer than the result")?;
    Ok(NodeSaid::Part(part))
}

fn parse_output(output: Output) -> Result<NodeSaid, Refused> {
    demand_chunks(output.first_chunk, output.chunk_count)?;
    demand(output.data.len() <= OUTPUT_BYTES_MAX, "more output in one message than fits")?;
    Ok(NodeSaid::Output(output))
}

fn parse_returned(returned: &Returned) -> Result<NodeSaid, Refused> {
    demand_chunks(returned.first_chunk, returned.chunk_count)?;
    demand(
        !returned.untold || returned.chunk_count == 1,
        "several chunks at once of which nothing can be told",
    )?;
    let text = |says: bool| says.then(|| clip(&returned.message, TEXT_BYTES_MAX));
    Ok(NodeSaid::Returned(Box::new(Handback {
        engine: EngineId(returned.engine),
        job: JobKey(returned.job),
        first: returned.first_chunk,
        count: returned.chunk_count,
        attempt: returned.attempt,
        refused: text(returned.refused),
        untold: text(returned.untold).map(Arc::from),
    })))
}

fn parse_begun(begun: &Begun) -> Result<NodeSaid, Refused> {
    demand_chunks(begun.first_chunk, begun.chunk_count)?;
    Ok(NodeSaid::Begun {
        engine: EngineId(begun.engine),
        job: JobKey(begun.job),
        first: begun.first_chunk,
        count: begun.chunk_count,
        attempt: begun.attempt,
    })
}

pub(super) fn demand_chunks(first: u64, count: u32) -> Result<(), Refused> {
    demand((1..=RUN_CHUNKS_MAX).contains(&count), "a run of no chunks, or too many")?;
    demand(first.checked_add(u64::from(count)).is_some(), "a run of chunks beyond the last number")
}

fn parse_worker_lost(lost: WorkerLost) -> NodeSaid {
    let kind = match lost.kind() {
        WorkerLossKind::CannotStart => LossKind::CannotStart,
        WorkerLossKind::Stopped => LossKind::Stopped,
        WorkerLossKind::Overran => LossKind::Overran,
        WorkerLossKind::Died | WorkerLossKind::Unspecified => LossKind::Died,
    };
    let message: Arc<str> = clip(&lost.message, TEXT_BYTES_MAX).into();
    let signal = (lost.signal > 0).then_some(lost.signal);
    let running = lost.was_running.then_some(RunningChunk {
        job: JobKey(lost.job),
        chunk: lost.chunk,
        attempt: lost.attempt,
        place: Some(lost.place),
    });
    NodeSaid::WorkerLost { engine: EngineId(lost.engine), loss: Loss { kind, message, signal }, running }
}
