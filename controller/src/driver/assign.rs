//! A run of chunks on its way to an engine, with what it needs.

use std::iter;
use std::ops::Range;

use bytes::Bytes;
use phalanx_proto::ids::{EngineId, NodeId, Run};
use phalanx_proto::v1::node_command::Kind;
use phalanx_proto::v1::{Assign, AssignPart, NodeCommand};

use super::Driver;
use super::job::Job;
use super::roster::Node;
use crate::outbox::Load;

/// Elements of differing lengths in one message: their lengths take four bytes each.
const VARYING_ELEMENTS_MAX: u64 = 1 << 20;

impl Driver {
    pub(super) fn assign(
        &mut self,
        node_id: NodeId,
        engine_id: EngineId,
        run: Run,
        only: Option<Box<[u32]>>,
        urgent: bool,
    ) {
        let parts = (
            self.jobs.get_mut(&run.job),
            self.nodes.get(&node_id),
            self.engines.get(&engine_id).map(|engine| engine.epoch),
        );
        let (Some(job), Some(node), Some(epoch)) = parts else {
            // A node or client whose session was ended a moment ago: the scheduler has been told.
            return tracing::debug!(node = %node_id, engine = %engine_id, ?run, "nobody to assign to");
        };
        let mut load = Load::Same;
        if job.opened.insert(node_id) {
            for (command, bytes) in job.open(run.job) {
                load = worse(load, node.push(command, bytes));
            }
        }
        let to = Target { engine: engine_id.0, epoch, urgent };
        if let Some(only) = only {
            let elements = only.iter().map(|o| run.element_first + u64::from(*o)).map(|e| e..e + 1);
            load = worse(load, send(node, job, to, run, elements, &only));
            job.only.insert(run.first, only);
        } else {
            if !job.only.is_empty() {
                job.only.retain(|chunk, _| !run.chunks().contains(chunk));
            }
            for run in pieces(job, run) {
                load = worse(load, send(node, job, to, run, iter::once(run.elements()), &[]));
            }
        }
        self.on_node_load(node_id, load);
    }
}

#[derive(Debug, Clone, Copy)]
struct Target {
    engine: u32,
    epoch: u32,
    /// Before what the engine has queued.
    urgent: bool,
}

/// Sends the elements of a run: all data but the last piece ahead, the rest with the assignment.
fn send(
    node: &Node,
    job: &Job,
    to: Target,
    run: Run,
    elements: impl Iterator<Item = Range<u64>> + Clone,
    only: &[u32],
) -> Load {
    let Target { engine, epoch, .. } = to;
    let (lens, mut pieces) = job.payload.take(elements);
    let total = pieces.iter().map(|piece| piece.len() as u64).sum();
    let data = pieces.pop().unwrap_or_default();
    let mut load = Load::Same;
    for data in pieces {
        let bytes = data.len();
        let part = AssignPart { engine, job: run.job.0, total, data, epoch };
        load = worse(load, node.push(NodeCommand { kind: Some(Kind::AssignPart(part)) }, bytes));
    }
    let bytes = data.len() + lens.len();
    let assign = command(to, job, run, lens, data, only);
    worse(load, node.push(NodeCommand { kind: Some(Kind::Assign(assign)) }, bytes))
}

fn command(to: Target, job: &Job, run: Run, lens: Bytes, data: Bytes, only: &[u32]) -> Assign {
    Assign {
        engine: to.engine,
        job: run.job.0,
        first_chunk: run.first,
        chunk_count: run.count,
        attempt: run.attempt,
        element_first: run.element_first,
        chunk_len: run.chunk_len,
        stride: job.payload.stride(),
        lens,
        data,
        only: only.to_vec(),
        epoch: to.epoch,
        urgent: to.urgent,
    }
}

/// The run itself, or several, when the lengths of its elements would not fit into one message.
fn pieces(job: &Job, run: Run) -> impl Iterator<Item = Run> {
    let fit = VARYING_ELEMENTS_MAX / u64::from(run.chunk_len.max(1));
    let most =
        if job.payload.is_varying() { u32::try_from(fit.max(1)).unwrap_or(u32::MAX) } else { run.count };
    (0..run.count).step_by(most.max(1) as usize).map(move |skipped| Run {
        first: run.first + u64::from(skipped),
        count: most.min(run.count - skipped),
        element_first: run.element_first + u64::from(skipped) * u64::from(run.chunk_len),
        ..run
    })
}

fn worse(a: Load, b: Load) -> Load {
    match (a, b) {
        (Load::Overfull, _) | (_, Load::Overfull) => Load::Overfull,
        (Load::Pressed, _) | (_, Load::Pressed) => Load::Pressed,
        _ => Load::Same,
    }
}
