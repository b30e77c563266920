//! The runs a worker was given and has not finished. The executor takes chunks from the front; recalls and
//! cancellations take them away from behind, even out of the run that is under way. Urgent runs go before all others, and may be taken
//! while another one is under way; they are claimed whole.

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
    /// Urgent runs that have come.
    urgent_come: AtomicU64,
    /// Those of them that were begun, or taken away.
    urgent_gone: AtomicU64,
    /// The job of the run under way was aborted.
    interrupted: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// The run under way, as it was given.
    current: Option<Chunks>,
    /// The job of the urgent run that has taken its place for a while.
    nested: Option<u64>,
    /// The job of the run that waits meanwhile was aborted.
    is_deferred: bool,
}

impl Queue {
    pub(crate) fn push(&self, work: Work) {
        let waiting = &mut self.lock().waiting;
        self.urgent_come.fetch_add(work.urgent.into(), Ordering::AcqRel);
        let all = waiting.len();
        let before = if work.urgent { waiting.iter().take_while(|w| w.urgent).count() } else { all };
        waiting.insert(before, work);
    }

    /// The next run; its chunks are then taken by [`claim`](Self::claim).
    pub(crate) fn begin(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = state.waiting.pop_front();
        self.count_gone(work.as_ref());
        state.current = work.as_ref().map(|w| w.chunks);
        self.interrupted.store(false, Ordering::Relaxed);
        self.claim.store(work.as_ref().map_or(0, |w| u64::from(w.chunks.count)), Ordering::Release);
        work
    }

    /// The next run, if it is urgent; the one under way stays what it is, and waits until [`end_urgent`](Self::end_urgent).
    pub(crate) fn begin_urgent(&self) -> Option<Work> {
        let mut state = self.lock();
        let work = if state.waiting.front()?.urgent { state.waiting.pop_front() } else { None };
        self.count_gone(work.as_ref());
        if let Some(work) = &work {
            state.nested = Some(work.chunks.job);
            state.is_deferred = self.interrupted.swap(false, Ordering::Relaxed);
        }
        work
    }

    /// The urgent run is over: what waited for it goes on.
    pub(crate) fn end_urgent(&self) {
        let mut state = self.lock();
        state.nested = None;
        self.interrupted.store(std::mem::take(&mut state.is_deferred), Ordering::Relaxed);
    }

    /// An urgent run was handed back as soon as it came.
    pub(crate) fn refuse_urgent(&self) {
        self.urgent_come.fetch_add(1, Ordering::AcqRel);
        self.urgent_gone.fetch_add(1, Ordering::AcqRel);
    }

    /// How many urgent runs have come in all.
    pub(crate) fn urgent_come(&self) -> u64 {
        self.urgent_come.load(Ordering::Acquire)
    }

    /// How many urgent runs were begun, or taken away, in all.
    #[inline]
    pub(crate) fn urgent_gone(&self) -> u64 {
        self.urgent_gone.load(Ordering::Relaxed)
    }

    fn count_gone(&self, work: Option<&Work>) {
        if work.is_some_and(|work| work.urgent) {
            self.urgent_gone.fetch_add(1, Ordering::AcqRel);
        }
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
        let is_current = state.current.is_some_and(|current| current.job == job);
        match state.nested {
            Some(nested) if nested == job => self.interrupted.store(true, Ordering::Relaxed),
            Some(_) => state.is_deferred |= is_current,
            None if is_current => self.interrupted.store(true, Ordering::Relaxed),
            None => {}
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
            self.count_gone(Some(&*work).filter(|_| keep == 0));
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
    use super::*;

    fn chunks(job: u64, first: u64, count: u32) -> Chunks {
        Chunks { job, first, count, attempt: 1 }
    }

    fn claim_all(queue: &Queue) -> u32 {
        std::iter::from_fn(|| queue.claim()).count() as u32
    }

    #[test]
    fn a_recall_takes_the_tail_and_never_what_was_claimed() {
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 10));
        queue.push(Work::of_chunks(1, 10, 5));
        assert_eq!(queue.begin().unwrap().chunks.count, 10);
        assert_eq!((queue.claim(), queue.claim()), (Some(0), Some(1)));

        assert_eq!(queue.recall(chunks(1, 0, 12)), [chunks(1, 2, 8), chunks(1, 10, 5)]);
        assert_eq!(claim_all(&queue), 0);
        assert!(queue.begin().is_none());
    }

    #[test]
    fn a_recall_of_another_attempt_or_job_takes_nothing() {
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 10));
        assert!(queue.recall(Chunks { attempt: 2, ..chunks(1, 0, 10) }).is_empty());
        assert!(queue.recall(chunks(2, 0, 10)).is_empty());
        assert_eq!(queue.recall(chunks(1, 6, 2)), [chunks(1, 6, 4)]);
        assert_eq!(queue.begin().unwrap().chunks.count, 6);
        assert_eq!(claim_all(&queue), 6);
    }

    #[test]
    fn a_cancelled_job_goes_and_the_others_stay() {
        let queue = Queue::default();
        [Work::of_chunks(1, 0, 3), Work::of_chunks(2, 0, 4), Work::of_chunks(1, 3, 2)]
            .into_iter()
            .for_each(|w| queue.push(w));
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

    fn urgent(job: u64, first: u64) -> Work {
        Work { urgent: true, ..Work::of_chunks(job, first, 1) }
    }

    #[test]
    fn what_is_urgent_goes_first_in_its_own_order_and_leaves_the_run_under_way_alone() {
        let queue = Queue::default();
        [Work::of_chunks(1, 0, 3), Work::of_chunks(1, 3, 2)].into_iter().for_each(|w| queue.push(w));
        queue.begin();
        queue.claim();
        assert!(queue.begin_urgent().is_none());
        [urgent(2, 0), Work::of_chunks(1, 5, 1), urgent(3, 0)].into_iter().for_each(|w| queue.push(w));
        assert_eq!(queue.begin_urgent().unwrap().chunks, chunks(2, 0, 1));
        assert_eq!((queue.claim(), queue.urgent_gone()), (Some(1), 1));
        assert_eq!(queue.recall(chunks(1, 0, 10)), [chunks(1, 2, 1), chunks(1, 3, 2), chunks(1, 5, 1)]);
        assert_eq!(
            queue.begin().unwrap().chunks,
            chunks(3, 0, 1),
            "when nothing is under way it is begun like any other"
        );
        assert_eq!((claim_all(&queue), queue.urgent_gone()), (1, 2));
    }

    #[test]
    fn an_abort_interrupts_the_run_that_it_is_meant_for() {
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 5));
        queue.begin();
        queue.claim();
        [urgent(2, 0), urgent(3, 0)].into_iter().for_each(|w| queue.push(w));
        queue.begin_urgent();
        queue.cancel(2);
        assert!(queue.is_interrupted());
        queue.end_urgent();
        assert!(!queue.is_interrupted(), "the one that waited was not aborted");
        queue.begin_urgent();
        assert_eq!(queue.cancel(1), [chunks(1, 1, 4)]);
        assert!(!queue.is_interrupted(), "the urgent one was not aborted");
        queue.end_urgent();
        assert!(queue.is_interrupted());
    }

    #[test]
    fn an_urgent_run_can_be_taken_away_until_it_is_begun() {
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 3));
        queue.begin();
        [urgent(2, 0), urgent(2, 1), urgent(3, 0)].into_iter().for_each(|w| queue.push(w));
        assert_eq!(queue.begin_urgent().unwrap().chunks, chunks(2, 0, 1));
        assert!(queue.recall(chunks(2, 0, 1)).is_empty());
        assert_eq!(queue.cancel(2), [chunks(2, 1, 1)]);
        assert_eq!(queue.recall(chunks(3, 0, 1)), [chunks(3, 0, 1)]);
        assert!(queue.begin_urgent().is_none());
        assert_eq!(queue.urgent_gone(), 3);
    }

    #[test]
    fn urgent_runs_between_claims_and_recalls_from_two_threads_add_up() {
        const URGENT: u64 = 2_000;
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 100_000));
        queue.begin();
        let (claimed, begun, recalled) = std::thread::scope(|scope| {
            let claims = scope.spawn(|| {
                let (mut claimed, mut begun) = (0, 0);
                while queue.claim().is_some() {
                    claimed += 1;
                    begun += std::iter::from_fn(|| queue.begin_urgent()).count() as u64;
                }
                (claimed, begun)
            });
            let recalls = scope.spawn(|| {
                let mut recalled = (0_u32, 0_u64);
                for i in 0..URGENT {
                    queue.push(urgent(2, i));
                    let main = queue.recall(chunks(1, 100_000 - 10 * (i + 1), 10));
                    recalled.0 += main.iter().map(|c| c.count).sum::<u32>();
                    if i.is_multiple_of(2) {
                        recalled.1 += queue.recall(chunks(2, i, 1)).len() as u64;
                    }
                }
                recalled
            });
            let (claimed, begun) = claims.join().unwrap();
            (claimed, begun, recalls.join().unwrap())
        });
        assert_eq!(claimed + recalled.0, 100_000);
        let left = std::iter::from_fn(|| queue.begin_urgent()).count() as u64;
        assert_eq!(begun + recalled.1 + left, URGENT);
        assert_eq!(queue.urgent_gone(), URGENT);
    }

    #[test]
    fn claims_and_recalls_from_two_threads_add_up() {
        let queue = Queue::default();
        queue.push(Work::of_chunks(1, 0, 100_000));
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
