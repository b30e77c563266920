//! One engine of this node: its workers, one per program, and what it has to drop.

use phalanx_proto::frames::Frame;
use phalanx_proto::v1::{self, WorkerLossKind, node_message::Kind};

use crate::outbound::message;
use crate::program::{Hash, Origin};
use crate::worker::{Ended, Worker, WorkerContext};

/// Workers of different programs that an engine keeps, with their namespaces; the one unused for longest makes room.
const WORKERS_MAX: usize = 4;

/// An engine.
pub(crate) struct Slot {
    pub(crate) engine: u32,
    /// How many losses of this engine's worker the controller was told.
    epoch: u32,
    /// The last used is last.
    workers: Vec<Worker>,
    /// Of the program that was assigned last.
    active: Option<Hash>,
    /// Jobs that a worker knows, by the worker's generation.
    opened: Vec<(u64, u64)>,
    generation: u64,
    /// How the last worker of a program ended.
    predecessors: Vec<(Hash, String)>,
}

impl Slot {
    pub(crate) fn new(engine: u32) -> Self {
        Self {
            engine,
            epoch: 0,
            workers: Vec::new(),
            active: None,
            opened: Vec::new(),
            generation: 0,
            predecessors: Vec::new(),
        }
    }

    /// Whether what was sent under this epoch is still wanted.
    pub(crate) fn is_current(&self, epoch: u32) -> bool {
        self.epoch == epoch
    }

    /// The worker of a program, started when there is none, and whether it has to be told of the job.
    pub(crate) fn worker_for(&mut self, ctx: &WorkerContext, origin: &Origin, job: u64) -> (&Worker, bool) {
        self.active = Some(origin.hash);
        let worker = match self.workers.iter().position(|w| w.hash == origin.hash) {
            Some(at) => self.workers.remove(at),
            None => self.start(ctx, origin),
        };
        let key = (worker.generation, job);
        let is_new = !self.opened.contains(&key);
        if is_new {
            self.opened.push(key);
        }
        self.workers.push(worker);
        (self.workers.last().expect("pushed a line ago"), is_new)
    }

    fn start(&mut self, ctx: &WorkerContext, origin: &Origin) -> Worker {
        if self.workers.len() == WORKERS_MAX {
            let gone = self.workers.remove(0);
            self.remember(gone.hash, "it was ended to make room for other programs".to_owned());
        }
        self.generation += 1;
        let at = self.predecessors.iter().position(|(hash, _)| *hash == origin.hash);
        let predecessor = at.map(|at| self.predecessors[at].1.clone()).unwrap_or_default();
        Worker::start(ctx, self.engine, self.generation, origin, predecessor)
    }

    fn remember(&mut self, hash: Hash, how: String) {
        self.predecessors.retain(|(other, _)| *other != hash);
        if self.predecessors.len() == 2 * WORKERS_MAX {
            self.predecessors.remove(0);
        }
        self.predecessors.push((hash, how));
    }

    /// The worker that is in use.
    pub(crate) fn active(&self) -> Option<&Worker> {
        self.workers.last().filter(|w| Some(w.hash) == self.active)
    }

    /// A worker by its generation.
    pub(crate) fn worker(&self, generation: u64) -> Option<&Worker> {
        self.workers.iter().find(|w| w.generation == generation)
    }

    /// The workers that know a job; they are forgotten to.
    pub(crate) fn close(&mut self, job: u64) -> Vec<&Worker> {
        let known: Vec<u64> =
            self.opened.extract_if(.., |(_, j)| *j == job).map(|(generation, _)| generation).collect();
        self.workers.iter().filter(|w| known.contains(&w.generation)).collect()
    }

    /// Tells the worker in use.
    pub(crate) async fn tell(&self, frame: Frame) {
        if let Some(worker) = self.active() {
            worker.send(frame).await;
        }
    }

    /// A worker is gone: what the controller must hear, if it concerns anything that was assigned.
    pub(crate) fn ended(&mut self, generation: u64, ended: Ended) -> Option<v1::NodeMessage> {
        let at = self.workers.iter().position(|w| w.generation == generation)?;
        let worker = self.workers.remove(at);
        self.opened.retain(|(g, _)| *g != generation);
        self.remember(worker.hash, ended.message.clone());
        if self.active != Some(worker.hash) {
            tracing::info!(engine = self.engine, "an idle worker is gone: {}", ended.message);
            return None;
        }
        self.active = None;
        self.epoch += 1;
        match ended.kind {
            WorkerLossKind::Stopped => tracing::debug!(engine = self.engine, "{}", ended.message),
            _ => tracing::warn!(engine = self.engine, "worker lost: {}", ended.message),
        }
        let running = ended.running;
        Some(message(Kind::WorkerLost(v1::WorkerLost {
            engine: self.engine,
            kind: ended.kind as i32,
            message: ended.message,
            was_running: running.is_some(),
            job: running.map_or(0, |r| r.job),
            chunk: running.map_or(0, |r| r.chunk),
            attempt: running.map_or(0, |r| r.attempt),
        })))
    }
}
