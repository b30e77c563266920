//! An engine as it really behaves: runs in the order of their arrival, one chunk at a time; recalls
//! and cancellations take what was not started.

use std::collections::VecDeque;

use phalanx_proto::ids::{EngineId, JobKey, Run};

/// A run, or what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) run: Run,
    pub(super) only: Option<Box<[u32]>>,
}

impl Task {
    fn split_off(&mut self, keep: u32) -> Run {
        let cut = Run {
            first: self.run.first + u64::from(keep),
            count: self.run.count - keep,
            element_first: self.run.element_first + u64::from(keep) * u64::from(self.run.chunk_len),
            ..self.run
        };
        self.run.count = keep;
        cut
    }
}

/// A chunk that is being run: a run of one.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) task: Task,
    pub(super) started: u64,
    pub(super) ends: u64,
    pub(super) cancelled: bool,
}

/// Chunks that have been run and not been reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unsent {
    pub(super) run: Run,
    pub(super) busy_ns: u64,
}

/// One engine.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) engine: EngineId,
    /// Workers lost so far: what is sent to an earlier one is dropped.
    pub(super) epoch: u32,
    pub(super) queue: VecDeque<Task>,
    pub(super) running: Option<Running>,
    pub(super) unsent: Option<Unsent>,
    /// Of the chunk that runs, so that an event for an earlier one is not mistaken for its.
    pub(super) generation: u64,
}

impl Worker {
    pub(super) fn new(engine: EngineId) -> Self {
        Self { engine, epoch: 0, queue: VecDeque::new(), running: None, unsent: None, generation: 0 }
    }

    /// The next chunk, taken off the queue.
    pub(super) fn next_chunk(&mut self) -> Option<Task> {
        let front = self.queue.front_mut()?;
        let only = front.only.clone();
        let rest = front.split_off(1);
        let chunk = Task { run: front.run, only };
        if rest.count == 0 {
            self.queue.pop_front();
        } else {
            front.run = rest;
        }
        Some(chunk)
    }

    /// Takes back what was not started of these chunks, and what lies behind it in the same run.
    pub(super) fn recall(&mut self, job: JobKey, first: u64, count: u32, attempt: u32) -> Vec<Run> {
        self.remove(|run| {
            let (low, high) =
                (run.first.max(first), (run.first + u64::from(run.count)).min(first + u64::from(count)));
            (run.job == job && run.attempt == attempt && low < high).then_some((low - run.first) as u32)
        })
    }

    /// Takes away what was not started of a job.
    pub(super) fn cancel(&mut self, job: JobKey) -> Vec<Run> {
        if let Some(running) = self.running.as_mut().filter(|r| r.task.run.job == job) {
            running.cancelled = true;
        }
        self.remove(|run| (run.job == job).then_some(0))
    }

    fn remove(&mut self, from: impl Fn(&Run) -> Option<u32>) -> Vec<Run> {
        let mut removed = Vec::new();
        self.queue.retain_mut(|task| {
            if let Some(keep) = from(&task.run) {
                removed.push(task.split_off(keep));
            }
            task.run.count > 0
        });
        removed
    }

    /// The worker is gone, with all it had.
    pub(super) fn die(&mut self) -> Option<Running> {
        self.epoch += 1;
        self.generation += 1;
        self.queue.clear();
        self.unsent = None;
        self.running.take()
    }
}
