//! The links between the core and the nodes: each keeps the order of what is sent, but for what overtakes.

use phalanx_proto::ids::NodeId;

use super::world::{Command, Event, World};
use crate::Input;

impl World {
    /// A command of the core; it arrives after those before.
    pub(super) fn command(&mut self, id: NodeId, command: Command) {
        let delay = self.rng.between(20_000, 150_000);
        let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.cut) else { return };
        node.down = node.down.max(self.now + delay);
        let time = node.down;
        self.at(time, Event::ToNode(id, command));
    }

    /// As [`command`](Self::command), overtaking what was sent before; nothing overtakes it.
    pub(super) fn urgently(&mut self, id: NodeId, command: Command) {
        let delay = self.rng.between(20_000, 150_000);
        let Some(node) = self.nodes.get_mut(&id).filter(|node| !node.cut) else { return };
        node.urgent = node.urgent.max(self.now + delay);
        node.down = node.down.max(node.urgent);
        let time = node.urgent;
        self.at(time, Event::ToNode(id, command));
    }

    /// A node says something; it arrives after what it said before, but for reports that [may overtake](Self::may_overtake).
    pub(super) fn say(&mut self, id: NodeId, input: Input) {
        let delay = self.rng.between(20_000, 150_000);
        let hurries = self.may_overtake(id, &input) && self.rng.once_in(2);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if hurries && node.up > self.now {
            let (now, up) = (self.now, node.up);
            let time = self.rng.between(now, up);
            return self.at(time, Event::FromNode(id, input));
        }
        node.up = node.up.max(self.now + delay);
        let time = node.up;
        self.at(time, Event::FromNode(id, input));
    }

    /// The driver lets a report go before reports of other jobs that carry more, and before nothing else of its node.
    fn may_overtake(&self, id: NodeId, input: &Input) -> bool {
        let Input::Report { job: own, .. } = input else { return false };
        self.events.values().all(|event| match event {
            Event::FromNode(node, Input::Report { job, .. }) => *node != id || job != own,
            Event::FromNode(node, _) => *node != id,
            _ => true,
        })
    }
}
