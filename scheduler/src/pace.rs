//! How long elements take, as far as was seen, and what follows from it.

use crate::config::Config;

/// The most that a chunk is expected to take, so that sums stay far from overflowing.
const CHARGE_NS_MAX: f64 = 5e14;

/// What a chunk of unknown length is expected to take.
const UNKNOWN_NS: u64 = 1_000_000;

/// The measured pace of one job.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    busy_ns: f64,
    elements: f64,
    /// Chunks reported.
    reports: u64,
}

impl Pace {
    /// A report: this many chunks with this many elements took so long.
    pub(crate) fn add(&mut self, busy_ns: u64, elements: u64, chunks: u32) {
        self.busy_ns += (busy_ns as f64).min(CHARGE_NS_MAX);
        self.elements += elements as f64;
        self.reports += u64::from(chunks);
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
    /// engine some three; it is not cut below `auto_chunk_work_min`, but leaves every engine two.
    pub(crate) fn auto_len(&self, left: u64, engines: u64, config: &Config) -> u64 {
        let Some(mean) = self.mean_ns() else { return 1 };
        let elements = |work: std::time::Duration| (work.as_nanos() as f64 / mean) as u64;
        let floor = elements(config.auto_chunk_work_min).min(left / (2 * engines));
        let target = elements(config.auto_chunk_work).min(left / (3 * engines));
        floor.max(target).max(1)
    }
}
