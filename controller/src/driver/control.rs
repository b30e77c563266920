//! What clients want of engines: restart, leave, a signal; and the end of all.
//!
//! A wish is an entry in [`Controls`] until every engine that it names has answered, by its node, or has gone. The scheduler is told at once:
//! what an engine held is lost when the wish arrives here, so that whatever is called afterwards is for the next worker.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phalanx_proto::ids::{ClientId, EngineId, NodeId};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{Controlled, EngineControl, Leave};
use phalanx_scheduler::Input;
use tokio::sync::Notify;

use super::Driver;
use crate::parse::{Control, Wish};

/// Wishes that may be under way, of all clients together.
const CONTROLS_MAX: usize = 4_096;
/// How long engines that do not answer keep a controller from ending.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Engines whose troubles are told in one answer.
const ERRORS_MAX: usize = 8;

/// The wishes that are under way.
#[derive(Debug, Default)]
pub(super) struct Controls {
    pending: HashMap<u64, Pending>,
    tickets: u64,
    /// Told when a client wants the controller to end.
    pub(super) stop: Arc<Notify>,
    /// Who wanted that, and when it is done whatever engines say, unless it is being done.
    stopping: Option<(String, Option<Instant>)>,
}

#[derive(Debug)]
struct Pending {
    client: ClientId,
    number: u64,
    wish: Wish,
    /// Who has not answered yet.
    waiting: BTreeMap<EngineId, NodeId>,
    errors: Vec<String>,
}

impl Pending {
    fn settle(&mut self, engine: EngineId, error: Option<String>) {
        self.waiting.remove(&engine);
        self.errors.extend(error.filter(|_| self.errors.len() < ERRORS_MAX));
    }
}

impl Controls {
    /// Why everybody is sent away, when a client wanted it.
    pub(super) fn stopped_by(&self) -> Option<&str> {
        self.stopping.as_ref().map(|(who, _)| who.as_str())
    }

    /// When to look again whether to end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.stopping.as_ref().and_then(|(_, until)| *until)
    }
}

impl Driver {
    pub(super) fn on_control(&mut self, id: ClientId, wanted: Control) {
        let Some(client) = self.clients.get(&id) else { return };
        let who = format!("a client ({}, process {})", client.origin.host, client.origin.pid);
        let Control { number, mut engines, wish } = wanted;
        if let Wish::Shutdown { all: true, .. } = wish {
            engines = self.engines.keys().copied().collect();
        } else if let Err(error) = self.check_engines(&engines) {
            return self.answer_control(id, number, error);
        }
        if self.controls.pending.len() >= CONTROLS_MAX {
            let error = format!("{CONTROLS_MAX} wishes are under way already; try again when some are done");
            return self.answer_control(id, number, error);
        }
        tracing::info!(client = %id, ?wish, engines = engines.len(), "{who} wants something of engines");
        self.controls.tickets += 1;
        let ticket = self.controls.tickets;
        let waiting: BTreeMap<_, _> =
            engines.iter().map(|engine| (*engine, self.engines[engine].node)).collect();
        if let Wish::Shutdown { controller: true, .. } = wish {
            self.controls.stopping = Some((who.clone(), Some(Instant::now() + STOP_PATIENCE)));
        }
        // Before what comes of it is sent.
        self.tell_nodes(ticket, wish, &waiting);
        let pending = Pending { client: id, number, wish, waiting, errors: Vec::new() };
        self.controls.pending.insert(ticket, pending);
        for engine in engines {
            match wish {
                Wish::Restart => {
                    if let Some(known) = self.engines.get_mut(&engine) {
                        known.epoch += 1;
                    }
                    let reason = format!("{who} restarted the engine").into();
                    self.expect(Input::EngineRestarted { engine, reason });
                }
                Wish::Shutdown { .. } => {
                    let reason = format!("{who} shut it down").into();
                    self.expect(Input::EngineLeaving { engine, reason });
                }
                Wish::Signal(_) => {}
            }
            self.settle();
        }
        self.finish_control(ticket);
    }

    fn check_engines(&self, engines: &BTreeSet<EngineId>) -> Result<(), String> {
        if engines.is_empty() {
            return Err("no engine was named".to_owned());
        }
        match engines.iter().find(|engine| !self.engines.contains_key(engine)) {
            None => Ok(()),
            Some(engine) => Err(format!(
                "engine {engine} is not there, or no more; {} engines are, and none of them was touched",
                self.engines.len()
            )),
        }
    }

    fn tell_nodes(&self, ticket: u64, wish: Wish, engines: &BTreeMap<EngineId, NodeId>) {
        let mut leaving: BTreeMap<NodeId, Vec<u32>> = BTreeMap::new();
        for (engine, id) in engines {
            let Some(node) = self.nodes.get(id) else { continue };
            let control = |signal| ToNode::Control(EngineControl { engine: engine.0, ticket, signal });
            match wish {
                Wish::Restart => node.send_urgently(control(0)),
                Wish::Signal(signal) => node.send_urgently(control(signal)),
                Wish::Shutdown { .. } => leaving.entry(*id).or_default().push(engine.0),
            }
        }
        for (id, engines) in leaving {
            if let Some(node) = self.nodes.get(&id) {
                node.send_urgently(ToNode::Leave(Leave { engines, ticket }));
            }
        }
    }

    /// A node says that a wish is done for an engine.
    pub(super) fn on_controlled(
        &mut self,
        node: NodeId,
        ticket: u64,
        engine: EngineId,
        error: Option<String>,
    ) {
        let Some(pending) = self.controls.pending.get_mut(&ticket) else { return };
        if pending.waiting.get(&engine) == Some(&node) {
            pending.settle(engine, error.map(|error| format!("engine {engine}: {error}")));
            self.finish_control(ticket);
        }
    }

    /// A node is gone: its engines answer nothing any more.
    pub(super) fn settle_controls_of(&mut self, id: NodeId, reason: &str) {
        let of_node = |pending: &Pending| pending.waiting.values().any(|node| *node == id);
        let tickets: Vec<u64> =
            self.controls.pending.iter().filter(|(_, p)| of_node(p)).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            let Some(pending) = self.controls.pending.get_mut(&ticket) else { continue };
            let gone: Vec<EngineId> =
                pending.waiting.iter().filter(|(_, node)| **node == id).map(|(engine, _)| *engine).collect();
            let is_wanted = matches!(pending.wish, Wish::Shutdown { .. });
            for engine in gone {
                let error = (!is_wanted).then(|| format!("engine {engine} went away meanwhile: {reason}"));
                pending.settle(engine, error);
            }
            self.finish_control(ticket);
        }
    }

    /// Answers if nobody is waited for any more.
    fn finish_control(&mut self, ticket: u64) {
        if self.controls.pending.get(&ticket).is_none_or(|pending| !pending.waiting.is_empty()) {
            return;
        }
        let Some(pending) = self.controls.pending.remove(&ticket) else { return };
        self.answer_control(pending.client, pending.number, pending.errors.join("; "));
        if matches!(pending.wish, Wish::Shutdown { controller: true, .. }) {
            self.controls.stop.notify_one();
        }
    }

    fn answer_control(&self, id: ClientId, number: u64, error: String) {
        if let Some(client) = self.clients.get(&id) {
            let bytes = error.len();
            client.send_urgently(ToClient::Controlled(Controlled { number, error }), bytes);
        }
    }

    /// Ends although some engines have not answered, when that has taken too long.
    pub(super) fn end_patience(&mut self) {
        if self.controls.deadline().is_none_or(|deadline| Instant::now() < deadline) {
            return;
        }
        let wants = |pending: &Pending| matches!(pending.wish, Wish::Shutdown { controller: true, .. });
        let tickets: Vec<u64> =
            self.controls.pending.iter().filter(|(_, p)| wants(p)).map(|(ticket, _)| *ticket).collect();
        for ticket in tickets {
            if let Some(pending) = self.controls.pending.get_mut(&ticket) {
                tracing::warn!(
                    engines = pending.waiting.len(),
                    "engines do not answer; the controller ends without them"
                );
                pending.waiting.clear();
            }
            self.finish_control(ticket);
        }
        if let Some((_, until)) = &mut self.controls.stopping {
            *until = None;
        }
    }
}
