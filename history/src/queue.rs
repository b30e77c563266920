//! The bounded queue between the driver and the writer.
//!
//! The driver pushes once per turn and never waits. The writer is woken when the first note comes, lets more come for a moment, and takes
//! all: a busy controller wakes it four times a second, an idle one never.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::note::Note;

/// Most notes that wait.
const NOTES_MAX: usize = 1 << 16;
/// Most bytes that they take.
const BYTES_MAX: usize = 32 << 20;
/// The last part of both is for jobs: without them nobody finds chunks.
const RESERVED_FOR_JOBS: usize = 8;
/// So many are worth a transaction at once.
const BATCH_NOTES: usize = 1 << 14;
/// How long a note waits for others.
const BATCH_DELAY: Duration = Duration::from_millis(250);

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Tells the writer that there is something to do.
    told: Condvar,
    /// Tells others that it has done something.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    notes: Vec<Note>,
    bytes: usize,
    /// Notes that did not fit, since the writer last asked.
    dropped: u64,
    /// Notes that were ever pushed and kept, and how many of them were written or given up.
    pushed: u64,
    settled: u64,
    /// Somebody waits for all that was pushed.
    hurry: bool,
    /// The writer has looked at the file that there was.
    is_open: bool,
    /// Why nothing can be written now.
    trouble: Option<String>,
    stop: bool,
    ended: bool,
}

/// What the writer has to do.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) notes: Vec<Note>,
    pub(crate) dropped: u64,
    /// It is the last time.
    pub(crate) stop: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way; and history is not worth a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a turn's notes. What does not fit is counted and gone.
    pub(crate) fn push(&self, turn: &mut Vec<Note>) {
        let mut state = self.lock();
        let before = state.notes.len();
        for note in turn.drain(..) {
            let bytes = note.bytes();
            let part = match note {
                Note::Job(_) => 0,
                Note::Chunk(_) => 1,
            };
            let fits = state.notes.len() < NOTES_MAX - part * NOTES_MAX / RESERVED_FOR_JOBS
                && state.bytes + bytes <= BYTES_MAX - part * BYTES_MAX / RESERVED_FOR_JOBS;
            if !fits || state.ended {
                state.dropped += 1;
                continue;
            }
            state.bytes += bytes;
            state.pushed += 1;
            state.notes.push(note);
        }
        let after = state.notes.len();
        drop(state);
        if (before == 0 && after > 0) || (before < BATCH_NOTES && after >= BATCH_NOTES) {
            self.told.notify_one();
        }
    }

    /// Waits for a batch, for at most `patience`.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut state = self.lock();
        let until = Instant::now() + patience;
        while state.notes.is_empty() && state.dropped == 0 && !state.stop {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.wait(state, left);
        }
        let until = Instant::now() + BATCH_DELAY;
        while !state.notes.is_empty() && state.notes.len() < BATCH_NOTES && !state.stop && !state.hurry {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.wait(state, left);
        }
        state.hurry = false;
        state.bytes = 0;
        Taken {
            notes: std::mem::take(&mut state.notes),
            dropped: std::mem::take(&mut state.dropped),
            stop: state.stop,
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        self.told.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits before another attempt at what could not be written; true when it is to be the last.
    pub(crate) fn pause(&self, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        let mut state = self.lock();
        while !state.stop {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.wait(state, left);
        }
        state.stop
    }

    /// The writer has looked at the file.
    pub(crate) fn opened(&self) {
        self.lock().is_open = true;
        self.done.notify_all();
    }

    /// So many notes are in the file, or will never be.
    pub(crate) fn settle(&self, notes: usize) {
        let mut state = self.lock();
        state.settled += notes as u64;
        state.trouble = None;
        drop(state);
        self.done.notify_all();
    }

    /// Nothing can be written now.
    pub(crate) fn trouble(&self, message: String) {
        self.lock().trouble = Some(message);
        self.done.notify_all();
    }

    /// Waits until all that was pushed before is in the file, or cannot be written, or for `timeout`. Why it cannot.
    pub(crate) fn flush(&self, timeout: Duration) -> Option<String> {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        let pushed = state.pushed;
        state.hurry = state.settled < pushed;
        self.told.notify_one();
        while (state.settled < pushed || !state.is_open) && state.trouble.is_none() && !state.ended {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.trouble.clone()
    }

    /// Notes that did not fit and that the file does not know of yet.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.told.notify_one();
    }

    /// The writer is gone: nothing that is pushed any more is kept.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.done.notify_all();
    }

    /// Waits until the writer has ended; false when it has not in time.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.lock();
        while !state.ended {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{chunk, job};
    use crate::{ChunkStatus, JobState};

    fn chunks(n: usize) -> Vec<Note> {
        (0..n).map(|i| Note::Chunk(chunk(1, i as u64, ChunkStatus::Ok))).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_and_jobs_have_room_of_their_own() {
        let queue = Queue::default();
        queue.push(&mut chunks(NOTES_MAX + 1));
        let most = NOTES_MAX - NOTES_MAX / RESERVED_FOR_JOBS;
        assert_eq!(queue.dropped() as usize, NOTES_MAX + 1 - most);
        queue.push(&mut vec![Note::Job(Box::new(job(1, JobState::Completed)))]);
        let taken = queue.take(Duration::ZERO);
        assert_eq!(taken.notes.len(), most + 1);
        assert_eq!(taken.dropped as usize, NOTES_MAX + 1 - most);
        assert_eq!(queue.dropped(), 0, "the writer has been told");
        queue.push(&mut chunks(1));
        assert_eq!(queue.take(Duration::ZERO).notes.len(), 1, "there is room again");
    }

    #[test]
    fn texts_are_bounded_by_their_bytes() {
        let queue = Queue::default();
        let mut big = job(1, JobState::Failed);
        big.message = "x".repeat(1 << 20);
        queue.push(&mut (0..40).map(|_| Note::Job(Box::new(big.clone()))).collect());
        let taken = queue.take(Duration::ZERO);
        assert_eq!((taken.notes.len(), taken.dropped), (31, 9));
    }

    #[test]
    fn after_the_writers_end_nothing_is_kept() {
        let queue = Queue::default();
        queue.end();
        queue.push(&mut chunks(3));
        assert_eq!((queue.take(Duration::ZERO).notes.len(), queue.flush(Duration::from_secs(60))), (0, None));
    }
}
