//! Clients, nodes and engines that are there now.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use phalanx_programs::Hash;
use phalanx_proto::ids::{EngineId, JobId, JobKey, NodeId, ProgramKey};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{ClientEvent, EngineInfo, NodeCommand, Tag};
use phalanx_scheduler::Outcome;
use phalanx_scheduler::place::Tags;

use super::job::Origin;
use crate::outbox::{Load, Outbox};
use crate::parse::PeerInfo;

/// Ended jobs that a client's session remembers, so that submitting one again is answered.
const ENDED_MAX: usize = 16_384;

/// A client's session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) origin: Arc<Origin>,
    pub(super) program_key: ProgramKey,
    outbox: Outbox<ClientEvent>,
    /// Its jobs by its own numbers.
    pub(super) jobs: HashMap<u64, JobKey>,
    pub(super) ids: HashMap<JobId, JobKey>,
    /// Kept jobs that it follows, by its own numbers.
    pub(super) watching: HashMap<u64, JobId>,
    /// Jobs that have ended, and how; the oldest are forgotten first.
    ended: HashMap<JobId, (JobKey, Outcome)>,
    ended_order: VecDeque<JobId>,
    /// Jobs that were refused: others may wait for them that were submitted before it was known. The oldest are forgotten first.
    refused: HashSet<JobId>,
    refused_order: VecDeque<JobId>,
}

fn event(kind: ToClient) -> ClientEvent {
    ClientEvent { kind: Some(kind), crowded: phalanx_idle::is_resting() }
}

impl Client {
    pub(super) fn new(origin: Origin, program_key: ProgramKey, outbox: Outbox<ClientEvent>) -> Self {
        Self {
            origin: Arc::new(origin),
            program_key,
            outbox,
            jobs: HashMap::new(),
            ids: HashMap::new(),
            watching: HashMap::new(),
            ended: HashMap::new(),
            ended_order: VecDeque::new(),
            refused: HashSet::new(),
            refused_order: VecDeque::new(),
        }
    }

    pub(super) fn send(&self, kind: ToClient, data_bytes: usize) -> Load {
        self.outbox.push(event(kind), data_bytes)
    }

    pub(super) fn send_urgently(&self, kind: ToClient, data_bytes: usize) {
        self.outbox.push_urgently(event(kind), data_bytes);
    }

    pub(super) fn send_lazily(&self, kind: ToClient) -> Load {
        self.outbox.push_lazily(event(kind))
    }

    pub(super) fn outbox(&self) -> &Outbox<ClientEvent> {
        &self.outbox
    }

    pub(super) fn forget_job(&mut self, number: u64, id: JobId, key: JobKey, outcome: Outcome) {
        self.jobs.remove(&number);
        self.ids.remove(&id);
        if self.ended_order.len() == ENDED_MAX
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
        self.ended.insert(id, (key, outcome));
        self.ended_order.push_back(id);
    }

    /// A job was refused.
    pub(super) fn note_refused(&mut self, id: JobId) {
        if self.refused_order.len() == ENDED_MAX
            && let Some(oldest) = self.refused_order.pop_front()
        {
            self.refused.remove(&oldest);
        }
        if self.refused.insert(id) {
            self.refused_order.push_back(id);
        }
    }

    pub(super) fn was_refused(&self, id: JobId) -> bool {
        self.refused.contains(&id)
    }

    /// How a job has ended, if it has.
    pub(super) fn ended(&self, id: JobId) -> Option<Outcome> {
        self.ended.get(&id).map(|(_, outcome)| *outcome)
    }

    /// A job's key, whether or not it has ended.
    pub(super) fn key_of(&self, id: JobId) -> Option<JobKey> {
        self.ids.get(&id).or_else(|| self.ended.get(&id).map(|(key, _)| key)).copied()
    }
}

/// A node's session.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) peer: PeerInfo,
    outbox: Outbox<NodeCommand>,
    pub(super) engines: Vec<EngineId>,
    /// What each of them has.
    pub(super) tags: Vec<Tags>,
    pub(super) last_beat: Instant,
    pub(super) draining: bool,
}

impl Node {
    pub(super) fn new(peer: PeerInfo, outbox: Outbox<NodeCommand>, now: Instant) -> Self {
        Self { peer, outbox, engines: Vec::new(), tags: Vec::new(), last_beat: now, draining: false }
    }

    pub(super) fn send(&self, kind: ToNode) -> Load {
        self.push(NodeCommand { kind: Some(kind) }, 0)
    }

    pub(super) fn send_urgently(&self, kind: ToNode) {
        self.outbox.push_urgently(NodeCommand { kind: Some(kind) }, 0);
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
    pub(super) tags: Tags,
}

impl Engine {
    /// Its tags, as people write them.
    pub(super) fn shown_tags(&self) -> impl Iterator<Item = String> + '_ {
        self.tags
            .iter()
            .map(|(name, value)| if value.is_empty() { name.to_string() } else { format!("{name}={value}") })
    }

    pub(super) fn info(&self, id: EngineId) -> EngineInfo {
        let tag =
            |(name, value): (&Arc<str>, &Arc<str>)| Tag { name: name.to_string(), value: value.to_string() };
        EngineInfo {
            id: id.0,
            host: self.host.to_string(),
            node: self.node.0,
            node_pid: self.node_pid,
            tags: self.tags.iter().map(tag).collect(),
        }
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
