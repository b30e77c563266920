//! A look at the cluster, for people and scripts.

use std::time::Instant;

use phalanx_proto::ids::EngineId;
use phalanx_proto::v1::{EngineStatus, JobStatus, StatusReply};

use super::Driver;
use super::roster::Engine;
use crate::parse::own_peer;

impl Driver {
    pub(super) fn status(&self) -> StatusReply {
        let now = Instant::now();
        let millis = |since: Instant| {
            u64::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u64::MAX)
        };
        let mut jobs: Vec<_> = self.jobs.iter().collect();
        jobs.sort_unstable_by_key(|(key, _)| **key);
        StatusReply {
            peer: Some(own_peer()),
            uptime_ms: millis(self.started),
            engines: self
                .engines
                .iter()
                .map(|(id, engine)| self.engine_status(*id, engine, millis))
                .collect(),
            jobs: jobs
                .into_iter()
                .map(|(key, job)| {
                    let seen = self.scheduler.job_status(*key).unwrap_or_default();
                    JobStatus {
                        id: job.id.to_string(),
                        label: job.label.clone(),
                        client: job.client.0,
                        elements: job.elements,
                        elements_done: seen.elements_done,
                        elements_failed: seen.elements_failed,
                        chunks_assigned: seen.chunks_assigned,
                        chunks_waiting: seen.chunks_waiting,
                        direct: job.direct,
                        age_ms: millis(job.since),
                    }
                })
                .collect(),
            clients: u32::try_from(self.clients.len()).unwrap_or(u32::MAX),
            payload_bytes: self.payload_bytes,
        }
    }

    fn engine_status(&self, id: EngineId, engine: &Engine, millis: impl Fn(Instant) -> u64) -> EngineStatus {
        let seen = self.scheduler.engine_status(id).unwrap_or_default();
        let node = self.nodes.get(&engine.node);
        EngineStatus {
            info: Some(engine.info(id)),
            assigned_chunks: seen.assigned_chunks,
            waiting_chunks: seen.waiting_chunks,
            completed_chunks: seen.completed_chunks,
            last_beat_ms: node.map_or(u64::MAX, |node| millis(node.last_beat)),
            draining: node.is_some_and(|node| node.draining),
        }
    }
}
