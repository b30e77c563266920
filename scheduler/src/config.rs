//! The core's settings.

use std::time::Duration;

/// Bounds and budgets of the core. `Config::default()` is what the controller uses.
#[derive(Debug, Clone)]
pub struct Config {
    /// A node silent for this long is lost.
    pub heartbeat_timeout: Duration,
    /// A chunk is quarantined when it ran on this many workers or engines that were lost.
    pub crash_limit: u32,
    /// The most chunks an engine may hold, running and queued, however short they are.
    pub window_chunks_max: u32,
    /// An engine holds about this much measured work ahead, between two chunks and `window_chunks_max`.
    pub window_work: Duration,
    /// What a chunk of automatic length aims at. Where all cores are the engines', a report costs them about a tenth of a millisecond.
    pub auto_chunk_work: Duration,
    /// A chunk of automatic length is not cut below this much work towards the end of a job.
    pub auto_chunk_work_min: Duration,
    /// What an engine does not hand back for so long, when a job was to have begun, counts as not begun.
    pub recall_timeout: Duration,
    /// The most jobs that are not finished, of all clients.
    pub jobs_max: usize,
    /// How long a job waits for the engines that it is bound to when they may be on their way back.
    pub return_timeout: Duration,
    /// Jobs that ended are remembered, so that others can wait for them after the fact; the oldest are forgotten first, but for those
    /// that a job waits for.
    pub past_jobs_max: usize,
    /// The most engines.
    pub engines_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_timeout: Duration::from_secs(10),
            crash_limit: 3,
            window_chunks_max: 4_096,
            window_work: Duration::from_millis(2),
            auto_chunk_work: Duration::from_millis(4),
            auto_chunk_work_min: Duration::from_micros(200),
            recall_timeout: Duration::from_secs(10),
            jobs_max: 100_000,
            return_timeout: Duration::from_secs(60),
            past_jobs_max: 16_384,
            engines_max: 65_536,
        }
    }
}
