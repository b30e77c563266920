//! What a job's functions have printed: kept within bounds for whoever asks later, and passed to those who follow.
//!
//! ```text
//!               ┌─▶ kept: per chunk, attempt and stream a beginning and an end ──▶ stdout(), stderr(), outputs()
//! connection ───┤
//!               └─▶ recent: the latest pieces as they came ──▶ follow_output(), wait_interactive()
//! ```

use std::collections::{HashMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use phalanx_proto::v1;

use super::chunk_output::{ChunkOutput, StdStream, gap};

/// What is kept of the beginning and of the end of what a chunk writes to a stream.
const CHUNK_HALF_BYTES: usize = 16 << 10;
/// What is kept of a job's output; the oldest goes first.
const JOB_BYTES_MAX: usize = 16 << 20;
/// What is kept for those who follow and are behind.
const RECENT_BYTES_MAX: usize = 4 << 20;
/// What a chunk costs besides its text, roughly.
const CHUNK_COST_BYTES: usize = 200;

/// A job's output. It has locks of its own: results do not wait for words.
#[derive(Default)]
pub(crate) struct JobOutput {
    log: Mutex<Log>,
    arrived: Condvar,
    /// How far it was shown while somebody waited for the job.
    pub(crate) shown: Mutex<Place>,
}

#[derive(Default)]
struct Log {
    kept: VecDeque<Kept>,
    /// Where in `kept`, counted from the first that ever was there.
    index: HashMap<Key, u64>,
    forgotten: u64,
    kept_bytes: usize,
    /// Bytes of those that were forgotten.
    dropped: u64,
    recent: VecDeque<Recent>,
    recent_first: u64,
    recent_bytes: usize,
    /// All bytes that ever came.
    came: u64,
    ended: bool,
    wakers: Vec<Waker>,
}

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    chunk: u64,
    chunks: u32,
    attempt: u32,
    engine: u32,
    stream: StdStream,
}

/// What is kept of one chunk's words.
struct Kept {
    key: Key,
    elements: std::ops::Range<u64>,
    head: Vec<u8>,
    /// Bytes that are missing between the two.
    between: u64,
    tail: VecDeque<u8>,
    dropped: u64,
}

/// A piece as it came.
struct Recent {
    /// The bytes that came before it.
    at: u64,
    output: ChunkOutput,
}

/// How far somebody has followed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    next: u64,
    at: u64,
}

impl JobOutput {
    /// Something was printed by one of a job's chunks, of which it has so many elements.
    pub(crate) fn add(&self, output: v1::Output, elements: u64) {
        let mut log = self.log.lock();
        log.add(output, elements);
        let wakers = std::mem::take(&mut log.wakers);
        drop(log);
        self.arrived.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The job has ended.
    pub(crate) fn end(&self) {
        let mut log = self.log.lock();
        log.ended = true;
        let wakers = std::mem::take(&mut log.wakers);
        drop(log);
        self.arrived.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// All that is kept, in the order in which chunks began to print.
    pub(crate) fn kept(&self, wanted: impl Fn(&ChunkOutput) -> bool) -> Vec<ChunkOutput> {
        let log = self.log.lock();
        log.kept.iter().map(Kept::show).filter(|output| wanted(output)).collect()
    }

    /// Bytes that are missing, wherever.
    pub(crate) fn dropped(&self) -> u64 {
        let log = self.log.lock();
        log.dropped + log.kept.iter().map(|kept| kept.dropped).sum::<u64>()
    }

    /// The next piece behind `place`, if it is here; `Err` when there will be none.
    pub(crate) fn next(&self, place: &mut Place) -> Result<Option<ChunkOutput>, Over> {
        self.log.lock().next(place)
    }

    /// As [`next`](Self::next), waiting for it, at most for `timeout`.
    pub(crate) fn wait_for_next(
        &self,
        place: &mut Place,
        timeout: Duration,
    ) -> Result<Option<ChunkOutput>, Over> {
        let waiting = |log: &mut Log| !log.ended && !log.is_beyond(place);
        let mut log: MutexGuard<'_, Log> = self.log.lock();
        let _ = self.arrived.wait_while_for(&mut log, waiting, timeout);
        log.next(place)
    }

    /// As [`next`](Self::next); when it is not here, `waker` is woken when it is.
    pub(crate) fn poll_next(&self, place: &mut Place, waker: &Waker) -> Result<Option<ChunkOutput>, Over> {
        let mut log = self.log.lock();
        let next = log.next(place)?;
        if next.is_none() && !log.wakers.iter().any(|w| w.will_wake(waker)) {
            log.wakers.push(waker.clone());
        }
        Ok(next)
    }
}

/// The job has ended, and nothing more comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Over;

impl Log {
    fn add(&mut self, output: v1::Output, elements: u64) {
        let stream = if output.is_stderr { StdStream::Stderr } else { StdStream::Stdout };
        let chunks = output.chunk_count.max(1);
        let first = output.element_first.min(elements);
        let len = u64::from(output.chunk_len).saturating_mul(chunks.into());
        let elements = first..first.saturating_add(len).min(elements);
        let key =
            Key { chunk: output.first_chunk, chunks, attempt: output.attempt, engine: output.engine, stream };
        self.keep(key, &elements, output.dropped, &output.data);
        let mut text = String::new();
        if output.dropped > 0 {
            text.push_str(&gap(output.dropped));
        }
        text.push_str(&String::from_utf8_lossy(&output.data));
        let piece = key.output(elements, text, output.dropped);
        self.recent_bytes += piece.text.len() + CHUNK_COST_BYTES;
        self.recent.push_back(Recent { at: self.came, output: piece });
        self.came = self.came.saturating_add(output.dropped).saturating_add(output.data.len() as u64);
        while self.recent_bytes > RECENT_BYTES_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_bytes -= oldest.output.text.len() + CHUNK_COST_BYTES;
            self.recent_first += 1;
        }
    }

    fn keep(&mut self, key: Key, elements: &std::ops::Range<u64>, dropped: u64, data: &[u8]) {
        let at = *self.index.entry(key).or_insert(self.forgotten + self.kept.len() as u64);
        let at = (at - self.forgotten) as usize;
        if at == self.kept.len() {
            self.kept_bytes += CHUNK_COST_BYTES;
            self.kept.push_back(Kept::new(key, elements.clone()));
        }
        let kept = &mut self.kept[at];
        let before = kept.bytes();
        kept.add(dropped, data);
        self.kept_bytes = self.kept_bytes + kept.bytes() - before;
        while self.kept_bytes > JOB_BYTES_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten += 1;
            self.index.remove(&oldest.key);
            self.kept_bytes -= oldest.bytes() + CHUNK_COST_BYTES;
            self.dropped = self.dropped.saturating_add(oldest.dropped + oldest.bytes() as u64);
        }
    }

    fn is_beyond(&self, place: &Place) -> bool {
        place.next < self.recent_first + self.recent.len() as u64
    }

    fn next(&self, place: &mut Place) -> Result<Option<ChunkOutput>, Over> {
        let seen = place.next.saturating_sub(self.recent_first) as usize;
        let Some(recent) = self.recent.get(seen) else {
            return if self.ended { Err(Over) } else { Ok(None) };
        };
        let mut output = recent.output.clone();
        // What came in between and is gone.
        let missed = recent.at.saturating_sub(place.at);
        if missed > 0 {
            output.dropped = output.dropped.saturating_add(missed);
            output.text.insert_str(0, &gap(missed));
        }
        let bytes = self.recent.get(seen + 1).map_or(self.came, |next| next.at);
        *place = Place { next: self.recent_first + seen as u64 + 1, at: bytes };
        Ok(Some(output))
    }
}

impl Key {
    fn output(self, elements: std::ops::Range<u64>, text: String, dropped: u64) -> ChunkOutput {
        let Self { chunk, chunks, attempt, engine, stream } = self;
        ChunkOutput { chunk, chunks, elements, engine, attempt, stream, text, dropped }
    }
}

impl Kept {
    fn new(key: Key, elements: std::ops::Range<u64>) -> Self {
        Self { key, elements, head: Vec::new(), between: 0, tail: VecDeque::new(), dropped: 0 }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    fn add(&mut self, dropped: u64, data: &[u8]) {
        if dropped > 0 {
            self.dropped = self.dropped.saturating_add(dropped);
            if !self.tail.is_empty() || self.between > 0 || self.head.len() >= CHUNK_HALF_BYTES {
                // All that is missing is missing in one place.
                self.between = self.between.saturating_add(dropped + self.tail.len() as u64);
                self.dropped = self.dropped.saturating_add(self.tail.len() as u64);
                self.tail.clear();
            } else {
                self.between = dropped;
            }
        }
        let room = if self.between > 0 || !self.tail.is_empty() {
            0
        } else {
            CHUNK_HALF_BYTES.saturating_sub(self.head.len())
        };
        let (head, tail) = data.split_at(room.min(data.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(CHUNK_HALF_BYTES);
        self.tail.drain(..over);
        self.between = self.between.saturating_add(over as u64);
        self.dropped = self.dropped.saturating_add(over as u64);
    }

    fn show(&self) -> ChunkOutput {
        let mut bytes = self.head.clone();
        if self.between > 0 {
            if bytes.last().is_some_and(|last| *last != b'\n') {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(gap(self.between).as_bytes());
        }
        bytes.extend(&self.tail);
        self.key.output(self.elements.clone(), String::from_utf8_lossy(&bytes).into_owned(), self.dropped)
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
