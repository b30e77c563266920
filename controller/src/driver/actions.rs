//! What the scheduler's actions send.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use phalanx_history::ChunkStatus;
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, Run};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{
    AttemptLost, CancelOn, ChunkFailed, Close, Drained, FailureKind, JobFinished, Recall, Refusal,
    Registered, Report,
};
use phalanx_scheduler::{Action, ChunkFailure, Outcome};

use super::history::Unreported;
use super::nodes::goodbye;
use super::roster::Engine;
use super::shelf::report_bytes;
use super::{Driver, failures};
use crate::outbox::PeerId;
use crate::parse::{NodeReport, Refused, own_peer};

impl Driver {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Accepted { client, run, retrying } => self.forward(client, run, retrying),
            Action::Assign { node, engine, run, only, urgent } => {
                if urgent {
                    self.backlog.hurry(run.job, Instant::now());
                }
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
            Action::AttemptLost { client, run, engine, kind, signal, message } => {
                let lost = LostAttempt { kind: failures::kind_of(kind), signal, message };
                self.attempt_lost(client, run, engine, &lost);
            }
            Action::CancelOn { node, engine, job } => {
                if let Some(node) = self.nodes.get(&node) {
                    node.send_urgently(ToNode::Cancel(CancelOn { engine: engine.0, job: job.0 }));
                }
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
        self.note_report(&run, only.len(), &report.wire, retrying);
        // The client takes the last report for the end: no word of what was printed may come behind it.
        self.say_unsaid(run.job);
        let Some(job) = self.jobs.get(&run.job) else { return };
        let wire = report.wire;
        let bytes = report_bytes(&wire);
        let kept = job.kept.then_some(job.id);
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
        if let Some(id) = kept {
            let report = report.clone();
            self.keep(id, run.job, |entry| entry.report(report));
        }
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
        self.say_unsaid(run.job);
        let elements = elements(&run, offset);
        self.note_unreported(&Unreported {
            run,
            engine,
            status: ChunkStatus::Failed,
            kind,
            message: &message,
            elements: (elements.start, len(&elements)),
            partial: offset.is_some(),
        });
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
        if job.kept {
            let (id, failed) = (job.id, failed.clone());
            self.keep(id, run.job, |entry| entry.chunk_failed(failed, run.chunks()));
        }
        self.send_client(client, ToClient::Failed(failed), bytes);
    }

    fn attempt_lost(&mut self, client: ClientId, run: Run, engine: EngineId, lost: &LostAttempt) {
        let message = format!("{}: {}", self.name(engine), lost.message);
        self.note_unreported(&Unreported {
            run,
            engine,
            status: ChunkStatus::Lost,
            kind: lost.kind,
            message: &message,
            elements: (run.element_first, len(&run.elements())),
            partial: false,
        });
        let Some(job) = self.jobs.get(&run.job) else { return };
        let bytes = message.len();
        let lost = AttemptLost {
            job: job.number,
            chunk: run.first,
            engine: engine.0,
            attempt: run.attempt,
            message,
            chunks: run.count,
            signal: lost.signal.unwrap_or_default(),
            kind: lost.kind.into(),
            element_first: run.element_first,
            elements: len(&run.elements()),
        };
        if job.kept {
            let (id, lost) = (job.id, lost.clone());
            self.keep(id, run.job, |entry| entry.attempt_lost(lost, run.chunks()));
        }
        self.send_client(client, ToClient::Lost(lost), bytes);
    }

    fn finished(&mut self, client: ClientId, key: JobKey, outcome: Outcome) {
        self.say_unsaid(key);
        let Some(mut job) = self.jobs.remove(&key) else { return };
        self.payload_bytes -= job.bytes;
        let client_left = !job.kept && !self.clients.contains_key(&client);
        self.note_finished(&mut job, outcome, client_left);
        for id in job.opened {
            let Some(node) = self.nodes.get(&id) else { continue };
            // The client's end of the job is more urgent than the nodes'.
            let load = node.send_lazily(ToNode::Close(Close { job: key.0 }));
            self.linger(PeerId::Node(id));
            self.on_node_load(id, load);
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.forget_job(job.number, job.id, key, outcome);
        }
        if job.kept {
            self.keep_end(job.id, key, outcome, &job.origin.hash);
        }
        if !job.refused {
            let refusal = job.refusal.map(|(engine, text)| format!("; {} said: {text}", self.name(engine)));
            let mut finished = told(job.number, outcome);
            if !finished.impossible.is_empty() {
                finished.impossible.push_str(&refusal.unwrap_or_default());
            }
            self.send_client(client, ToClient::Finished(finished), 0);
        }
    }

    fn registered(&mut self, id: NodeId, engines: Vec<EngineId>) {
        let heartbeat_ms = u32::try_from(self.heartbeat.as_millis()).unwrap_or(u32::MAX).max(1);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let host: Arc<str> = node.peer.host.as_str().into();
        let mut tags = std::mem::take(&mut node.tags).into_iter();
        for engine in &engines {
            let tags = tags.next().unwrap_or_default();
            let (host, node_pid) = (Arc::clone(&host), node.peer.pid);
            let known = Engine { node: id, epoch: 0, host, node_pid, tags };
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
        self.settle_controls_of(id, "its node was silent for too long");
    }
}

/// How a job ended, as its client is told.
pub(super) fn told(job: u64, outcome: Outcome) -> JobFinished {
    let (impossible, expired) = match outcome {
        Outcome::Impossible(why) => (why.to_string(), String::new()),
        Outcome::Expired(why) => (String::new(), why.to_string()),
        Outcome::Completed | Outcome::Cancelled => Default::default(),
    };
    JobFinished { job, cancelled: outcome == Outcome::Cancelled, expired, impossible }
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

/// Why an attempt is lost.
struct LostAttempt {
    kind: FailureKind,
    signal: Option<u32>,
    message: Arc<str>,
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
