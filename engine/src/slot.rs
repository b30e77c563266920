//! One engine of this node: its workers, one per program, and what it has to drop.

use std::time::Duration;

use phalanx_proto::frames::Frame;
use phalanx_proto::v1::{self, WorkerLossKind, node_message::Kind};
use tokio::sync::watch;

use crate::outbound::message;
use crate::program::{Hash, Origin};
use crate::worker::{Ended, Gone, Order, Predecessor, Purpose, Worker, WorkerContext};

/// Workers of different programs that an engine keeps, with their namespaces; the one unused for longest makes room.
const WORKERS_MAX: usize = 4;

/// How the last workers of an engine's programs ended.
pub(crate) type Predecessors = Vec<(Hash, Predecessor)>;

/// An engine.
pub(crate) struct Slot {
    pub(crate) engine: u32,
    /// Its place among the node's engines, by which its tags are found.
    place: usize,
    /// How many losses of this engine's worker the controller was told.
    epoch: u32,
    /// The last used is last.
    workers: Vec<Worker>,
    /// What the worker is for that was given something last.
    active: Option<Purpose>,
    /// Jobs that a worker knows, by the worker's generation.
    opened: Vec<(u64, u64)>,
    generation: u64,
    predecessors: Predecessors,
    /// The last worker whose only job has ended: the next one of its kind starts when it is gone.
    leaving: Option<Gone>,
    /// Workers that a restart has ended: the next ones start when they are gone.
    ending: Option<Ending>,
}

/// Workers that are being ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending(watch::Receiver<()>);

impl Ending {
    fn of(workers: Vec<Gone>, before: Option<Self>) -> Self {
        let (tell, over) = watch::channel(());
        tokio::spawn(async move {
            for gone in workers {
                // An error is what is waited for: the other side was dropped.
                let _ = gone.await;
            }
            if let Some(before) = before {
                before.over().await;
            }
            drop(tell);
        });
        Self(over)
    }

    /// Waits until they are gone.
    pub(crate) async fn over(mut self) {
        while self.0.changed().await.is_ok() {}
    }

    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

impl Slot {
    /// `predecessors`: those of the engine in the session before.
    pub(crate) fn new(engine: u32, place: usize, predecessors: Predecessors) -> Self {
        Self {
            engine,
            place,
            epoch: 0,
            workers: Vec::new(),
            active: None,
            opened: Vec::new(),
            generation: 0,
            predecessors,
            leaving: None,
            ending: None,
        }
    }

    /// Whether what was sent under this epoch is still wanted.
    pub(crate) fn is_current(&self, epoch: u32) -> bool {
        self.epoch == epoch
    }

    /// How many workers it has started.
    #[cfg(test)]
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The worker for a job's chunks, started when there is none, and whether it has to be told of the job. It is its program's,
    /// or, with `is_own`, the job's alone.
    pub(crate) fn worker_for(
        &mut self,
        ctx: &WorkerContext,
        origin: &Origin,
        job: u64,
        is_own: bool,
        run_limit: Option<Duration>,
    ) -> (&Worker, bool) {
        let purpose = Purpose { hash: origin.hash, own: is_own.then_some(job) };
        self.active = Some(purpose);
        let worker = match self.workers.iter().position(|w| w.purpose == purpose) {
            Some(at) => self.workers.remove(at),
            None => self.start(ctx, origin, purpose.own),
        };
        let key = (worker.generation, job);
        let is_new = !self.opened.contains(&key);
        if is_new {
            self.opened.push(key);
            worker.run_limits.set(job, run_limit);
        }
        self.workers.push(worker);
        (self.workers.last().expect("pushed a line ago"), is_new)
    }

    fn start(&mut self, ctx: &WorkerContext, origin: &Origin, own: Option<u64>) -> Worker {
        if self.workers.len() == WORKERS_MAX {
            // One that keeps no names goes first.
            let gone =
                self.workers.remove(self.workers.iter().position(|w| w.purpose.own.is_some()).unwrap_or(0));
            let message = "it was ended to make room for other programs".to_owned();
            self.remember(gone.purpose, Predecessor { message, signal: None });
        }
        self.generation += 1;
        let known = self.predecessors.iter().find(|(hash, _)| own.is_none() && *hash == origin.hash);
        let predecessor = known.map(|(_, predecessor)| predecessor.clone()).unwrap_or_default();
        let after = own.and_then(|_| self.leaving.take());
        let (engine, place, generation) = (self.engine, self.place, self.generation);
        self.ending.take_if(|ending| ending.is_over());
        let ending = self.ending.clone();
        Worker::start(ctx, Order { engine, place, generation, origin, predecessor, own, after, ending })
    }

    /// Ends all workers at once, whatever they run. What was sent to them is dropped.
    pub(crate) fn restart(&mut self, why: &str) -> Ending {
        self.epoch += 1;
        self.active = None;
        self.opened.clear();
        let mut gone: Vec<Gone> = self.leaving.take().into_iter().collect();
        for mut worker in std::mem::take(&mut self.workers) {
            worker.kill();
            gone.extend(worker.leave());
            self.remember(worker.purpose, Predecessor { message: why.to_owned(), signal: None });
        }
        let before = self.ending.take().filter(|ending| !ending.is_over());
        let ending = Ending::of(gone, before);
        self.ending = Some(ending.clone());
        ending
    }

    /// The session ends, and all workers with it: what the next session's have to say of them.
    pub(crate) fn leave_behind(&mut self, why: &str) -> (usize, Predecessors) {
        for purpose in self.workers.iter().map(|worker| worker.purpose).collect::<Vec<_>>() {
            self.remember(purpose, Predecessor { message: why.to_owned(), signal: None });
        }
        (self.place, std::mem::take(&mut self.predecessors))
    }

    /// Passes a signal to the process in which the engine runs functions now.
    pub(crate) fn signal(&self, signal: u32) -> Result<(), String> {
        let worker = self.active().ok_or("it has no process at present: nothing has run on it")?;
        worker.signal(signal)
    }

    /// The workers that know a job.
    pub(crate) fn knowing(&self, job: u64) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(move |w| self.opened.contains(&(w.generation, job)))
    }

    fn remember(&mut self, purpose: Purpose, how: Predecessor) {
        if purpose.own.is_some() {
            return;
        }
        self.predecessors.retain(|(other, _)| *other != purpose.hash);
        if self.predecessors.len() == 2 * WORKERS_MAX {
            self.predecessors.remove(0);
        }
        self.predecessors.push((purpose.hash, how));
    }

    /// The worker that is in use.
    pub(crate) fn active(&self) -> Option<&Worker> {
        self.workers.last().filter(|w| Some(w.purpose) == self.active)
    }

    /// A worker by its generation.
    pub(crate) fn worker(&self, generation: u64) -> Option<&Worker> {
        self.workers.iter().find(|w| w.generation == generation)
    }

    /// The workers that know a job and others; they are forgotten to. One that is for this job alone leaves.
    pub(crate) fn close(&mut self, job: u64) -> Vec<&Worker> {
        for worker in self.workers.iter_mut().filter(|w| w.purpose.own == Some(job)) {
            self.leaving = worker.leave().or(self.leaving.take());
        }
        let known: Vec<u64> =
            self.opened.extract_if(.., |(_, j)| *j == job).map(|(generation, _)| generation).collect();
        self.workers.iter().for_each(|worker| worker.run_limits.set(job, None));
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
        let how = Predecessor { message: ended.message.clone(), signal: ended.signal };
        self.remember(worker.purpose, how);
        // One that is for a single job is missed only for what it owes.
        let is_missed = worker.purpose.own.is_none() || ended.owes;
        if self.active != Some(worker.purpose) || !is_missed {
            match worker.purpose.own {
                None => tracing::info!(engine = self.engine, "an idle worker is gone: {}", ended.message),
                Some(_) => {
                    tracing::debug!(engine = self.engine, "a job's own worker is gone: {}", ended.message)
                }
            }
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
            signal: ended.signal.unwrap_or_default(),
            place: running.map_or(0, |r| r.place),
        })))
    }
}
