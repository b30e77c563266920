//! What goes wrong, and how the world heals.

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId};

use super::model::Broken;
use super::world::{Event, World};
use crate::{Input, LossKind};

impl World {
    /// Something goes wrong; more will.
    pub(super) fn fault(&mut self) -> Result<(), Broken> {
        if self.healed {
            return Ok(());
        }
        let next = self.rng.between(100_000, 3_000_000);
        self.after(next, Event::Fault);
        let live: Vec<NodeId> =
            self.nodes.iter().filter(|(_, n)| !n.cut && n.stopped.is_none()).map(|(id, _)| *id).collect();
        if live.is_empty() {
            let engines = self.rng.between(1, 3) as u32;
            return self.join(engines, Vec::new());
        }
        let node = self.rng.pick(&live);
        match self.rng.below(16) {
            0 => self.cut(node),
            1 | 2 => self.stop(node),
            3..=5 => self.kill_worker(node),
            6 => drop(self.tell(Input::NodeDraining { node })?),
            7 => drop(self.tell(Input::NodePressure { node, on: true })?),
            8 => drop(self.tell(Input::NodePressure { node, on: false })?),
            9 if self.rng.once_in(3) => {
                let clients: Vec<ClientId> = self.clients.keys().copied().collect();
                if !clients.is_empty() {
                    let client = self.rng.pick(&clients);
                    self.client_leaves(client)?;
                }
            }
            10 | 11 => self.repeat()?,
            12 => {
                let engines = self.rng.between(1, 3) as u32;
                let wanted = vec![EngineId(self.rng.below(8) as u32), EngineId(u32::MAX)];
                self.join(engines, wanted)?;
            }
            13 => self.wish(node, |engine, reason| Input::EngineRestarted { engine, reason })?,
            14 => self.wish(node, |engine, reason| Input::EngineLeaving { engine, reason })?,
            _ => self.forge(node)?,
        }
        Ok(())
    }

    /// The connection breaks; what was on its way is lost, and the node comes back as another.
    fn cut(&mut self, id: NodeId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        let wanted: Vec<EngineId> = node.workers.iter().map(|w| w.engine).collect();
        let delay = self.rng.between(1, 400_000);
        self.after(delay, Event::SessionEnds(id));
        if wanted.is_empty() {
            return;
        }
        let delay = self.rng.between(500_000, 6_000_000);
        self.after(delay, Event::Rejoin { engines: wanted.len() as u32, wanted });
    }

    /// The node stops, for a time in which it may be given up.
    fn stop(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.stopped = Some(Vec::new());
            let delay = self.rng.between(1_000_000, 40_000_000);
            self.after(delay, Event::Continue(id));
        }
    }

    /// A client wants something of an engine, which may be gone.
    fn wish(&mut self, id: NodeId, wish: fn(EngineId, Arc<str>) -> Input) -> Result<(), Broken> {
        let engines: Vec<EngineId> = self.nodes[&id].workers.iter().map(|w| w.engine).collect();
        if engines.is_empty() {
            return Ok(());
        }
        let engine = self.rng.pick(&engines);
        self.tell(wish(engine, "a client wanted it".into())).map(drop)
    }

    fn kill_worker(&mut self, id: NodeId) {
        let engines: Vec<EngineId> = self.nodes[&id].workers.iter().map(|w| w.engine).collect();
        if !engines.is_empty() {
            let engine = self.rng.pick(&engines);
            self.lose_worker(id, engine, LossKind::Died, None);
        }
    }

    /// A message comes a second time. The model knows whether it makes sense.
    fn repeat(&mut self) -> Result<(), Broken> {
        if self.said.is_empty() {
            return Ok(());
        }
        let at = self.rng.below(self.said.len() as u64) as usize;
        match &self.said[at] {
            // That a worker was lost is believed as often as it is said.
            Input::WorkerLost { .. } => Ok(()),
            // What was handed back, and given to the same engine again, has the same attempt: connections repeat nothing.
            said @ (Input::Returned { .. } | Input::Begun { .. })
                if self.model.is_welcome(said) == Some(true) =>
            {
                Ok(())
            }
            other => self.tell(other.clone()).map(drop),
        }
    }

    /// Garbage. The model knows whether it happens to make sense.
    fn forge(&mut self, node: NodeId) -> Result<(), Broken> {
        let engine = EngineId(self.rng.below(10) as u32);
        let other = NodeId(self.rng.below(self.names + 3));
        let node = if self.rng.once_in(2) { node } else { other };
        let job = JobKey(if self.rng.once_in(9) { u64::MAX } else { self.rng.below(self.names + 3) });
        let first = if self.rng.once_in(9) { u64::MAX - 1 } else { self.rng.below(20) };
        let count = self.rng.pick(&[0, 1, 1, 2, 5, u32::MAX]);
        let attempt = self.rng.pick(&[0, 1, 2, 3, u32::MAX]);
        let client = ClientId(self.rng.below(self.names + 3));
        let input = match self.rng.below(7) {
            6 => Input::Begun { node, engine, job, first, count, attempt },
            0 => Input::Returned { node, engine, job, first, count, attempt, refused: false },
            1 => Input::Cancel { client: ClientId(u64::MAX), job },
            2 => Input::Supplied { job, elements: u64::MAX - self.rng.below(3) },
            3 => Input::Heartbeat { node: NodeId(u64::MAX) },
            4 => {
                let spec = self.specs.values().next().cloned();
                let Some(spec) = spec.filter(|_| !self.model.clients.contains_key(&client)) else {
                    return Ok(());
                };
                let refused = !self.tell(Input::Submit { client, job: JobKey(u64::MAX), spec })?;
                return if refused { Ok(()) } else { Err(format!("a job of {client}, whom nobody knows")) };
            }
            _ => {
                let busy = Duration::from_nanos(self.rng.bits());
                Input::Report { node, engine, job, first, count, attempt, busy, failed: Vec::new() }
            }
        };
        // A report that is right in all it says cannot be told from an honest one, so it is not made.
        if self.model.is_welcome(&input) == Some(true) {
            return Ok(());
        }
        self.tell(input).map(drop)
    }

    /// No more faults; what is broken is mended.
    pub(super) fn heal(&mut self) -> Result<(), Broken> {
        self.healed = true;
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in nodes {
            self.after(0, Event::Continue(id));
            if let Some(node) = self.nodes.get_mut(&id) {
                node.unable = None;
            }
            if self.model.nodes.contains_key(&id) {
                self.tell(Input::NodePressure { node: id, on: false })?;
            }
        }
        self.join(2, Vec::new())?;
        let clients: Vec<ClientId> = self.clients.keys().copied().collect();
        for id in clients {
            self.press(id, false)?;
            for job in self.clients[&id].jobs.clone() {
                self.supply(job)?;
            }
        }
        Ok(())
    }
}
