//! The runs a worker was given and has not finished. The executor takes chunks from the front; recalls and
//! cancellations take them away from behind, even out of the run that is under way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use phalanx_proto::frames::Chunks;

use super::work::Work;

/// Shared between the executor and whoever reads the socket.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Of the run under way: chunks claimed (high half) and chunks it may claim (low half).
    claim: AtomicU64,
    /// The job of the run under way was aborted.
    interrupted: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// The run under way, as it was given.
    current: Option<Chunks>,
}

impl Queue {
    pub(crate) fn push(&self, work: Work) {
        self.lock().waiting.push_back(work);
    }

    /// The next run; its chunks are then taken by [`claim`](Self::claim).
    pub(crate) fn begin(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = state.waiting.pop_front();
        state.current = work.as_ref().map(|w| w.chunks);
        self.interrupted.store(false, Ordering::Relaxed);
        self.claim.store(work.as_ref().map_or(0, |w| u64::from(w.chunks.count)), Ordering::Release);
        work
    }

    /// Whether nothing waits behind the run under way.
    pub(crate) fn is_last(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Takes the next chunk of the run under way: its place in the run.
    #[inline]
    pub(crate) fn claim(&self) -> Option<u32> {
        let mut seen = self.claim.load(Ordering::Acquire);
        loop {
            let (taken, end) = ((seen >> 32) as u32, seen as u32);
            if taken >= end {
                return None;
            }
            let next = (u64::from(taken + 1) << 32) | u64::from(end);
            match self.claim.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(taken),
                Err(now) => seen = now,
            }
        }
    }

    /// Drops everything that was not claimed.
    pub(crate) fn clear(&self) {
        self.remove(|c| Some((c.first, end(c))));
    }

    /// Takes away those of these chunks that were not claimed: what was taken.
    pub(crate) fn recall(&self, wanted: Chunks) -> Vec<Chunks> {
        self.remove(|c| {
            if c.job != wanted.job || c.attempt != wanted.attempt {
                return None;
            }
            let (first, end) = (c.first.max(wanted.first), end(c).min(end(&wanted)));
            (first < end).then_some((first, end))
        })
    }

    /// Whether the job of the run under way was aborted.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// What says so.
    pub(crate) fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Takes away all of a job that was not claimed, and interrupts what was.
    pub(crate) fn cancel(&self, job: u64) -> Vec<Chunks> {
        // At once: the next run, which may be of this job too, must not begin in between.
        let mut state = self.lock();
        if state.current.is_some_and(|current| current.job == job) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        self.remove_from(&mut state, |c| (c.job == job).then_some((c.first, end(c))))
    }

    /// `overlap` names the part of a run that is to go. Only a run's tail can go: what lies before
    /// it stays, what lies behind it goes too and is handed back as well.
    fn remove(&self, overlap: impl Fn(&Chunks) -> Option<(u64, u64)>) -> Vec<Chunks> {
        self.remove_from(&mut self.lock(), overlap)
    }

    fn remove_from(&self, state: &mut State, overlap: impl Fn(&Chunks) -> Option<(u64, u64)>) -> Vec<Chunks> {
        let mut removed = Vec::new();
        if let Some(current) = state.current
            && let Some((first, _)) = overlap(&current)
        {
            removed.extend(self.truncate_current(&current, first));
        }
        state.waiting.retain_mut(|work| {
            let Some((first, _)) = overlap(&work.chunks) else { return true };
            let keep = (first - work.chunks.first) as u32;
            removed.push(Chunks { first, count: work.chunks.count - keep, ..work.chunks });
            work.chunks.count = keep;
            keep > 0
        });
        removed
    }

    fn truncate_current(&self, current: &Chunks, first: u64) -> Option<Chunks> {
        let keep = (first - current.first) as u32;
        let mut seen = self.claim.load(Ordering::Acquire);
        loop {
            let (taken, end) = ((seen >> 32) as u32, seen as u32);
            let keep = keep.max(taken);
            if keep >= end {
                return None;
            }
            let next = (u64::from(taken) << 32) | u64::from(keep);
            match self.claim.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    return Some(Chunks {
                        first: current.first + u64::from(keep),
                        count: end - keep,
                        ..*current
                    });
                }
                Err(now) => seen = now,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn end(c: &Chunks) -> u64 {
    c.first + u64::from(c.count)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::work::Job;
    use super::*;

    fn chunks(job: u64, first: u64, count: u32) -> Chunks {
        Chunks { job, first, count, attempt: 1 }
    }

    fn work(job: u64, first: u64, count: u32) -> Work {
        Work {
            job: Arc::new(Job::new(Err(String::new()), String::new(), 0, Bytes::new())),
            chunks: chunks(job, first, count),
            element_first: first,
            chunk_len: 1,
            stride: 0,
            lens: Bytes::new(),
            only: Bytes::new(),
            data: super::super::work::Payload::default(),
        }
    }

    fn claim_all(queue: &Queue) -> u32 {
        std::iter::from_fn(|| queue.claim()).count() as u32
    }

    #[test]
    fn a_recall_takes_the_tail_and_never_what_was_claimed() {
        let queue = Queue::default();
        queue.push(work(1, 0, 10));
        queue.push(work(1, 10, 5));
        assert_eq!(queue.begin().unwrap().chunks.count, 10);
        assert_eq!((queue.claim(), queue.claim()), (Some(0), Some(1)));

        assert_eq!(queue.recall(chunks(1, 0, 12)), [chunks(1, 2, 8), chunks(1, 10, 5)]);
        assert_eq!(claim_all(&queue), 0);
        assert!(queue.begin().is_none());
    }

    #[test]
    fn a_recall_of_another_attempt_or_job_takes_nothing() {
        let queue = Queue::default();
        queue.push(work(1, 0, 10));
        assert!(queue.recall(Chunks { attempt: 2, ..chunks(1, 0, 10) }).is_empty());
        assert!(queue.recall(chunks(2, 0, 10)).is_empty());
        assert_eq!(queue.recall(chunks(1, 6, 2)), [chunks(1, 6, 4)]);
        assert_eq!(queue.begin().unwrap().chunks.count, 6);
        assert_eq!(claim_all(&queue), 6);
    }

    #[test]
    fn a_cancelled_job_goes_and_the_others_stay() {
        let queue = Queue::default();
        [work(1, 0, 3), work(2, 0, 4), work(1, 3, 2)].into_iter().for_each(|w| queue.push(w));
        queue.begin();
        queue.claim();
        assert_eq!(queue.cancel(3), []);
        assert!(!queue.is_interrupted());
        assert_eq!(queue.cancel(1), [chunks(1, 1, 2), chunks(1, 3, 2)]);
        assert!(queue.is_interrupted());
        assert_eq!(queue.begin().unwrap().chunks.job, 2);
        assert!(!queue.is_interrupted(), "the next one was not aborted");
        assert!(queue.is_last());
    }

    #[test]
    fn claims_and_recalls_from_two_threads_add_up() {
        let queue = Queue::default();
        queue.push(work(1, 0, 100_000));
        queue.begin();
        let (claimed, recalled) = std::thread::scope(|scope| {
            let claims = scope.spawn(|| claim_all(&queue));
            let recalls = scope.spawn(|| {
                let steps = (0..1000).rev().map(|i| queue.recall(chunks(1, i * 100, 100)));
                steps.flatten().map(|c| c.count).sum::<u32>()
            });
            (claims.join().unwrap(), recalls.join().unwrap())
        });
        assert_eq!(claimed + recalled, 100_000);
    }
}
