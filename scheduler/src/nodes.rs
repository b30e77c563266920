//! Duty: nodes come, give signs of life, leave, and are lost.

use std::sync::Arc;

use phalanx_proto::ids::{EngineId, NodeId};
use phalanx_proto::limits::NODE_ENGINES_MAX;

use crate::action::Action;
use crate::direct::DirectQueue;
use crate::engine::{Engine, Mood, Node};
use crate::held::Held;
use crate::place::Tags;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) fn on_node_joined(
        &mut self,
        id: NodeId,
        engines: u32,
        wanted: &[EngineId],
        tags: &[Tags],
    ) -> Result<(), Reject> {
        if self.node_slots.contains_key(&id) {
            return Err(Reject::Duplicate("the node's id"));
        }
        if engines == 0 {
            return Err(Reject::Malformed("a node without engines"));
        }
        if engines > NODE_ENGINES_MAX {
            return Err(Reject::Limit { what: "engines on a node", max: NODE_ENGINES_MAX as usize });
        }
        if self.engines.len() + engines as usize > self.config.engines_max {
            return Err(Reject::Limit { what: "engines", max: self.config.engines_max });
        }
        let deadline = self.now.after(self.config.heartbeat_timeout);
        let node =
            Node { id, engines: Vec::new(), deadline, pressed: false, draining: false, drained: false };
        let slot = self.nodes.insert(node);
        self.node_slots.insert(id, slot);
        self.deadlines.insert((deadline, slot));
        let slots = self.enter_engines(id, slot, engines, wanted);
        for (at, tags) in slots.iter().zip(tags) {
            self.engines[*at].tags.clone_from(tags);
        }
        let ids = slots.iter().map(|at| self.engines[*at].id).collect();
        self.actions.push_back(Action::Registered { node: id, engines: ids });
        self.open_engines += u64::from(engines);
        self.nodes[slot].engines.clone_from(&slots);
        for at in &slots {
            self.join_classes(*at);
        }
        self.look_for_work(&slots);
        Ok(())
    }

    /// New engines; wishes for ids are granted before the others get what is left.
    fn enter_engines(&mut self, node: NodeId, node_slot: u32, engines: u32, wanted: &[EngineId]) -> Vec<u32> {
        let enter = |scheduler: &mut Self, id: EngineId| {
            let slot = scheduler.engines.insert(Engine {
                id,
                node,
                node_slot,
                rank: mixed(scheduler.seed ^ u64::from(id.0)),
                tags: Tags::new(),
                open: true,
                mood: Mood::Content,
                program: None,
                held: Held::default(),
                direct: DirectQueue::default(),
                recalling: None,
                news: scheduler.now,
                begun: scheduler.now,
                urgent_ns: 0,
                completed: 0,
            });
            scheduler.ids.grant(id, slot);
            slot
        };
        let granted: Vec<Option<u32>> = (0..engines as usize)
            .map(|i| wanted.get(i).filter(|id| self.ids.is_free(**id)).map(|id| enter(self, *id)))
            .collect();
        let fill = |slot: Option<u32>| {
            slot.unwrap_or_else(|| {
                let id = self.ids.next();
                enter(self, id)
            })
        };
        granted.into_iter().map(fill).collect()
    }

    pub(crate) fn on_heartbeat(&mut self, id: NodeId) -> Result<(), Reject> {
        let slot = self.node_slot(id)?;
        let deadline = self.now.after(self.config.heartbeat_timeout);
        let node = &mut self.nodes[slot];
        self.deadlines.remove(&(node.deadline, slot));
        self.deadlines.insert((deadline, slot));
        node.deadline = deadline;
        Ok(())
    }

    pub(crate) fn on_tick(&mut self) {
        self.expire_jobs();
        self.end_returns();
        if self.unrunnable.take_if(|due| *due <= self.now).is_some() {
            self.fail_unrunnable();
        }
        if self.look_again.take_if(|due| *due <= self.now).is_some() {
            self.feed();
        }
        while let Some(&(deadline, slot)) = self.deadlines.first() {
            if deadline > self.now {
                return;
            }
            let node = self.nodes[slot].id;
            self.actions.push_back(Action::Expired { node });
            let seconds = self.config.heartbeat_timeout.as_secs_f64();
            let reason = format!("its node gave no sign of life for {seconds} s");
            self.remove_node(slot, &reason.into());
        }
    }

    pub(crate) fn on_node_lost(&mut self, id: NodeId, reason: &Arc<str>) -> Result<(), Reject> {
        let slot = self.node_slot(id)?;
        self.remove_node(slot, reason);
        Ok(())
    }

    fn remove_node(&mut self, slot: u32, reason: &Arc<str>) {
        self.close_engines(slot);
        let node = self.nodes.remove(slot);
        self.node_slots.remove(&node.id);
        self.deadlines.remove(&(node.deadline, slot));
        for at in node.engines {
            self.lose_engine(at, reason);
        }
        self.fail_unrunnable_later();
        self.feed();
    }

    pub(crate) fn on_node_pressure(&mut self, id: NodeId, on: bool) -> Result<(), Reject> {
        let slot = self.node_slot(id)?;
        let node = &mut self.nodes[slot];
        if node.pressed == on || node.draining {
            node.pressed = on;
            return Ok(());
        }
        node.pressed = on;
        if on {
            self.close_engines(slot);
            return Ok(());
        }
        let engines = node.engines.clone();
        for at in &engines {
            self.set_open(*at, true);
        }
        self.look_for_work(&engines);
        Ok(())
    }

    /// Engines that may be given work now. Those that hold nothing are known to each other first, so
    /// that they share what there is.
    fn look_for_work(&mut self, engines: &[u32]) {
        for at in engines {
            if self.engines[*at].held.chunks() == 0 {
                self.set_mood(*at, Mood::Idle);
            }
        }
        self.feed();
        for at in engines {
            self.refill(*at);
        }
    }

    pub(crate) fn on_node_draining(&mut self, id: NodeId) -> Result<(), Reject> {
        let slot = self.node_slot(id)?;
        if self.nodes[slot].draining {
            return Ok(());
        }
        self.nodes[slot].draining = true;
        self.close_engines(slot);
        for at in self.nodes[slot].engines.clone() {
            self.recall_all(at);
            self.fail_queued_direct(at, &Arc::from("its node is leaving"));
        }
        self.fail_unrunnable_later();
        self.report_drained(slot);
        Ok(())
    }

    /// The engines of a node get no more work.
    fn close_engines(&mut self, slot: u32) {
        for at in self.nodes[slot].engines.clone() {
            self.set_open(at, false);
            self.rest(at);
        }
    }

    /// Says so, once, when a leaving node holds nothing any more.
    pub(crate) fn report_drained(&mut self, slot: u32) {
        let Some(node) = self.nodes.get_mut(slot).filter(|node| node.draining && !node.drained) else {
            return;
        };
        if node.engines.iter().all(|at| self.engines[*at].held.chunks() == 0) {
            node.drained = true;
            self.actions.push_back(Action::Drained { node: node.id });
        }
    }

    pub(crate) fn node_slot(&self, id: NodeId) -> Result<u32, Reject> {
        self.node_slots.get(&id).copied().ok_or(Reject::UnknownNode(id))
    }

    /// The slot of an engine that a node speaks for.
    pub(crate) fn engine_of(&self, node: NodeId, engine: EngineId) -> Result<u32, Reject> {
        match self.ids.slot(engine) {
            Some(slot) if self.engines[slot].node == node => Ok(slot),
            found => {
                self.node_slot(node)?;
                Err(match found {
                    Some(_) => Reject::NotOfNode { engine, node },
                    None => Reject::UnknownEngine(engine),
                })
            }
        }
    }
}

/// A step of `SplitMix64` (Steele, Lea, Flood 2014): spreads neighbouring numbers.
fn mixed(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
