//! What nodes do: join, run chunks, hand them back, die.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{EngineId, NodeId, Run};

use super::model::Broken;
use super::worker::{Running, Task, Unsent, Worker};
use super::world::{Command, Event, SimNode, World};
use crate::place::Tags;
use crate::{Input, Loss, LossKind, RunningChunk};

const BEAT_NS: u64 = 4_000_000;
const GRACE_NS: u64 = 2_000_000;

impl World {
    pub(super) fn join(&mut self, engines: u32, wanted: Vec<EngineId>) -> Result<(), Broken> {
        let id = NodeId(self.name());
        let unable = (!self.healed && self.rng.once_in(12)).then(|| self.rng.below(3));
        let node = SimNode {
            workers: Vec::new(),
            stopped: None,
            up: self.now,
            down: self.now,
            urgent: self.now,
            unable,
            cancelled: BTreeSet::new(),
            cut: false,
        };
        self.nodes.insert(id, node);
        self.after(BEAT_NS, Event::Beat(id));
        let tags = (0..engines).map(|_| self.any_tags()).collect();
        let joined = self.tell(Input::NodeJoined { node: id, engines, wanted, tags })?;
        if joined { Ok(()) } else { Err("a node could not join".to_owned()) }
    }

    /// Once the world is healed every engine has everything.
    fn any_tags(&mut self) -> Tags {
        let mut tags = Tags::new();
        if self.healed || self.rng.once_in(3) {
            tags.insert("gpu".into(), "0".into());
        }
        if self.healed || self.rng.once_in(2) {
            tags.insert("memory".into(), "64".into());
        }
        tags
    }

    /// Signs of life travel on a connection of their own, and may be lost.
    pub(super) fn beat(&mut self, id: NodeId) -> Result<(), Broken> {
        self.after(BEAT_NS, Event::Beat(id));
        if self.rng.once_in(20) && !self.healed {
            return Ok(());
        }
        let known = self.tell(Input::Heartbeat { node: id })?;
        if !known {
            // It was told that nobody knows it: it drops everything and registers anew, if it has not done so.
            self.nodes.remove(&id);
        }
        Ok(())
    }

    fn worker(&mut self, node: NodeId, engine: EngineId) -> Option<&mut Worker> {
        self.nodes.get_mut(&node)?.workers.iter_mut().find(|worker| worker.engine == engine)
    }

    pub(super) fn obey(&mut self, node: NodeId, command: Command) {
        match command {
            Command::Assign { engine, task, epoch } => {
                let is_cancelled = self.nodes[&node].cancelled.contains(&task.run.job);
                let Some(worker) = self.worker(node, engine).filter(|w| w.epoch == epoch) else { return };
                if is_cancelled {
                    return self.hand_back(node, engine, &[task.run]);
                }
                worker.push(task);
                self.interrupt(node, engine);
                self.go_on(node, engine);
            }
            Command::Recall { engine, job, first, count, attempt } => {
                let Some(worker) = self.worker(node, engine) else { return };
                let runs = worker.recall(job, first, count, attempt);
                let end = first + u64::from(count);
                let got = |run: &Run| (run.first + u64::from(run.count)).min(end) - run.first;
                let begun = runs.iter().map(got).sum::<u64>() < u64::from(count);
                self.hand_back(node, engine, &runs);
                if begun {
                    self.say(node, Input::Begun { node, engine, job, first, count, attempt });
                }
            }
            Command::Restart { engine } => {
                if let Some(worker) = self.worker(node, engine) {
                    worker.die();
                }
            }
            Command::Leave { engine } => {
                let Some(site) = self.nodes.get_mut(&node) else { return };
                site.workers.retain(|worker| worker.engine != engine);
                if site.workers.is_empty() {
                    self.nodes.remove(&node);
                    self.after(GRACE_NS, Event::SessionEnds(node));
                }
            }
            Command::Cancel { engine, job } => {
                if let Some(site) = self.nodes.get_mut(&node) {
                    site.cancelled.insert(job);
                }
                let Some(worker) = self.worker(node, engine) else { return };
                let runs = worker.cancel(job);
                let generation = worker.generation;
                self.hand_back(node, engine, &runs);
                self.after(GRACE_NS, Event::GraceOver { node, engine, generation });
            }
        }
    }

    fn hand_back(&mut self, node: NodeId, engine: EngineId, runs: &[Run]) {
        self.send_unsent(node, engine);
        for run in runs {
            let (job, first, count, attempt) = (run.job, run.first, run.count, run.attempt);
            self.say(node, Input::Returned { node, engine, job, first, count, attempt, refused: false });
        }
    }

    /// A condition is not met: all that waits of its job goes back.
    fn refuse(&mut self, node: NodeId, engine: EngineId, task: &Task) {
        let Some(worker) = self.worker(node, engine) else { return };
        let mut runs = vec![task.run];
        runs.extend(worker.cancel(task.run.job));
        self.send_unsent(node, engine);
        for Run { job, first, count, attempt, .. } in runs {
            self.say(node, Input::Returned { node, engine, job, first, count, attempt, refused: true });
        }
    }

    /// An engine that is between two elements runs what is urgent.
    fn interrupt(&mut self, node: NodeId, engine: EngineId) {
        let (now, is_between) = (self.now, !self.rng.once_in(3));
        if let Some(worker) = self.worker(node, engine).filter(|_| is_between) {
            worker.suspend(now);
        }
    }

    /// The chunk that an urgent one has interrupted goes on. Whether there was one.
    fn resume(&mut self, node: NodeId, engine: EngineId) -> bool {
        let now = self.now;
        let Some(worker) = self.worker(node, engine).filter(|w| w.urgent_waiting() == 0) else {
            return false;
        };
        let Some((ends, cancelled)) = worker.resume(now).map(|r| (r.ends, r.cancelled)) else { return false };
        let generation = worker.generation;
        self.at(ends, Event::ChunkDone { node, engine, generation });
        if cancelled {
            self.after(GRACE_NS, Event::GraceOver { node, engine, generation });
        }
        true
    }

    /// Starts the next chunk of an engine that runs none.
    fn go_on(&mut self, node: NodeId, engine: EngineId) {
        if self.worker(node, engine).is_some_and(|w| w.running.is_none()) && self.resume(node, engine) {
            return;
        }
        let Some(worker) = self.worker(node, engine).filter(|w| w.running.is_none()) else { return };
        let Some(task) = worker.next_chunk() else { return };
        let program = self.specs[&task.run.job].program.0;
        if self.nodes[&node].unable == Some(program) {
            return self.lose_worker(node, engine, LossKind::CannotStart, None);
        }
        if self.specs[&task.run.job].place.conditional && self.natures[&task.run.job].refuses(engine) {
            self.refuse(node, engine, &task);
            return self.go_on(node, engine);
        }
        let ns = self.chunk_ns(&task);
        let (started, ends) = (self.now, self.now + ns);
        let Some(worker) = self.worker(node, engine) else { return };
        let (epoch, job) = (worker.epoch, task.run.job);
        worker.generation += 1;
        let generation = worker.generation;
        worker.running = Some(Running { task, started, ends, cancelled: false });
        self.note_started(job, engine, epoch);
        self.at(ends, Event::ChunkDone { node, engine, generation });
    }

    fn elements(task: &Task) -> impl Iterator<Item = (u32, u64)> {
        let (first, len) = (task.run.element_first, task.run.chunk_len);
        let all = (0..len).filter({
            let only = task.only.clone();
            move |offset| only.as_ref().is_none_or(|only| only.contains(offset))
        });
        all.map(move |offset| (offset, first + u64::from(offset)))
    }

    fn chunk_ns(&self, task: &Task) -> u64 {
        let nature = &self.natures[&task.run.job];
        Self::elements(task).map(|(_, element)| nature.element_ns(element)).sum::<u64>().max(1)
    }

    pub(super) fn chunk_done(&mut self, node: NodeId, engine: EngineId, generation: u64) {
        let Some(worker) = self.worker(node, engine).filter(|w| w.generation == generation) else { return };
        let Some(running) = worker.running.clone() else { return };
        let run = running.task.run;
        let nature = self.natures[&run.job].clone();
        let deadly = |(_, element): (u32, u64)| nature.kills(element) || nature.overruns(element);
        if let Some(place) = Self::elements(&running.task).position(deadly) {
            let (_, element) = Self::elements(&running.task).nth(place).unwrap_or_default();
            let kind = if nature.kills(element) { LossKind::Died } else { LossKind::Overran };
            // Who looks after workers may not know so exactly what one was at.
            let known = kind == LossKind::Overran || !self.rng.once_in(4);
            let place = if known { Some(place as u32) } else { self.rng.pick(&[None, Some(u32::MAX)]) };
            return self.lose_worker(node, engine, kind, place);
        }
        let mut failed = Vec::new();
        for (offset, element) in Self::elements(&running.task) {
            if nature.fails(element) {
                let tries = self.tries.entry((run.job, element)).or_default();
                *tries += 1;
                if *tries <= nature.fails_times {
                    failed.push(offset);
                }
            }
        }
        let Some(worker) = self.worker(node, engine) else { return };
        worker.running = None;
        if nature.is_untold(run.element_first) {
            self.send_unsent(node, engine);
            let (job, index, attempt) = (run.job, run.first, run.attempt);
            let message = Arc::from("too many failures");
            self.say(node, Input::Untold { node, engine, job, index, attempt, message });
            return self.go_on(node, engine);
        }
        self.report(node, engine, &running, failed);
        self.go_on(node, engine);
    }

    /// Reports a chunk at once, or together with those behind it.
    fn report(&mut self, node: NodeId, engine: EngineId, running: &Running, failed: Vec<u32>) {
        let (run, busy_ns) = (running.task.run, running.ends - running.started);
        let alone = running.task.only.is_some() || !failed.is_empty();
        let Some(worker) = self.worker(node, engine) else { return };
        match &mut worker.unsent {
            Some(unsent) if !alone && joins(&unsent.run, &run) => {
                unsent.run.count += 1;
                unsent.busy_ns += busy_ns;
            }
            _ => {
                self.send_unsent(node, engine);
                let Some(worker) = self.worker(node, engine) else { return };
                if alone {
                    return self.send_report(node, engine, Unsent { run, busy_ns }, failed);
                }
                worker.unsent = Some(Unsent { run, busy_ns });
            }
        }
        let Some(worker) = self.worker(node, engine) else { return };
        if running.task.urgent || worker.queue.is_empty() || !self.rng.once_in(2) {
            self.send_unsent(node, engine);
        }
    }

    fn send_unsent(&mut self, node: NodeId, engine: EngineId) {
        if let Some(unsent) = self.worker(node, engine).and_then(|worker| worker.unsent.take()) {
            self.send_report(node, engine, unsent, Vec::new());
        }
    }

    fn send_report(&mut self, node: NodeId, engine: EngineId, unsent: Unsent, failed: Vec<u32>) {
        let Run { job, first, count, attempt, .. } = unsent.run;
        let busy = Duration::from_nanos(unsent.busy_ns);
        self.say(node, Input::Report { node, engine, job, first, count, attempt, busy, failed });
    }

    pub(super) fn grace_over(&mut self, node: NodeId, engine: EngineId, generation: u64) {
        let Some(worker) = self.worker(node, engine) else { return };
        if worker.generation == generation && worker.running.as_ref().is_some_and(|r| r.cancelled) {
            self.lose_worker(node, engine, LossKind::Stopped, None);
        }
    }

    pub(super) fn lose_worker(&mut self, node: NodeId, engine: EngineId, kind: LossKind, place: Option<u32>) {
        let Some(worker) = self.worker(node, engine) else { return };
        let running = worker.die().map(|running| {
            let Run { job, first, attempt, .. } = running.task.run;
            RunningChunk { job, chunk: first, attempt, place }
        });
        let loss = Loss { kind, message: Arc::from("it was made so"), signal: None };
        self.say(node, Input::WorkerLost { node, engine, loss, running });
    }
}

fn joins(before: &Run, next: &Run) -> bool {
    (before.job, before.attempt, before.chunk_len) == (next.job, next.attempt, next.chunk_len)
        && before.first + u64::from(before.count) == next.first
        && before.elements().end == next.element_first
}
