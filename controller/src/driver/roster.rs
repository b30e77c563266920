//! Clients, nodes and engines that are there now.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use phalanx_programs::Hash;
use phalanx_proto::ids::{EngineId, JobId, JobKey, NodeId, ProgramKey};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{ClientEvent, EngineInfo, NodeCommand, Program};
use phalanx_scheduler::Outcome;

use crate::outbox::{Load, Outbox};
use crate::parse::PeerInfo;

/// Ended jobs that a client's session remembers, so that submitting one again is answered.
const ENDED_MAX: usize = 1_024;

/// A client's session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) peer: PeerInfo,
    pub(super) program: Program,
    pub(super) hash: Hash,
    pub(super) program_key: ProgramKey,
    outbox: Outbox<ClientEvent>,
    /// Its jobs by its own numbers.
    pub(super) jobs: HashMap<u64, JobKey>,
    pub(super) ids: HashMap<JobId, JobKey>,
    /// Jobs that have ended, and how; the oldest are forgotten first.
    ended: HashMap<JobId, Outcome>,
    ended_order: VecDeque<JobId>,
}

impl Client {
    pub(super) fn new(
        peer: PeerInfo,
        program: Program,
        hash: Hash,
        program_key: ProgramKey,
        outbox: Outbox<ClientEvent>,
    ) -> Self {
        Self {
            peer,
            program,
            hash,
            program_key,
            outbox,
            jobs: HashMap::new(),
            ids: HashMap::new(),
            ended: HashMap::new(),
            ended_order: VecDeque::new(),
        }
    }

    pub(super) fn send(&self, kind: ToClient, data_bytes: usize) -> Load {
        self.outbox.push(ClientEvent { kind: Some(kind) }, data_bytes)
    }

    pub(super) fn send_urgently(&self, kind: ToClient) {
        self.outbox.push_urgently(ClientEvent { kind: Some(kind) });
    }

    pub(super) fn send_lazily(&self, kind: ToClient) -> Load {
        self.outbox.push_lazily(ClientEvent { kind: Some(kind) })
    }

    pub(super) fn outbox(&self) -> &Outbox<ClientEvent> {
        &self.outbox
    }

    pub(super) fn forget_job(&mut self, number: u64, id: JobId, outcome: Outcome) {
        self.jobs.remove(&number);
        self.ids.remove(&id);
        if self.ended_order.len() == ENDED_MAX
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.ended.insert(id, outcome);
        self.ended_order.push_back(id);
    }

    /// How a job has ended, if it has.
    pub(super) fn ended(&self, id: JobId) -> Option<Outcome> {
        self.ended.get(&id).copied()
    }
}

/// A node's session.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) peer: PeerInfo,
    outbox: Outbox<NodeCommand>,
    pub(super) engines: Vec<EngineId>,
    pub(super) last_beat: Instant,
    pub(super) draining: bool,
}

impl Node {
    pub(super) fn new(peer: PeerInfo, outbox: Outbox<NodeCommand>, now: Instant) -> Self {
        Self { peer, outbox, engines: Vec::new(), last_beat: now, draining: false }
    }

    pub(super) fn send(&self, kind: ToNode) -> Load {
        self.push(NodeCommand { kind: Some(kind) }, 0)
    }

    pub(super) fn send_urgently(&self, kind: ToNode) {
        self.outbox.push_urgently(NodeCommand { kind: Some(kind) });
    }

    pub(super) fn send_lazily(&self, kind: ToNode) -> Load {
        self.outbox.push_lazily(NodeCommand { kind: Some(kind) })
    }

    pub(super) fn push(&self, command: NodeCommand, data_bytes: usize) -> Load {
        self.outbox.push(command, data_bytes)
    }

    pub(super) fn outbox(&self) -> &Outbox<NodeCommand> {
        &self.outbox
    }
}

/// An engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) node: NodeId,
    /// How many workers it has lost, as far as is known here.
    pub(super) epoch: u32,
    pub(super) host: Arc<str>,
    pub(super) node_pid: u32,
}

impl Engine {
    pub(super) fn info(&self, id: EngineId) -> EngineInfo {
        EngineInfo { id: id.0, host: self.host.to_string(), node: self.node.0, node_pid: self.node_pid }
    }
}

/// Programs that clients have announced, by short keys. A key is never used for another program.
#[derive(Debug, Default)]
pub(super) struct ProgramKeys {
    keys: HashMap<Hash, (ProgramKey, usize)>,
    next: u64,
}

impl ProgramKeys {
    pub(super) fn enter(&mut self, hash: Hash) -> ProgramKey {
        let next = &mut self.next;
        let (key, clients) = self.keys.entry(hash).or_insert_with(|| {
            *next += 1;
            (ProgramKey(*next), 0)
        });
        *clients += 1;
        *key
    }

    /// A key that nobody else has, nor ever will.
    pub(super) fn fresh(&mut self) -> ProgramKey {
        self.next += 1;
        ProgramKey(self.next)
    }

    pub(super) fn leave(&mut self, hash: &Hash) {
        if let Some((_, clients)) = self.keys.get_mut(hash) {
            *clients -= 1;
            if *clients == 0 {
                self.keys.remove(hash);
            }
        }
    }
}
