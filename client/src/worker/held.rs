//! Results of neighbouring chunks, put together for one report.

use bytes::Bytes;
use phalanx_proto::frames::{Chunks, Failure, Report};
use phalanx_proto::timings::Timings;

use super::work::Work;
use crate::codec::Lens;

/// The most lengths of values that a report has beside its data.
const LENS_MAX: usize = 64 << 10;

/// One chunk's results.
#[derive(Default)]
pub(crate) struct ChunkResult {
    pub(crate) started_ns: u64,
    pub(crate) completed_ns: u64,
    /// How long urgent runs of others have held it up in between: that is not its own time.
    pub(crate) away_ns: u64,
    pub(crate) lens: Lens,
    pub(crate) data: Vec<u8>,
    pub(crate) failures: Vec<Failure>,
    /// Bytes of the failures' texts.
    pub(crate) failure_text_bytes: usize,
}

impl ChunkResult {
    pub(crate) fn clear(&mut self) {
        self.failure_text_bytes = 0;
        self.lens.clear();
        self.data.clear();
        self.failures.clear();
        self.away_ns = 0;
    }
}

/// Neighbouring chunks whose results go out together.
pub(super) struct Held {
    pub(super) chunks: Chunks,
    element_first: u64,
    chunk_len: u32,
    only: Bytes,
    busy_ns: u64,
    timings: Timings,
    pub(super) result: ChunkResult,
}

impl Held {
    pub(super) fn new(work: &Work, place: u32, result: &mut ChunkResult) -> Self {
        let mut held = Self {
            chunks: Chunks { first: work.chunks.first + u64::from(place), count: 0, ..work.chunks },
            element_first: work.element_first + u64::from(place) * u64::from(work.chunk_len),
            chunk_len: work.chunk_len,
            only: work.only.clone(),
            busy_ns: 0,
            timings: Timings::default(),
            result: ChunkResult { started_ns: result.started_ns, ..ChunkResult::default() },
        };
        held.append(result);
        held
    }

    pub(super) fn continues(&self, work: &Work, first: u64) -> bool {
        let c = &self.chunks;
        let len = u64::from(self.chunk_len);
        // Where a job's missing elements are cut as it goes, neighbouring chunks need not have neighbouring elements.
        let element = || work.element_first + (first - work.chunks.first) * len;
        c.job == work.chunks.job
            && c.attempt == work.chunks.attempt
            && c.first + u64::from(c.count) == first
            && self.chunk_len == work.chunk_len
            && self.element_first + u64::from(c.count) * len == element()
    }

    pub(super) fn last(&self) -> u64 {
        self.chunks.first + u64::from(self.chunks.count) - 1
    }

    pub(super) fn append(&mut self, result: &mut ChunkResult) {
        self.chunks.count += 1;
        self.busy_ns += result.completed_ns.saturating_sub(result.started_ns).saturating_sub(result.away_ns);
        self.timings.push(result.started_ns, result.completed_ns);
        self.result.completed_ns = result.completed_ns;
        self.result.lens.append(&result.lens);
        self.result.failures.append(&mut result.failures);
        if self.result.data.is_empty() {
            std::mem::swap(&mut self.result.data, &mut result.data);
        } else {
            self.result.data.extend_from_slice(&result.data);
        }
    }

    /// All there is to send as data, end to end.
    pub(super) fn take_data(&mut self) -> Bytes {
        let mut data = std::mem::take(&mut self.result.data);
        if self.lens_go_behind() {
            data.extend_from_slice(&self.result.lens.packed());
        }
        data.into()
    }

    /// Whether there are more lengths than a message has room for: data goes out in parts.
    fn lens_go_behind(&self) -> bool {
        self.result.lens.each().len() > LENS_MAX
    }

    pub(super) fn into_report(self, data_before: u64, data: Bytes) -> Report {
        let lens_behind = self.lens_go_behind();
        Report {
            chunks: self.chunks,
            element_first: self.element_first,
            chunk_len: self.chunk_len,
            busy_ns: self.busy_ns,
            stride: self.result.lens.stride(),
            data_before,
            timings: self.timings.into_bytes(),
            lens: if lens_behind { Bytes::new() } else { self.result.lens.packed() },
            lens_behind,
            only: self.only,
            failures: self.result.failures,
            data,
        }
    }
}
