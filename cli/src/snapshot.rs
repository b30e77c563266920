//! What the controller says about its cluster, checked and in our own types: `--json` prints these, so their
//! field names are a promise to scripts, and the wire may change without breaking it.

use phalanx_proto::v1::{EngineStatus, JobStatus, StatusReply};
use serde::Serialize;

/// One cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) profile: String,
    pub(crate) controller: ControllerInfo,
    pub(crate) clients: u32,
    /// Arguments of unfinished jobs that the controller holds in memory.
    pub(crate) payload_bytes: u64,
    pub(crate) engines: Vec<Engine>,
    pub(crate) jobs: Vec<Job>,
}

/// The controller.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ControllerInfo {
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) version: String,
    pub(crate) uptime_ms: u64,
}

/// One engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Engine {
    pub(crate) id: u32,
    pub(crate) host: String,
    /// The process id of its daemon, on that host.
    pub(crate) node_pid: u32,
    /// Running and queued.
    pub(crate) chunks_assigned: u64,
    pub(crate) chunks_completed: u64,
    /// Milliseconds since its daemon's last heartbeat; null before the first.
    pub(crate) last_beat_ms: Option<u64>,
    pub(crate) draining: bool,
}

/// One job that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) client: u64,
    /// `direct` or `balanced`.
    pub(crate) view: &'static str,
    pub(crate) elements: u64,
    pub(crate) elements_done: u64,
    pub(crate) elements_failed: u64,
    /// How much of it has ended, well or badly.
    pub(crate) percent: f64,
    pub(crate) chunks_assigned: u64,
    pub(crate) age_ms: u64,
}

impl Snapshot {
    pub(crate) fn new(profile: &str, reply: StatusReply) -> Snapshot {
        let peer = reply.peer.unwrap_or_default();
        Snapshot {
            profile: profile.to_owned(),
            controller: ControllerInfo {
                pid: peer.pid,
                host: peer.host,
                version: peer.version,
                uptime_ms: reply.uptime_ms,
            },
            clients: reply.clients,
            payload_bytes: reply.payload_bytes,
            engines: reply.engines.into_iter().map(Engine::from).collect(),
            jobs: reply.jobs.into_iter().map(Job::from).collect(),
        }
    }

    /// How many engines the daemon `pid` on `host` has here.
    pub(crate) fn engines_of(&self, host: &str, pid: u32) -> usize {
        self.engines.iter().filter(|e| e.node_pid == pid && e.host == host).count()
    }
}

impl From<EngineStatus> for Engine {
    fn from(status: EngineStatus) -> Engine {
        let info = status.info.unwrap_or_default();
        Engine {
            id: info.id,
            host: info.host,
            node_pid: info.node_pid,
            chunks_assigned: status.assigned_chunks,
            chunks_completed: status.completed_chunks,
            last_beat_ms: Some(status.last_beat_ms).filter(|ms| *ms != u64::MAX),
            draining: status.draining,
        }
    }
}

impl From<JobStatus> for Job {
    fn from(status: JobStatus) -> Job {
        let ended = status.elements_done.saturating_add(status.elements_failed);
        Job {
            id: status.id,
            label: status.label,
            client: status.client,
            view: if status.direct { "direct" } else { "balanced" },
            elements: status.elements,
            elements_done: status.elements_done,
            elements_failed: status.elements_failed,
            percent: percent(ended, status.elements),
            chunks_assigned: status.chunks_assigned,
            age_ms: status.age_ms,
        }
    }
}

/// To a tenth, and never rounded up to 100: that means that all of it has ended.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 || part >= whole {
        return 100.0;
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    f64::from(u32::try_from(tenths).expect("less than 1000")) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(0, 0), 100.0);
        assert_eq!(percent(0, 10), 0.0);
        assert_eq!(percent(1, 3), 33.3);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99.9);
        assert_eq!(percent(7, 7), 100.0);
    }

    #[test]
    fn a_reply_without_its_parts_is_no_panic() {
        let reply = StatusReply {
            engines: vec![EngineStatus { last_beat_ms: u64::MAX, ..EngineStatus::default() }],
            ..StatusReply::default()
        };
        let snapshot = Snapshot::new("p", reply);
        assert_eq!(snapshot.engines[0].last_beat_ms, None);
        assert_eq!((snapshot.engines_of("", 0), snapshot.engines_of("n", 0)), (1, 0));
    }
}
