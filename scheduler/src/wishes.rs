//! Duty: a client wants an engine started anew, or gone. That is nobody's fault: no chunk is blamed for it.

use std::sync::Arc;

use phalanx_proto::ids::EngineId;

use crate::action::ChunkFailure;
use crate::direct::DirectChunk;
use crate::held::Holding;
use crate::input::{Loss, LossKind};
use crate::losses::Lost;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// The engine loses what it holds now, not when its node has heard of it: what was called before the restart ends with it, and what
    /// is called afterwards finds the new worker.
    pub(crate) fn on_engine_restarted(&mut self, id: EngineId, reason: &Arc<str>) -> Result<(), Reject> {
        let at = self.ids.slot(id).ok_or(Reject::UnknownEngine(id))?;
        let loss = Loss { kind: LossKind::Stopped, message: Arc::clone(reason), signal: None };
        self.begin_front(at);
        self.lose_held(at, None, None, &Lost::Worker(&loss));
        for DirectChunk { job, ordinal } in std::mem::take(&mut self.engines[at].direct).iter() {
            let failure = ChunkFailure::WorkerLost { was_running: false, loss: loss.clone() };
            self.fail_chunk(job, ordinal, id, failure);
            self.finish_if_done(job);
        }
        self.released(at);
        self.feed();
        self.refill(at);
        Ok(())
    }

    /// What the engine is likely to run has begun, though it is nobody's fault that it ends.
    fn begin_front(&mut self, at: u32) {
        let front = self.engines[at].held.likely_running();
        let slot = front.filter(|run| run.holding != Holding::Cancelled).map(|run| run.slot);
        slot.into_iter().for_each(|slot| self.begin(slot));
    }

    /// The engine is gone; a node that has no other one is given nothing any more.
    pub(crate) fn on_engine_leaving(&mut self, id: EngineId, reason: &Arc<str>) -> Result<(), Reject> {
        let at = self.ids.slot(id).ok_or(Reject::UnknownEngine(id))?;
        self.set_open(at, false);
        self.rest(at);
        let node_slot = self.engines[at].node_slot;
        self.begin_front(at);
        self.lose_held(at, None, None, &Lost::Engine(reason));
        self.remove_engine(at, reason);
        let node = &mut self.nodes[node_slot];
        node.engines.retain(|engine| *engine != at);
        if node.engines.is_empty() {
            // It goes by itself when it has no engine left, and need not be told that it may.
            (node.draining, node.drained) = (true, true);
            self.fail_unrunnable_later();
        } else {
            self.report_drained(node_slot);
        }
        self.feed();
        Ok(())
    }
}
