//! What the model holds of the order of chunks on an engine.

use phalanx_proto::ids::{EngineId, JobKey, Run};

use super::model::{Broken, Live, Model, ensure};

/// As the core promises it.
const URGENT_CHUNKS_MAX: usize = 4;

impl Model {
    /// A run goes before what its engine has queued: it is one chunk, and short, overtakes others' only, and few do.
    pub(super) fn overtakes(&self, engine: EngineId, run: Run, only: Option<&[u32]>) -> Result<(), Broken> {
        ensure(run.count == 1, || format!("{run:?} is urgent, and not one chunk"))?;
        let client = self.jobs.get(&run.job).ok_or("urgent, and of no job")?.client;
        let held: Vec<_> = self.live.iter().filter(|(_, live)| live.engine == engine).collect();
        let urgent = |live: &Live| live.urgent;
        ensure(held.iter().filter(|(_, live)| urgent(live)).count() < URGENT_CHUNKS_MAX, || {
            format!("{run:?} is one more urgent chunk on {engine}")
        })?;
        ensure(held.iter().any(|(_, live)| !urgent(live)), || format!("{run:?} is urgent before nothing"))?;
        let own = held.iter().find(|((job, _), live)| self.jobs[job].client == client && !urgent(live));
        ensure(own.is_none(), || format!("{run:?} overtakes its client's own {own:?} on {engine}"))?;
        // Nothing was reported of the job, so nothing is known of its pace: then the chunk is one element, or no more than it goes before.
        let is_new = self.jobs[&run.job].chunks.values().all(|chunk| !chunk.ended && chunk.failures == 0);
        let len = |job: &JobKey, index: &u64| self.jobs[job].chunks[index].open();
        let longest =
            held.iter().filter(|(_, live)| !urgent(live)).map(|((job, index), _)| len(job, index)).max();
        let own_len = only.map_or(u64::from(run.chunk_len), |only| only.len() as u64);
        ensure(!is_new || own_len <= 1 || Some(own_len) <= longest, || {
            format!("{run:?} is urgent on {engine}, and longer than all that it goes before")
        })
    }
}
