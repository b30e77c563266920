//! An engine as it really behaves: runs in the order of their arrival, one chunk at a time; recalls
//! and cancellations take what was not started.

use std::collections::VecDeque;

use phalanx_proto::ids::{EngineId, JobKey, Run};

/// A run, or what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) run: Run,
    pub(super) only: Option<Box<[u32]>>,
    /// It is run before what was there first.
    pub(super) urgent: bool,
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
    /// A chunk that waits between two of its elements while an urgent one runs.
    pub(super) suspended: Option<Running>,
    pub(super) unsent: Option<Unsent>,
    /// Of the chunk that runs, so that an event for an earlier one is not mistaken for its.
    pub(super) generation: u64,
}

impl Worker {
    pub(super) fn new(engine: EngineId) -> Self {
        Self {
            engine,
            epoch: 0,
            queue: VecDeque::new(),
            running: None,
            suspended: None,
            unsent: None,
            generation: 0,
        }
    }

    /// What is urgent comes before all that is not.
    pub(super) fn push(&mut self, task: Task) {
        let before = if task.urgent { self.urgent_waiting() } else { self.queue.len() };
        self.queue.insert(before, task);
    }

    pub(super) fn urgent_waiting(&self) -> usize {
        self.queue.iter().take_while(|task| task.urgent).count()
    }

    /// Lets what is urgent run between two elements of the chunk under way.
    pub(super) fn suspend(&mut self, now: u64) {
        let may =
            self.running.as_ref().is_some_and(|running| !running.task.urgent) && self.suspended.is_none();
        if may && self.urgent_waiting() > 0 {
            self.generation += 1;
            self.suspended = self.running.take().map(|running| Running {
                started: now - running.started,
                ends: running.ends.saturating_sub(now).max(1),
                ..running
            });
        }
    }

    /// The chunk that waits goes on, as long as it had left.
    pub(super) fn resume(&mut self, now: u64) -> Option<&Running> {
        let waiting = self.suspended.take()?;
        self.generation += 1;
        let (started, ends) = (now.saturating_sub(waiting.started), now + waiting.ends);
        self.running = Some(Running { started, ends, ..waiting });
        self.running.as_ref()
    }

    /// The next chunk, taken off the queue.
    pub(super) fn next_chunk(&mut self) -> Option<Task> {
        let front = self.queue.front_mut()?;
        let (only, urgent) = (front.only.clone(), front.urgent);
        let rest = front.split_off(1);
        let chunk = Task { run: front.run, only, urgent };
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
        let under_way = self.running.iter_mut().chain(&mut self.suspended);
        under_way.filter(|running| running.task.run.job == job).for_each(|running| running.cancelled = true);
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
        self.suspended = None;
        self.unsent = None;
        self.running.take()
    }
}
