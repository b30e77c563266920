//! What the scheduler's actions send.

use std::ops::Range;
use std::sync::Arc;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, Run};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{
    AttemptLost, CancelOn, ChunkFailed, Close, Drained, FailureKind, JobFinished, Recall, Refusal,
    Registered, Report,
};
use phalanx_scheduler::{Action, ChunkFailure, Outcome};

use super::nodes::goodbye;
use super::roster::Engine;
use super::{Driver, failures};
use crate::outbox::PeerId;
use crate::parse::{NodeReport, Refused, own_peer};

impl Driver {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Accepted { client, run, retrying } => self.forward(client, run, retrying),
            Action::Assign { node, engine, run, only, urgent } => {
                self.assign(node, engine, run, only, urgent);
            }
            Action::Recall { node, engine, job, first, count, attempt } => {
                let recall =
                    Recall { engine: engine.0, job: job.0, first_chunk: first, chunk_count: count, attempt };
                self.send_node(node, ToNode::Recall(recall));
            }
            Action::Failed { client, run, offset, engine, failure } => {
                self.fail(client, run, offset, engine, &failure)
            }
            Action::AttemptLost { client, run, engine, message } => {
                self.attempt_lost(client, run, engine, &message)
            }
            Action::CancelOn { node, engine, job } => {
                self.send_node(node, ToNode::Cancel(CancelOn { engine: engine.0, job: job.0 }));
            }
            Action::Finished { client, job, outcome } => self.finished(client, job, outcome),
            Action::Registered { node, engines } => self.registered(node, engines),
            Action::Drained { node } => self.send_node(node, ToNode::Drained(Drained {})),
            Action::Expired { node } => self.expired(node),
            Action::EngineGone { engine, reason } => self.left.push((engine, reason)),
        }
    }

    fn send_node(&mut self, id: NodeId, command: ToNode) {
        let Some(node) = self.nodes.get(&id) else { return };
        let load = node.send(command);
        self.on_node_load(id, load);
    }

    /// The report that is being handled counts. Its numbers are taken from the scheduler, not from the engine.
    fn forward(&mut self, client: ClientId, run: Run, retrying: bool) {
        let Some(report) = self.reporting.take() else {
            return tracing::error!(?run, "the scheduler accepted a report that nobody made");
        };
        let Some(job) = self.jobs.get_mut(&run.job) else { return };
        let only = job.only.remove(&run.first).unwrap_or_default();
        if !is_of(&report, &run, &only) {
            return self.distrust(client, run, &report);
        }
        let wire = report.wire;
        let texts: usize = wire.failures.iter().map(|f| f.message.len() + f.backtrace.len() + 128).sum();
        let bytes = wire.data.len() + wire.lens.len() + wire.timings.len() + texts;
        let report = Report {
            job: job.number,
            element_first: run.element_first,
            chunk_len: run.chunk_len,
            first_chunk: run.first,
            chunk_count: run.count,
            attempt: run.attempt,
            retrying,
            ..wire
        };
        self.send_client(client, ToClient::Report(report), bytes);
    }

    /// A report whose chunks are right but whose results cannot be theirs: the chunks have ended, without results.
    fn distrust(&mut self, client: ClientId, run: Run, report: &NodeReport) {
        let engine = report.engine();
        let message =
            format!("{} sent results that do not fit its chunks; its session was ended", self.name(engine));
        let failed = Failed { kind: FailureKind::EngineLost, message, signal: None, offset: None };
        self.chunk_failed(client, run, engine, failed);
        if let Some(node) = self.engines.get(&engine).map(|e| e.node) {
            self.end_node(node, Refused::malformed("results that do not fit their chunks"));
        }
    }

    fn fail(
        &mut self,
        client: ClientId,
        run: Run,
        offset: Option<u32>,
        engine: EngineId,
        failure: &ChunkFailure,
    ) {
        let (kind, message) = failures::explain(
            failure,
            offset.map_or_else(|| len(&run.elements()), |_| 1),
            &self.name(engine),
        );
        let signal = match failure {
            ChunkFailure::WorkerLost { loss, .. } => loss.signal,
            _ => None,
        };
        self.chunk_failed(client, run, engine, Failed { kind, message, signal, offset });
    }

    fn chunk_failed(&mut self, client: ClientId, run: Run, engine: EngineId, failed: Failed) {
        let Failed { kind, message, signal, offset } = failed;
        let elements = elements(&run, offset);
        let Some(job) = self.jobs.get(&run.job) else { return };
        let bytes = message.len();
        let failed = ChunkFailed {
            job: job.number,
            element_first: elements.start,
            elements: len(&elements),
            kind: kind.into(),
            message,
            engine: engine.0,
            attempt: run.attempt,
            chunk: run.first,
            signal: signal.unwrap_or_default(),
            partial: offset.is_some(),
        };
        self.send_client(client, ToClient::Failed(failed), bytes);
    }

    fn attempt_lost(&mut self, client: ClientId, run: Run, engine: EngineId, message: &str) {
        let message = format!("{}: {message}", self.name(engine));
        let Some(job) = self.jobs.get(&run.job) else { return };
        let bytes = message.len();
        let lost = AttemptLost {
            job: job.number,
            chunk: run.first,
            engine: engine.0,
            attempt: run.attempt,
            message,
            chunks: run.count,
        };
        self.send_client(client, ToClient::Lost(lost), bytes);
    }

    fn finished(&mut self, client: ClientId, key: JobKey, outcome: Outcome) {
        let Some(job) = self.jobs.remove(&key) else { return };
        self.payload_bytes -= job.bytes;
        for id in job.opened {
            let Some(node) = self.nodes.get(&id) else { continue };
            // The client's end of the job is more urgent than the nodes'.
            let load = node.send_lazily(ToNode::Close(Close { job: key.0 }));
            self.linger(PeerId::Node(id));
            self.on_node_load(id, load);
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.forget_job(job.number, job.id, outcome);
        }
        if !job.refused {
            self.send_client(client, ToClient::Finished(told(job.number, outcome)), 0);
        }
    }

    fn registered(&mut self, id: NodeId, engines: Vec<EngineId>) {
        let heartbeat_ms = u32::try_from(self.heartbeat.as_millis()).unwrap_or(u32::MAX).max(1);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let host: Arc<str> = node.peer.host.as_str().into();
        for engine in &engines {
            let known = Engine { node: id, epoch: 0, host: Arc::clone(&host), node_pid: node.peer.pid };
            self.joined.push(known.info(*engine));
            self.engines.insert(*engine, known);
        }
        let ids = engines.iter().map(|engine| engine.0).collect();
        node.engines = engines;
        let registered = Registered { peer: Some(own_peer()), node: id.0, engines: ids, heartbeat_ms };
        self.send_node(id, ToNode::Registered(registered));
    }

    fn expired(&mut self, id: NodeId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        tracing::warn!(node = %id, host = %node.peer.host, "a node was silent for too long and is given up");
        let text = "nothing was heard of this node for too long, so its chunks went to others; it must register anew";
        node.outbox().end(Some(goodbye(Refused::new(Refusal::Expired, text))));
    }
}

/// How a job ended, as its client is told.
pub(super) fn told(job: u64, outcome: Outcome) -> JobFinished {
    JobFinished { job, cancelled: outcome == Outcome::Cancelled, expired: outcome == Outcome::Expired }
}

fn len(elements: &Range<u64>) -> u64 {
    elements.end - elements.start
}

/// The elements of a chunk, or the one of them that is at an offset.
fn elements(run: &Run, offset: Option<u32>) -> Range<u64> {
    match offset {
        None => run.elements(),
        Some(offset) => run.element_first + u64::from(offset)..run.element_first + u64::from(offset) + 1,
    }
}

/// Why a chunk has failed, as its client is told.
struct Failed {
    /// Of the only element that has, if it is one.
    offset: Option<u32>,
    kind: FailureKind,
    message: String,
    /// The signal that ended the worker, if one did.
    signal: Option<u32>,
}

/// Whether a report has results for exactly the elements that the engine was to run.
fn is_of(report: &NodeReport, run: &Run, only: &[u32]) -> bool {
    let wire = &report.wire;
    wire.first_chunk == run.first
        && wire.chunk_count == run.count
        && wire.chunk_len == run.chunk_len
        && wire.only.as_slice() == only
}
