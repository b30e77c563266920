//! A look at engines and jobs from outside, cheap enough to be taken often.

use phalanx_proto::ids::{EngineId, JobKey};

use crate::cutter::Cutter;
use crate::job::Job;
use crate::scheduler::Scheduler;

/// An engine, at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStatus {
    /// Chunks that it holds, running and queued.
    pub assigned_chunks: u64,
    /// Chunks of direct calls that wait for it, and that it does not hold yet.
    pub waiting_chunks: u64,
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
    /// Chunks that no engine holds; where their size is automatic, about so many.
    pub chunks_waiting: u64,
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
            waiting_chunks: engine.direct.iter().count() as u64,
            completed_chunks: engine.completed,
            draining: self.nodes[engine.node_slot].draining,
        })
    }

    /// Whether the engine holds more than the one chunk that it may be running.
    #[must_use]
    pub fn has_queue(&self, id: EngineId) -> bool {
        self.ids.slot(id).is_some_and(|slot| self.engines[slot].held.chunks() > 1)
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
            chunks_waiting: self.chunks_waiting(job),
            chunks_cut: cut,
            chunks_total: job.cutter.total(cut),
        })
    }

    fn chunks_waiting(&self, job: &Job) -> u64 {
        if job.is_direct() {
            return job.ledger.open() - job.ledger.assigned();
        }
        let engines = self.open_engines.max(1);
        let auto_len = match &job.cutter {
            Cutter::Auto(auto) => job.pace.auto_len(auto.left(), engines, &self.config).max(1),
            Cutter::Blocks(_) => 0,
        };
        job.unassigned(auto_len)
    }
}
