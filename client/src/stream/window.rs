//! How much of a stream may be under way, and how long its chunks are. Pure: it measures nothing itself.

use std::time::Duration;

use crate::error::{Error, Result};

/// Elements that may be under way, unless the user says otherwise.
const ELEMENTS_MAX: u64 = 1 << 16;
/// Bytes of elements and results that may be under way, unless the user says otherwise.
const BYTES_MAX: u64 = 64 << 20;
/// Chunks under way per engine, unless the user says how many elements: what it runs, what waits on it, and what waits for it.
const CHUNKS_PER_ENGINE: u64 = 6;
/// With a large value that goes along, which each chunk holds at the controller.
const CHUNKS_PER_ENGINE_LARGE: u64 = 2;
/// What counts as large: bytes.
const CONTEXT_LARGE_BYTES: u64 = 1 << 20;
/// Chunks under way, done or not, however many engines there are.
const CHUNKS_MAX: u64 = 1024;
/// How long an automatic chunk is to take: a job costs all processes together some 80 µs.
const CHUNK_NS: u64 = 4_000_000;
/// How much longer for each byte that goes along with every chunk, at some 2 ns a byte on the way to a function.
const CHUNK_NS_PER_CONTEXT_BYTE: u64 = 40;
/// By what an automatic chunk may be longer than those that were measured.
const GROWTH: u64 = 2;
/// A measured chunk counts for so much less with each one that follows.
const FORGETTING: f64 = 0.875;

/// What is under way of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// Chunks that are not done.
    pub(super) running: u64,
    /// Chunks that are done or not.
    pub(super) chunks: u64,
    /// Elements that were pulled and whose outcome the reader does not have.
    pub(super) elements: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// The bounds of a stream, and what was measured of its chunks.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// 0: automatic.
    chunksize: u64,
    elements_max: Option<u64>,
    bytes_max: u64,
    context_bytes: u64,
    /// Of chunks that are done, the last counting most.
    elements: f64,
    busy_ns: f64,
    result_bytes: f64,
    longest: u64,
}

impl Window {
    pub(super) fn new(context_bytes: usize) -> Self {
        Self {
            chunksize: 0,
            elements_max: None,
            bytes_max: BYTES_MAX,
            context_bytes: context_bytes as u64,
            elements: 0.0,
            busy_ns: 0.0,
            result_bytes: 0.0,
            longest: 0,
        }
    }

    pub(super) fn set_chunksize(&mut self, chunksize: u64) {
        self.chunksize = chunksize;
    }

    pub(super) fn set_elements_max(&mut self, elements: u64) -> Result<()> {
        if elements == 0 {
            return Err(Error::StreamBound("max_outstanding(0)"));
        }
        self.elements_max = Some(elements);
        Ok(())
    }

    pub(super) fn set_bytes_max(&mut self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Err(Error::StreamBound("max_bytes(0)"));
        }
        self.bytes_max = bytes;
        Ok(())
    }

    /// Whether another chunk may be begun.
    pub(super) fn has_room(&self, load: Load, engines: u64) -> bool {
        let per_engine = if self.context_bytes > CONTEXT_LARGE_BYTES {
            CHUNKS_PER_ENGINE_LARGE
        } else {
            CHUNKS_PER_ENGINE
        };
        let running_max = match self.elements_max {
            Some(_) => CHUNKS_MAX,
            None => per_engine.saturating_mul(engines.max(1)),
        };
        load.running < running_max
            && load.chunks < CHUNKS_MAX
            && self.elements_left(load) > 0
            && (self.bytes_left(load) > 0 || load.elements == 0)
    }

    /// How many elements may still be pulled.
    pub(super) fn elements_left(&self, load: Load) -> u64 {
        self.elements_max.unwrap_or(ELEMENTS_MAX).saturating_sub(load.elements)
    }

    /// How many elements the next chunk is to have.
    pub(super) fn chunk_len(&self, engines: u64) -> u64 {
        if self.chunksize > 0 {
            return self.chunksize;
        }
        let share = self.elements_max.unwrap_or(ELEMENTS_MAX) / (2 * engines.max(1));
        let wanted = if self.busy_ns > 0.0 {
            let target = CHUNK_NS.max(self.context_bytes.saturating_mul(CHUNK_NS_PER_CONTEXT_BYTE));
            (target as f64 * self.elements / self.busy_ns) as u64
        } else {
            0
        };
        wanted.min(GROWTH * self.longest).min(share).max(1)
    }

    /// The next chunk is closed when it has so many bytes.
    pub(super) fn chunk_bytes(&self, load: Load, engines: u64) -> u64 {
        (self.bytes_max / (2 * engines.max(1))).min(self.bytes_left(load)).max(1)
    }

    fn bytes_left(&self, load: Load) -> u64 {
        self.bytes_max.saturating_sub(load.bytes + self.results_of(load.elements))
    }

    /// For how long elements are pulled for one chunk: engines are not kept waiting for slow input.
    pub(super) fn pull_max(&self) -> Duration {
        Duration::from_nanos(CHUNK_NS)
    }

    /// What a chunk that is done has taken.
    pub(super) fn measured(&mut self, elements: u64, busy_ns: u64, result_bytes: u64) {
        for (sum, new) in [
            (&mut self.elements, elements),
            (&mut self.busy_ns, busy_ns.max(1)),
            (&mut self.result_bytes, result_bytes),
        ] {
            *sum = *sum * FORGETTING + new as f64;
        }
        self.longest = self.longest.max(elements);
    }

    /// The bytes that the results of so many elements take or will take, as far as can be known.
    fn results_of(&self, elements: u64) -> u64 {
        if self.elements > 0.0 { (self.result_bytes / self.elements * elements as f64) as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(running: u64, elements: u64, bytes: u64) -> Load {
        Load { running, chunks: running, elements, bytes }
    }

    #[test]
    fn chunks_begin_with_one_element_and_grow_to_four_milliseconds() {
        let mut window = Window::new(0);
        let mut lens = Vec::new();
        for _ in 0..20 {
            let len = window.chunk_len(2);
            window.measured(len, len * 1000, 8 * len);
            lens.push(len);
        }
        assert_eq!(lens[..5], [1, 2, 4, 8, 16]);
        assert_eq!(lens[19], 4000);
        window.measured(4000, 4_000_000_000, 0);
        assert!(window.chunk_len(2) < 40, "elements have become longer");
    }

    #[test]
    fn what_goes_along_makes_chunks_longer() {
        let mut window = Window::new(10 << 20);
        window.measured(1000, 1_000_000_000, 0);
        assert_eq!(window.chunk_len(1), 419);
    }

    #[test]
    fn chunks_leave_room_for_each_other() {
        let mut window = Window::new(0);
        window.set_elements_max(100).unwrap();
        window.measured(1000, 1000, 0);
        assert_eq!(window.chunk_len(5), 10);
        assert_eq!(window.chunk_len(1000), 1);
        window.set_chunksize(7);
        assert_eq!(window.chunk_len(5), 7);
    }

    #[test]
    fn every_bound_closes_the_window() {
        let mut window = Window::new(0);
        assert!(window.has_room(load(11, 11, 88), 2));
        assert!(!window.has_room(load(12, 12, 96), 2), "chunks per engine");
        assert!(!window.has_room(load(1, ELEMENTS_MAX, 0), 2), "elements");
        assert!(!window.has_room(load(1, 1, BYTES_MAX), 2), "bytes");
        assert!(window.has_room(load(0, 0, BYTES_MAX), 2), "nothing is under way");
        assert!(
            !window.has_room(Load { chunks: CHUNKS_MAX, ..load(0, 1, 0) }, 2),
            "chunks that wait for the reader"
        );
        window.measured(1, 1000, BYTES_MAX / 4);
        assert!(window.has_room(load(2, 3, 0), 2) && !window.has_room(load(2, 4, 0), 2), "bytes of results");

        window.set_elements_max(20).unwrap();
        let window = Window { result_bytes: 0.0, ..window };
        assert!(window.has_room(load(19, 19, 0), 2), "as many as the user says");
        assert!(!window.has_room(load(20, 20, 0), 2));
    }

    #[test]
    fn bounds_of_nothing_are_refused() {
        let mut window = Window::new(0);
        assert!(window.set_elements_max(0).unwrap_err().to_string().contains("max_outstanding(0)"));
        assert!(window.set_bytes_max(0).is_err());
    }
}
