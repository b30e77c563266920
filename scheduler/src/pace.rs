//! How long elements take, as far as was seen, and what follows from it.

use crate::config::Config;

/// The most that a chunk is expected to take, so that sums stay far from overflowing.
const CHARGE_NS_MAX: f64 = 5e14;

/// What a chunk of unknown length is expected to take.
const UNKNOWN_NS: u64 = 1_000_000;

/// How many reports of every engine make up the pace.
const ROUNDS_REMEMBERED: f64 = 4.0;

/// An automatic chunk is at most so many times as long as the longest that was reported.
const GROWTH_MAX: u64 = 64;

/// What handing out a chunk and taking its report costs the controller, about.
const HAND_OUT_NS: f64 = 2_000.0;

/// The measured pace of one job.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    busy_ns: f64,
    elements: f64,
    /// Chunks reported.
    reports: u64,
    /// Elements of the longest of them.
    len_max: u64,
}

impl Pace {
    /// A report: this many chunks with this many elements took so long. What was reported some rounds
    /// of the `engines` ago counts less and less: elements may get longer or shorter along the job.
    pub(crate) fn add(&mut self, busy_ns: u64, elements: u64, chunks: u32, engines: u64) {
        let keep = 1.0 - (f64::from(chunks) / (ROUNDS_REMEMBERED * engines.max(1) as f64)).min(0.5);
        self.busy_ns = self.busy_ns * keep + (busy_ns as f64).min(CHARGE_NS_MAX);
        self.elements = self.elements * keep + elements as f64;
        self.reports += u64::from(chunks);
        self.len_max = self.len_max.max(elements / u64::from(chunks.max(1)));
    }

    /// Chunks reported so far.
    pub(crate) fn reports(&self) -> u64 {
        self.reports
    }

    /// An element's mean time in nanoseconds.
    pub(crate) fn mean_ns(&self) -> Option<f64> {
        (self.elements > 0.0).then(|| (self.busy_ns / self.elements).max(1e-3))
    }

    /// What a chunk of `len` elements is expected to take, in nanoseconds.
    pub(crate) fn charge_ns(&self, len: u64) -> u64 {
        self.mean_ns().map_or(UNKNOWN_NS, |mean| (mean * len as f64).clamp(1.0, CHARGE_NS_MAX) as u64)
    }

    /// The elements of the next automatic chunk, with `left` elements to be cut and `engines` engines.
    ///
    /// Guided self-scheduling between two bounds: a chunk aims at `auto_chunk_work`, but leaves every
    /// engine some three; it is not cut below `auto_chunk_work_min`, but leaves every engine one. With many
    /// engines both bounds rise, or they would finish chunks faster than they can be handed out.
    pub(crate) fn auto_len(&self, left: u64, engines: u64, config: &Config) -> u64 {
        let Some(mean) = self.mean_ns() else { return 1 };
        let handed_out_ns = HAND_OUT_NS * engines as f64;
        let floor_ns = (config.auto_chunk_work_min.as_nanos() as f64).max(handed_out_ns);
        let target_ns = (config.auto_chunk_work.as_nanos() as f64).max(4.0 * handed_out_ns);
        let floor = ((floor_ns / mean) as u64).min(left / engines);
        let target = ((target_ns / mean) as u64).min(left / (3 * engines));
        floor.max(target).min(self.len_max.saturating_mul(GROWTH_MAX)).max(1)
    }
}
