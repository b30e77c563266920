//! A look at engines and jobs from outside, cheap enough to be taken often.

use phalanx_proto::ids::{EngineId, JobKey};

use crate::scheduler::Scheduler;

/// An engine, at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStatus {
    /// Chunks that it holds, running and queued.
    pub assigned_chunks: u64,
    /// Chunks that it has reported.
    pub completed_chunks: u64,
    /// Its node is leaving.
    pub draining: bool,
}

/// A job, at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobStatus {
    /// Elements whose results were accepted.
    pub elements_done: u64,
    /// Elements that have failed for good.
    pub elements_failed: u64,
    /// Chunks that engines hold.
    pub chunks_assigned: u64,
    /// Chunks that have been cut so far.
    pub chunks_cut: u64,
    /// Chunks that there will be, when that is known: automatic ones are counted when the last was cut.
    pub chunks_total: Option<u64>,
}

impl Scheduler {
    /// An engine that is there.
    #[must_use]
    pub fn engine_status(&self, id: EngineId) -> Option<EngineStatus> {
        let engine = &self.engines[self.ids.slot(id)?];
        Some(EngineStatus {
            assigned_chunks: engine.held.chunks().into(),
            completed_chunks: engine.completed,
            draining: self.nodes[engine.node_slot].draining,
        })
    }

    /// A job that has not ended.
    #[must_use]
    pub fn job_status(&self, key: JobKey) -> Option<JobStatus> {
        let job = &self.jobs[*self.job_slots.get(&key)?];
        let cut = job.ledger.end();
        Some(JobStatus {
            elements_done: job.elements_done,
            elements_failed: job.elements_failed,
            chunks_assigned: job.ledger.assigned(),
            chunks_cut: cut,
            chunks_total: job.cutter.total(cut),
        })
    }
}
