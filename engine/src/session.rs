//! One session with the controller: commands in, workers' news out.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use phalanx_proto::frames::{Assign, Chunks, Frame, Open, Part};
use phalanx_proto::v1::{self, NodeCommand, node_command::Kind};
use tokio::sync::mpsc;

use crate::outbound::{packed, returned};
use crate::program::Origin;
use crate::slot::{Predecessors, Slot};
use crate::worker::{Event, WorkerContext};

/// A job that this node runs chunks of.
struct Job {
    origin: Origin,
    open: Open,
    /// The context's earlier parts.
    context: Vec<Bytes>,
    /// Its chunks run in processes of its own.
    own_worker: bool,
    /// How long one of its elements may run.
    run_limit: Option<Duration>,
}

/// The node's side of a session.
pub(crate) struct Session {
    ctx: WorkerContext,
    slots: HashMap<u32, Slot>,
    jobs: HashMap<u64, Arc<Job>>,
    /// Parts of contexts whose `Open` is still to come.
    parts: HashMap<u64, Vec<Bytes>>,
    /// Jobs that were cancelled and not closed yet: chunks of theirs that were sent before may still come.
    cancelled: BTreeSet<u64>,
    /// Engines that a client shut down: commands for them may still come.
    left: HashSet<u32>,
}

/// What the controller sent makes no sense: the session cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the controller sent {0}")]
pub(crate) struct Nonsense(String);

impl Session {
    /// `engines`: each one's id, its place among the node's, and what it had in the session before.
    pub(crate) fn new(ctx: WorkerContext, engines: impl Iterator<Item = (u32, usize, Predecessors)>) -> Self {
        let slots = engines.map(|(id, place, before)| (id, Slot::new(id, place, before))).collect();
        Self {
            ctx,
            slots,
            jobs: HashMap::new(),
            parts: HashMap::new(),
            cancelled: BTreeSet::new(),
            left: HashSet::new(),
        }
    }

    /// It ends, and all workers with it: what is to be said of them, by their engines' places.
    pub(crate) fn leave_behind(&mut self, why: &str) -> HashMap<usize, Predecessors> {
        self.slots.values_mut().map(|slot| slot.leave_behind(why)).collect()
    }

    /// The engines that have not left.
    pub(crate) fn engines(&self) -> impl Iterator<Item = u32> {
        self.slots.keys().copied()
    }

    /// Does what the controller says.
    pub(crate) async fn command(&mut self, command: NodeCommand) -> Result<(), Nonsense> {
        match command.kind {
            Some(Kind::OpenPart(part)) => self.parts.entry(part.job).or_default().push(part.data),
            Some(Kind::Open(open)) => self.open(open)?,
            Some(Kind::AssignPart(part)) => self.assign_part(part).await?,
            Some(Kind::Assign(assign)) => self.assign(assign).await?,
            Some(Kind::Recall(r)) => {
                let chunks =
                    Chunks { job: r.job, first: r.first_chunk, count: r.chunk_count, attempt: r.attempt };
                if let Some(slot) = slot(&mut self.slots, &self.left, r.engine)? {
                    slot.tell(Frame::Recall(chunks)).await;
                }
            }
            Some(Kind::Cancel(cancel)) => self.cancel(&cancel).await?,
            Some(Kind::Close(close)) => self.close(close.job).await,
            Some(Kind::Control(wanted)) => self.control(&wanted)?,
            Some(Kind::Leave(leave)) => self.leave(&leave)?,
            _ => return Err(Nonsense("a command that this version does not know".to_owned())),
        }
        Ok(())
    }

    fn open(&mut self, open: v1::Open) -> Result<(), Nonsense> {
        let program = open.program.unwrap_or_default();
        let hash = program
            .hash
            .as_ref()
            .try_into()
            .map_err(|_| Nonsense("a program without its hash".to_owned()))?;
        let origin =
            Origin { program, hash, client_host_id: open.client_host_id, client_pid: open.client_pid };
        let context = self.parts.remove(&open.job).unwrap_or_default();
        let frame = Open {
            job: open.job,
            entry: open.entry,
            label: open.label,
            ranks: open.ranks,
            condition: open.conditional.then_some(open.condition),
            context: open.context,
        };
        let own_worker = open.own_worker;
        let run_limit = (open.run_limit_ns > 0).then(|| Duration::from_nanos(open.run_limit_ns));
        self.jobs.insert(open.job, Arc::new(Job { origin, open: frame, context, own_worker, run_limit }));
        Ok(())
    }

    async fn assign_part(&mut self, part: v1::AssignPart) -> Result<(), Nonsense> {
        let is_cancelled = self.cancelled.contains(&part.job);
        let Some(slot) = slot(&mut self.slots, &self.left, part.engine)? else { return Ok(()) };
        if slot.is_current(part.epoch) && !is_cancelled {
            let job = job(&self.jobs, part.job)?;
            let frame = Frame::AssignPart(Part { job: part.job, total: part.total, data: part.data });
            give(slot, &self.ctx, job, frame).await;
        }
        Ok(())
    }

    async fn assign(&mut self, a: v1::Assign) -> Result<(), Nonsense> {
        let Some(slot) = slot(&mut self.slots, &self.left, a.engine)? else { return Ok(()) };
        if !slot.is_current(a.epoch) {
            return Ok(());
        }
        if self.cancelled.contains(&a.job) {
            // Its cancellation has overtaken it. When the controller is gone, so is its interest.
            let chunks =
                Chunks { job: a.job, first: a.first_chunk, count: a.chunk_count, attempt: a.attempt };
            let _ = self.ctx.outbound.send(returned(a.engine, chunks)).await;
            return Ok(());
        }
        let job = job(&self.jobs, a.job)?;
        let frame = Frame::Assign(Assign {
            chunks: Chunks { job: a.job, first: a.first_chunk, count: a.chunk_count, attempt: a.attempt },
            element_first: a.element_first,
            chunk_len: a.chunk_len,
            stride: a.stride,
            lens: a.lens,
            only: packed(&a.only),
            urgent: a.urgent,
            data: a.data,
        });
        give(slot, &self.ctx, job, frame).await;
        Ok(())
    }

    /// Nothing more of the job is started; what runs is interrupted, and ended with its worker when that does not help.
    async fn cancel(&mut self, cancel: &v1::CancelOn) -> Result<(), Nonsense> {
        let (engine, job) = (cancel.engine, cancel.job);
        self.cancelled.insert(job);
        if self.cancelled.len() > CANCELLED_MAX {
            self.cancelled.pop_first();
        }
        let Some(slot) = slot(&mut self.slots, &self.left, engine)? else { return Ok(()) };
        let mut generations = Vec::new();
        for worker in slot.knowing(job) {
            worker.send_urgently(Frame::Cancel(job)).await;
            generations.push(worker.generation);
        }
        for generation in generations {
            self.wait_for_end(engine, generation, job);
        }
        Ok(())
    }

    /// A cancelled chunk that runs has some time to end.
    fn wait_for_end(&self, engine: u32, generation: u64, job: u64) {
        let (events, grace) = (self.ctx.events.clone(), self.ctx.config.cancel_grace);
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            let _ = events.send(Event::GraceOver { engine, generation, job }).await;
        });
    }

    async fn close(&mut self, job: u64) {
        self.jobs.remove(&job);
        self.parts.remove(&job);
        self.cancelled.remove(&job);
        for slot in self.slots.values_mut() {
            for worker in slot.close(job) {
                worker.send(Frame::Close(job)).await;
            }
        }
    }

    /// News of a worker; what the controller must hear.
    pub(crate) fn event(&mut self, event: Event) -> Option<v1::NodeMessage> {
        match event {
            Event::Ended { engine, generation, ended } => {
                self.slots.get_mut(&engine)?.ended(generation, ended)
            }
            Event::GraceOver { engine, generation, job } => {
                let worker = self.slots.get(&engine)?.worker(generation)?;
                if worker.running().is_some_and(|r| r.job == job) {
                    worker.kill();
                } else if worker.suspended() == Some(job) {
                    // What runs in its place is of somebody else: it is not ended for that.
                    self.wait_for_end(engine, generation, job);
                }
                None
            }
        }
    }
}

/// The slot of an engine; none when it has left.
fn slot<'a>(
    slots: &'a mut HashMap<u32, Slot>,
    left: &HashSet<u32>,
    engine: u32,
) -> Result<Option<&'a mut Slot>, Nonsense> {
    match slots.get_mut(&engine) {
        None if left.contains(&engine) => Ok(None),
        None => Err(Nonsense(format!("a command for engine {engine}, which is not of this node"))),
        found => Ok(found),
    }
}

fn job(jobs: &HashMap<u64, Arc<Job>>, job: u64) -> Result<&Arc<Job>, Nonsense> {
    jobs.get(&job).ok_or_else(|| Nonsense(format!("chunks of job {job}, which was never opened")))
}

/// Passes a frame to the worker of the job's program, telling it of the job first.
async fn give(slot: &mut Slot, ctx: &WorkerContext, job: &Arc<Job>, frame: Frame) {
    let (worker, is_new) = slot.worker_for(ctx, &job.origin, job.open.job, job.own_worker, job.run_limit);
    if is_new {
        let total = job.context.iter().map(Bytes::len).sum::<usize>() + job.open.context.len();
        for data in &job.context {
            let part = Part { job: job.open.job, total: total as u64, data: data.clone() };
            worker.send(Frame::OpenPart(part)).await;
        }
        worker.send(Frame::Open(job.open.clone())).await;
    }
    worker.send(frame).await;
}

mod control;

/// The channel on which workers tell of themselves.
pub(crate) fn events() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(EVENTS_MAX)
}

/// Jobs that were cancelled and are still to be closed; of more the oldest, whose chunks have come long ago, are forgotten.
const CANCELLED_MAX: usize = 1 << 16;

/// News of workers that may wait.
const EVENTS_MAX: usize = 1024;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
