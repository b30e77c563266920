//! A job, as the driver keeps it: where its results go and what its elements are made of.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phalanx_programs::Hash;
use phalanx_proto::ids::{ClientId, EngineId, JobId, JobKey, NodeId, ProgramKey};
use phalanx_proto::v1::node_command::Kind;
use phalanx_proto::v1::{NodeCommand, Open, OpenPart, Output, Program};
use phalanx_scheduler::{Dependency, JobSpec, Plan};

use super::history::Account;
use crate::parse::Submission;
use crate::payload::{Payload, Rope};

/// A job that has not ended.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) client: ClientId,
    pub(super) origin: Arc<Origin>,
    /// The client's own number for it.
    pub(super) number: u64,
    pub(super) id: JobId,
    pub(super) label: String,
    entry: i64,
    pub(super) elements: u64,
    pub(super) direct: bool,
    /// How many engines a direct job names.
    ranks: u32,
    /// It outlives its client: see `kept.rs`.
    pub(super) kept: bool,
    pub(super) since: Instant,
    pub(super) payload: Payload,
    context: Rope,
    context_bytes: u64,
    own_worker: bool,
    run_limit: Option<Duration>,
    condition: Option<i64>,
    /// The last engine that refused it, and why.
    pub(super) refusal: Option<(EngineId, String)>,
    /// Elements that the scheduler was told of.
    pub(super) supplied: u64,
    /// Nodes that know the job.
    pub(super) opened: HashSet<NodeId>,
    /// The retries of single elements that are under way: which ones, by chunk.
    pub(super) only: HashMap<u64, Box<[u32]>>,
    /// The client was told that it is refused; nothing more is said of it.
    pub(super) refused: bool,
    /// Bytes that count against the payload limit.
    pub(super) bytes: u64,
    plan_bytes: u64,
    /// What the history is told of it.
    pub(super) account: Account,
    /// Output that was dropped because the client does not keep up, of its standard output and error, and of which chunks.
    pub(super) unsaid: [Option<Output>; 2],
}

/// What a node must know of a job's client, even when that is gone.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) program: Program,
    pub(super) hash: Hash,
    pub(super) host: Box<str>,
    pub(super) host_id: Box<str>,
    pub(super) pid: u32,
}

impl Job {
    /// The job, and what the scheduler is to know of it.
    pub(super) fn new(
        client: ClientId,
        origin: Arc<Origin>,
        program: ProgramKey,
        wanted: Submission,
        after: Vec<Dependency>,
        now: Instant,
    ) -> (Self, JobSpec) {
        let elements_before = match &wanted.plan {
            Plan::Balanced { remaining, .. } if !remaining.is_empty() => {
                let missing: u64 = remaining.iter().map(|span| span.end - span.start).sum();
                wanted.elements.saturating_sub(missing)
            }
            _ => 0,
        };
        let plan_bytes = plan_bytes(&wanted, &after);
        let job = Self {
            client,
            origin,
            number: wanted.job,
            id: wanted.id,
            label: wanted.label,
            entry: wanted.entry,
            elements: wanted.elements,
            direct: matches!(wanted.plan, Plan::Direct { .. }),
            ranks: match &wanted.plan {
                Plan::Direct { targets } => u32::try_from(targets.len()).unwrap_or(u32::MAX),
                Plan::Balanced { .. } => 0,
            },
            kept: wanted.kept,
            since: now,
            payload: Payload::new(wanted.elements, wanted.stride, wanted.varying),
            context: Rope::default(),
            context_bytes: wanted.context_bytes,
            own_worker: wanted.own_worker,
            run_limit: wanted.run_limit,
            condition: wanted.condition,
            refusal: None,
            supplied: 0,
            opened: HashSet::new(),
            only: HashMap::new(),
            refused: false,
            bytes: 0,
            plan_bytes,
            account: Account::new(elements_before),
            unsaid: [None, None],
        };
        let spec = JobSpec {
            retries: wanted.retries,
            priority: wanted.priority,
            queue_limit: wanted.queue_limit,
            after,
            place: wanted.place,
            kept: wanted.kept,
            ..JobSpec::new(program, wanted.elements, wanted.plan)
        };
        (job, spec)
    }

    pub(super) fn push_context(&mut self, part: Bytes) -> Result<(), &'static str> {
        if self.context.len() + part.len() as u64 > self.context_bytes {
            return Err("more context than the job announced");
        }
        self.context.push(part);
        Ok(())
    }

    /// Elements that may be assigned: none before the context is complete.
    pub(super) fn ready(&self) -> u64 {
        if self.context.len() < self.context_bytes { 0 } else { self.payload.complete() }
    }

    /// Bytes that it holds now.
    pub(super) fn held_bytes(&self) -> u64 {
        self.plan_bytes + self.context.len() + self.payload.bytes()
    }

    /// What opens the job on a node; each with the bytes of its data.
    pub(super) fn open(&self, key: JobKey) -> Vec<(NodeCommand, usize)> {
        let mut pieces = self.context.pieces(iter::once(0..self.context.len()));
        let last = pieces.pop().unwrap_or_default();
        let total = self.context.len();
        let mut commands: Vec<_> = pieces
            .into_iter()
            .map(|data| {
                let bytes = data.len();
                (NodeCommand { kind: Some(Kind::OpenPart(OpenPart { job: key.0, total, data })) }, bytes)
            })
            .collect();
        let bytes = last.len();
        let open = Open {
            job: key.0,
            program: Some(self.origin.program.clone()),
            entry: self.entry,
            label: self.label.clone(),
            client_host_id: self.origin.host_id.to_string(),
            client_pid: self.origin.pid,
            context: last,
            own_worker: self.own_worker,
            run_limit_ns: nanoseconds(self.run_limit),
            ranks: self.ranks,
            conditional: self.condition.is_some(),
            condition: self.condition.unwrap_or_default(),
        };
        commands.push((NodeCommand { kind: Some(Kind::Open(open)) }, bytes));
        commands
    }
}

/// What is kept of how a job is to be run, beside its elements, in bytes.
fn plan_bytes(wanted: &Submission, after: &[Dependency]) -> u64 {
    let plan = match &wanted.plan {
        Plan::Direct { targets } => size_of_val(targets.as_slice()),
        Plan::Balanced { remaining, .. } => size_of_val(remaining.as_slice()),
    };
    let targets = wanted.place.targets.as_ref().map_or(0, |targets| size_of_val(targets.as_slice()));
    let after: usize = after.iter().map(|dependency| size_of_val(dependency.jobs.as_slice())).sum();
    (plan + targets + after) as u64
}

/// A limit on the wire: 0 is none.
fn nanoseconds(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
}
