//! What nodes' events mean.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use phalanx_proto::ids::JobKey;
use phalanx_proto::ids::{EngineId, NodeId};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{NodeCommand, Refusal, ReportPart};
use phalanx_scheduler::{Input, Loss, Reject, RunningChunk};
use tokio::sync::oneshot;

use super::Driver;
use super::roster::Node;
use crate::outbox::{Load, Outbox};
use crate::parse::{Handback, NodeReport, NodeSaid, Refused, Registration};

impl Driver {
    pub(super) fn on_node_joined(&mut self, id: NodeId, wanted: Registration, outbox: Outbox<NodeCommand>) {
        tracing::info!(node = %id, host = %wanted.peer.host, engines = wanted.engines, "a node has joined");
        if self.nodes.len() >= self.limits.sessions_max {
            let text = format!(
                "the controller serves at most {} nodes; start it with a higher --sessions-limit",
                self.limits.sessions_max
            );
            return outbox.end(Some(goodbye(Refused::new(Refusal::Limit, text))));
        }
        self.nodes.insert(id, Node::new(wanted.peer.clone(), outbox, Instant::now()));
        let Registration { engines, wanted, tags, .. } = wanted;
        if let Some(node) = self.nodes.get_mut(&id) {
            node.tags.clone_from(&tags);
        }
        let joined = Input::NodeJoined { node: id, engines, wanted, tags };
        if let Err(reject) = self.tell(joined) {
            let refused = match reject {
                Reject::Limit { .. } => {
                    Refused::new(Refusal::Limit, format!("{reject}; start fewer engines"))
                }
                other => Refused::malformed(other),
            };
            if let Some(node) = self.nodes.remove(&id) {
                node.outbox().end(Some(goodbye(refused)));
            }
        }
        self.settle();
    }

    pub(super) fn on_node_left(&mut self, id: NodeId, reason: Arc<str>) {
        let Some(node) = self.nodes.remove(&id) else { return };
        tracing::info!(node = %id, host = %node.peer.host, %reason, "a node has left");
        node.outbox().end(None);
        self.settle_controls_of(id, &reason);
        self.expect(Input::NodeLost { node: id, reason });
        self.settle();
    }

    /// Ends the session of a node that broke the rules.
    pub(super) fn end_node(&mut self, id: NodeId, refused: Refused) {
        let Some(node) = self.nodes.get(&id) else { return };
        tracing::warn!(node = %id, host = %node.peer.host, reason = %refused.message, "a node's session is ended");
        let reason: Arc<str> = format!("the controller ended its session: {}", refused.message).into();
        node.outbox().end(Some(goodbye(refused)));
        self.on_node_left(id, reason);
    }

    pub(super) fn on_beat(&mut self, id: NodeId, known: oneshot::Sender<bool>) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.last_beat = Instant::now();
        }
        let is_known = self.tell(Input::Heartbeat { node: id }).is_ok();
        // The node may be gone again; its session says so.
        let _ = known.send(is_known);
        self.settle();
    }

    pub(super) fn on_node(&mut self, id: NodeId, said: NodeSaid) {
        if !self.nodes.contains_key(&id) {
            return;
        }
        match said {
            NodeSaid::Report(report) => self.on_report(id, report),
            NodeSaid::Part(part) => self.on_part(id, part),
            NodeSaid::Output(output) => self.on_output(id, output),
            NodeSaid::Returned(handback) => self.on_returned(id, *handback),
            NodeSaid::Begun { engine, job, first, count, attempt } => {
                self.on_claim(id, Input::Begun { node: id, engine, job, first, count, attempt });
            }
            NodeSaid::WorkerLost { engine, loss, running } => self.on_worker_lost(id, engine, loss, running),
            NodeSaid::Controlled { ticket, engine, error } => {
                self.on_controlled(id, ticket, engine, error);
            }
            NodeSaid::Draining => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.draining = true;
                }
                self.on_claim(id, Input::NodeDraining { node: id });
            }
        }
    }

    fn on_report(&mut self, id: NodeId, mut report: Box<NodeReport>) {
        let input = Input::Report {
            node: id,
            engine: report.engine(),
            job: report.job(),
            first: report.wire.first_chunk,
            count: report.wire.chunk_count,
            attempt: report.wire.attempt,
            busy: Duration::from_nanos(report.wire.busy_ns),
            failed: mem::take(&mut report.failed),
        };
        let engine = report.engine();
        self.reporting = Some(report);
        self.on_claim(id, input);
        self.reporting = None;
        if self.scheduler.has_queue(engine) {
            phalanx_idle::rest();
        }
    }

    fn on_returned(&mut self, id: NodeId, handback: Handback) {
        let Handback { engine, job, first, count, attempt, refused, untold } = handback;
        if let Some(message) = untold {
            return self
                .on_claim(id, Input::Untold { node: id, engine, job, index: first, attempt, message });
        }
        if let Some(text) = &refused {
            tracing::debug!(%engine, %job, "a job's condition is not met: {text}");
            if let Some(job) = self.jobs.get_mut(&job).filter(|_| !text.is_empty()) {
                job.refusal = Some((engine, text.clone()));
            }
        }
        let refused = refused.is_some();
        self.on_claim(id, Input::Returned { node: id, engine, job, first, count, attempt, refused });
    }

    fn on_worker_lost(&mut self, id: NodeId, engine: EngineId, loss: Loss, running: Option<RunningChunk>) {
        // Counted whether or not the scheduler agrees: what matters is what the engine has said, in order.
        if let Some(known) = self.engines.get_mut(&engine).filter(|e| e.node == id) {
            known.epoch += 1;
        }
        tracing::debug!(%engine, kind = ?loss.kind, message = %loss.message, "an engine has lost its worker");
        self.on_claim(id, Input::WorkerLost { node: id, engine, loss, running });
    }

    /// What a node says of chunks or itself. Late and repeated messages are in the nature of things
    /// and are dropped; what no honest node says ends its session.
    fn on_claim(&mut self, id: NodeId, input: Input) {
        let result = self.tell(input);
        self.settle();
        match result {
            Ok(()) => {}
            Err(reject @ (Reject::Malformed(_) | Reject::NotOfNode { .. })) => {
                self.end_node(id, Refused::malformed(reject));
            }
            Err(reject) => tracing::trace!(node = %id, %reject, "dropped"),
        }
    }

    /// Passes a part of a large result on at once. Parts of attempts that do not count in the end
    /// are thrown away by the client.
    fn on_part(&mut self, id: NodeId, part: ReportPart) {
        if self.engines.get(&EngineId(part.engine)).is_none_or(|engine| engine.node != id) {
            return;
        }
        let key = JobKey(part.job);
        let Some(job) = self.jobs.get(&key) else { return };
        let (client, number, bytes) = (job.client, job.number, part.data.len());
        if job.kept {
            let (id, part) = (job.id, part.clone());
            self.keep(id, key, |entry| entry.part(part));
        }
        self.send_client(client, ToClient::Part(ReportPart { job: number, ..part }), bytes);
        self.settle();
    }

    /// Acts on what sending to a node has led to.
    pub(super) fn on_node_load(&mut self, id: NodeId, load: Load) {
        match load {
            Load::Same => {}
            Load::Pressed => self.expect(Input::NodePressure { node: id, on: true }),
            Load::Overfull => {
                let refused = Refused::new(Refusal::Limit, "the node does not read what it is sent");
                if let Some(node) = self.nodes.get(&id) {
                    node.outbox().cut(goodbye(refused));
                }
                self.on_node_left(id, "it did not read what it was sent".into());
            }
        }
    }
}

pub(super) fn goodbye(refused: Refused) -> NodeCommand {
    NodeCommand { kind: Some(ToNode::Goodbye(refused.goodbye())) }
}
