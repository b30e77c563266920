//! The controller's own bounds, and where they come from.

use std::fs;
use std::time::Duration;

/// What the controller may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of elements and contexts of all jobs that have not ended. Default: half of the memory.
    pub payload_bytes_max: u64,
    /// Bytes of results that one client has not read; then its session ends. Default: a quarter of the memory.
    pub results_bytes_max: u64,
    /// Bytes of executables kept on disk. Default: 8 GiB.
    pub programs_bytes_max: u64,
    /// Bytes of results that are kept for those who come for them by their jobs' ids. Default: an eighth of the memory.
    pub kept_bytes_max: u64,
    /// How long results are kept after their job's end. Default: a week.
    pub kept_age_max: Duration,
    /// Clients and nodes connected at the same time. Default: 16 384 each.
    pub sessions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let memory = memory_bytes();
        Self {
            payload_bytes_max: memory / 2,
            results_bytes_max: memory / 4,
            programs_bytes_max: 8 << 30,
            kept_bytes_max: memory / 8,
            kept_age_max: Duration::from_secs(7 * 24 * 3_600),
            sessions_max: 16_384,
        }
    }
}

/// The memory that this process may use: the machine's, or less where its control group says so.
fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit.max(1)));
    let group =
        fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.min(group.unwrap_or(u64::MAX))
}
