//! What engines have to do, at one moment.

use phalanx_proto::v1;

/// What [`Client::queue_status`](crate::Client::queue_status) has found.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// let status = client.queue_status(..)?;
/// assert_eq!(status.engines.iter().map(|engine| engine.running + engine.queued).sum::<u64>(), 0);
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// The engines asked for, by id. One that left meanwhile is missing.
    pub engines: Vec<EngineQueue>,
    /// Chunks of load-balanced jobs, of all clients, that no engine has yet; with [`Auto`](crate::Auto), about so many.
    pub unassigned: u64,
}

/// What one engine has to do, in chunks: those of all clients.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// client.direct_view(0).apply(|| 5, ()).get()?;
/// let engine = &client.queue_status(0)?.engines[0];
/// assert_eq!((engine.engine, engine.completed), (0, 1));
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineQueue {
    /// Its id.
    pub engine: u32,
    /// The host it is on.
    pub host: String,
    /// 1 when it has anything to do, else 0: engines run one chunk at a time.
    pub running: u64,
    /// Chunks that wait for it.
    pub queued: u64,
    /// Chunks that it has done.
    pub completed: u64,
}

impl QueueStatus {
    pub(crate) fn of(status: &v1::StatusReply, engines: &[u32]) -> Self {
        let queue = |engine: &v1::EngineStatus| {
            let info = engine.info.as_ref().filter(|info| engines.contains(&info.id))?;
            let running = engine.assigned_chunks.min(1);
            Some(EngineQueue {
                engine: info.id,
                host: info.host.clone(),
                running,
                queued: engine.assigned_chunks - running + engine.waiting_chunks,
                completed: engine.completed_chunks,
            })
        };
        let mut engines: Vec<_> = status.engines.iter().filter_map(queue).collect();
        engines.sort_by_key(|engine| engine.engine);
        let balanced = status.jobs.iter().filter(|job| !job.direct);
        Self { engines, unassigned: balanced.map(|job| job.chunks_waiting).sum() }
    }
}
