//! What the model holds of failures: which may be, and of what.

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, Run};

use super::job_model::{ChunkModel, is_loss};
use super::model::{Broken, Live, Model, ensure};
use crate::{ChunkFailure, Input, Plan, RunningChunk};

impl Model {
    /// An engine ended its worker because of the element that it ran.
    pub(super) fn overrun(&mut self, engine: EngineId, running: Option<RunningChunk>) {
        let Some(RunningChunk { job: key, chunk: index, attempt, place: Some(place) }) = running else {
            return;
        };
        let own = |live: &&Live| live.engine == engine && live.attempt == attempt && !live.cancelled;
        if self.live.get(&(key, index)).filter(own).is_none() {
            return;
        }
        let Some(job) = self.jobs.get_mut(&key).filter(|job| matches!(job.spec.plan, Plan::Balanced { .. }))
        else {
            return;
        };
        let Some(chunk) = job.chunks.get_mut(&index) else { return };
        let offset = chunk.open_offsets()[place as usize];
        let times = chunk.overruns.entry(offset).or_default();
        *times += 1;
        if *times > job.spec.retries {
            self.overran = Some(((key, index), offset));
        }
    }

    pub(super) fn failed(
        &mut self,
        cause: &Input,
        client: ClientId,
        run: Run,
        offset: Option<u32>,
        engine: EngineId,
        failure: &ChunkFailure,
    ) -> Result<(), Broken> {
        let able = self.is_some_node_able(run.job);
        let job = self.jobs.get_mut(&run.job).ok_or("failed of no job")?;
        ensure(job.ended.is_none() && job.client == client, || format!("{run:?} failed after the end"))?;
        let direct = matches!(job.spec.plan, Plan::Direct { .. });
        for (i, index) in run.chunks().enumerate() {
            let first = run.element_first + i as u64 * u64::from(run.chunk_len);
            let fresh = || ChunkModel::new(first..first + u64::from(run.chunk_len));
            let chunk = job.chunks.entry(index).or_insert_with(fresh);
            ensure(!chunk.ended, || format!("chunk {index} of {run:?} failed after its end"))?;
            let good = match failure {
                ChunkFailure::Quarantined { engines, .. } => {
                    !direct
                        && engines.len() >= self.crash_limit
                        && engines.iter().all(|e| chunk.held_by.contains(e))
                }
                ChunkFailure::EngineLost { .. } => direct && is_loss(cause),
                ChunkFailure::WorkerLost { .. } => {
                    direct && chunk.held_by == [engine] && matches!(cause, Input::WorkerLost { .. })
                        || direct && chunk.held_by.last() == Some(&engine)
                        || direct && matches!(cause, Input::EngineRestarted { .. })
                }
                ChunkFailure::CannotStart { .. } => direct || !able,
                ChunkFailure::Untold { .. } => {
                    matches!(cause, Input::Untold { job, index: at, .. } if (*job, *at) == (run.job, index))
                }
                ChunkFailure::Overran { .. } => {
                    let expected = self.overran.take_if(|(at, _)| *at == (run.job, index));
                    let only = chunk.open_offsets().len() == 1;
                    direct || expected.is_some_and(|(_, o)| offset == Some(o) || (offset.is_none() && only))
                }
            };
            ensure(good, || format!("{run:?} failed with {failure:?} because of {cause:?}"))?;
            let open = chunk.open_offsets();
            if let Some(offset) = offset {
                let left: Vec<u32> = open.iter().copied().filter(|open| *open != offset).collect();
                ensure(!direct && !left.is_empty() && left.len() + 1 == open.len(), || {
                    format!("element {offset} of {run:?} failed, open were {open:?}")
                })?;
                job.failed.insert(chunk.elements.start + u64::from(offset));
                chunk.only = Some(left);
                continue;
            }
            job.failed.extend(open.into_iter().map(|offset| chunk.elements.start + u64::from(offset)));
            chunk.ended = true;
            if !matches!(failure, ChunkFailure::CannotStart { .. }) || direct {
                self.live.remove(&(run.job, index));
            }
        }
        Ok(())
    }

    fn is_some_node_able(&self, job: JobKey) -> bool {
        let Some(job) = self.jobs.get(&job) else { return true };
        let program = job.spec.program;
        let gone = |node: &NodeId| !self.engines.values().any(|n| n == node);
        let bound = !job.spec.place.is_anywhere() || !job.spec.after.is_empty();
        // Which of any had ended when the job began, the model does not remember.
        let partly = job.spec.after.iter().any(|d| d.follow && !d.all);
        if bound && (partly || !self.is_some_engine_able(job)) {
            return false;
        }
        self.nodes
            .iter()
            .any(|(id, node)| !node.draining && !gone(id) && !self.barred.contains(&(program, *id)))
    }
}
