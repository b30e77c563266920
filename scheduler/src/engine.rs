//! Engines, nodes, clients and programs, as the core keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey};

use crate::bits::Bits;
use crate::direct::DirectQueue;
use crate::held::Held;
use crate::place::Tags;
use crate::time::Timestamp;

/// Whether an engine looks for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It holds enough, or must not get more now.
    Content,
    /// It holds nothing, and there was nothing for it.
    Idle,
    /// It could take more chunks of its program, and there were none.
    Hungry,
}

/// One engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) id: EngineId,
    pub(crate) node: NodeId,
    pub(crate) node_slot: u32,
    /// Its place among idle engines: by chance, so that small jobs spread over nodes.
    pub(crate) rank: u64,
    /// What it has.
    pub(crate) tags: Tags,
    /// May be given work: its node is neither pressed nor draining.
    pub(crate) open: bool,
    pub(crate) mood: Mood,
    /// Of the chunks that it holds.
    pub(crate) program: Option<u32>,
    pub(crate) held: Held,
    pub(crate) direct: DirectQueue,
    /// Since when chunks that were asked back from it have not all been heard of, if there are any.
    pub(crate) recalling: Option<Timestamp>,
    /// When what it holds last changed.
    pub(crate) news: Timestamp,
    /// When it came to the chunk that it is at, and how long urgent ones have run since.
    pub(crate) begun: Timestamp,
    pub(crate) urgent_ns: u64,
    pub(crate) completed: u64,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) engines: Vec<u32>,
    pub(crate) deadline: Timestamp,
    pub(crate) pressed: bool,
    pub(crate) draining: bool,
    pub(crate) drained: bool,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) jobs: BTreeSet<JobKey>,
    /// Its session has ended; it stays for the kept jobs that have not.
    pub(crate) gone: bool,
}

/// One program, while a job uses it or an engine holds chunks of it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) key: ProgramKey,
    pub(crate) jobs: BTreeSet<JobKey>,
    /// Engines that hold chunks of it.
    pub(crate) holders: Bits,
    /// The last of them that was given an urgent chunk. Calls that follow each other meet the same worker, whose core and whose daemon's path to
    /// it are warm: where engines are as many as cores, taking turns made them take a third longer.
    pub(crate) urgent_at: u32,
    /// Engines that hold chunks of it and could take more.
    pub(crate) hungry: BTreeSet<u32>,
    /// Nodes that cannot run it.
    pub(crate) barred: BTreeSet<NodeId>,
    /// The last engine that could not, and what it said.
    pub(crate) refusal: Option<(EngineId, Arc<str>)>,
}
