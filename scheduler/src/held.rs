//! What one engine holds: runs of chunks in the order in which it was given them.
//!
//! Reports mostly come in that order, so the front is trimmed at no cost; any other part can go too.

use std::collections::{BTreeSet, VecDeque};

use phalanx_proto::ids::JobKey;

/// What kind of chunks these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// Could as well be elsewhere.
    Balanced,
    /// Asked back; may have been started all the same.
    Recalled,
    /// Was asked back, and had been begun, before what was there first: it will not be asked for again.
    Begun,
    /// Bound to this engine.
    Direct,
    /// Its job is gone; the engine has not said yet what became of it.
    Cancelled,
}

/// Neighbouring chunks that were assigned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldRun {
    pub(crate) job: JobKey,
    /// The job's slot; means nothing when it was cancelled.
    pub(crate) slot: u32,
    pub(crate) ordinal: u64,
    pub(crate) index: u64,
    pub(crate) count: u32,
    pub(crate) attempt: u32,
    /// Elements of each chunk.
    pub(crate) len: u64,
    /// What a chunk was expected to take, in nanoseconds.
    pub(crate) charge_ns: u64,
    pub(crate) holding: Holding,
    /// It is run before what was there first.
    pub(crate) urgent: bool,
}

impl HeldRun {
    /// Its chunks from the `skip`-th on, `count` of them.
    fn part(&self, skip: u32, count: u32) -> Self {
        Self { ordinal: self.ordinal + u64::from(skip), index: self.index + u64::from(skip), count, ..*self }
    }

    pub(crate) fn charge_total_ns(&self) -> u64 {
        self.charge_ns.saturating_mul(u64::from(self.count))
    }

    fn contains(&self, job: JobKey, index: u64) -> bool {
        self.job == job && index.wrapping_sub(self.index) < u64::from(self.count)
    }
}

/// The runs of one engine, and sums over them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    runs: VecDeque<HeldRun>,
    chunks: u32,
    cancelled: u32,
    direct: u32,
    recalled: u32,
    urgent: u32,
    /// Expected time of all but cancelled chunks.
    work_ns: u64,
    /// Expected time of balanced chunks that were not asked back.
    balanced_ns: u64,
}

impl Held {
    pub(crate) fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Chunks of cancelled jobs.
    pub(crate) fn cancelled(&self) -> u32 {
        self.cancelled
    }

    pub(crate) fn direct(&self) -> u32 {
        self.direct
    }

    /// Chunks that were asked back.
    pub(crate) fn recalled(&self) -> u32 {
        self.recalled
    }

    /// Chunks that are run before what was there first.
    pub(crate) fn urgent(&self) -> u32 {
        self.urgent
    }

    /// The run whose first chunk is likely to be under way.
    pub(crate) fn likely_running(&self) -> Option<&HeldRun> {
        let urgent = self.runs.iter().find(|run| run.urgent).filter(|_| self.urgent > 0);
        urgent.or(self.runs.front())
    }

    pub(crate) fn work_ns(&self) -> u64 {
        self.work_ns
    }

    /// Expected time of chunks that could be asked back: the first chunk may be running.
    pub(crate) fn recallable_ns(&self) -> u64 {
        let first =
            self.runs.front().filter(|run| run.holding == Holding::Balanced).map_or(0, |run| run.charge_ns);
        self.balanced_ns.saturating_sub(first)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &HeldRun> {
        self.runs.iter()
    }

    pub(crate) fn push(&mut self, run: HeldRun) {
        self.add(&run);
        self.runs.push_back(run);
    }

    fn add(&mut self, run: &HeldRun) {
        self.chunks += run.count;
        self.urgent += if run.urgent { run.count } else { 0 };
        if run.holding != Holding::Cancelled {
            self.work_ns += run.charge_total_ns();
        }
        match run.holding {
            Holding::Balanced => self.balanced_ns += run.charge_total_ns(),
            Holding::Recalled => self.recalled += run.count,
            Holding::Begun => {}
            Holding::Direct => self.direct += run.count,
            Holding::Cancelled => self.cancelled += run.count,
        }
    }

    fn subtract(&mut self, run: &HeldRun) {
        self.chunks -= run.count;
        self.urgent -= if run.urgent { run.count } else { 0 };
        if run.holding != Holding::Cancelled {
            self.work_ns -= run.charge_total_ns();
        }
        match run.holding {
            Holding::Balanced => self.balanced_ns -= run.charge_total_ns(),
            Holding::Recalled => self.recalled -= run.count,
            Holding::Begun => {}
            Holding::Direct => self.direct -= run.count,
            Holding::Cancelled => self.cancelled -= run.count,
        }
    }

    fn position(&self, job: JobKey, index: u64) -> Option<usize> {
        self.runs.iter().position(|run| run.contains(job, index))
    }

    /// The run that the first of these chunks is in, if all of them are held with this attempt.
    pub(crate) fn check(&self, job: JobKey, index: u64, count: u32, attempt: u32) -> Option<HeldRun> {
        let (mut index, end) = (index, index + u64::from(count));
        let mut first = None;
        while index < end {
            let run = self.runs[self.position(job, index)?];
            if run.attempt != attempt {
                return None;
            }
            first = first.or(Some(run.part((index - run.index) as u32, count.min(run.count))));
            index = run.index + u64::from(run.count);
        }
        first
    }

    /// Takes chunks out, from `index` on, at most `count` and of one run. None when the first is not held.
    pub(crate) fn take(&mut self, job: JobKey, index: u64, count: u32) -> Option<HeldRun> {
        let at = self.position(job, index)?;
        let run = self.runs[at];
        let before = (index - run.index) as u32;
        let count = count.min(run.count - before);
        let after = run.count - before - count;
        let taken = run.part(before, count);
        self.subtract(&taken);
        match (before, after) {
            (0, 0) => drop(self.runs.remove(at)),
            (0, _) => self.runs[at] = run.part(count, after),
            (_, 0) => self.runs[at].count = before,
            _ => {
                self.runs[at].count = before;
                self.runs.insert(at + 1, run.part(before + count, after));
            }
        }
        Some(taken)
    }

    /// Takes everything.
    pub(crate) fn take_all(&mut self) -> VecDeque<HeldRun> {
        let runs = std::mem::take(&mut self.runs);
        *self = Self::default();
        runs
    }

    /// Marks a job's chunks as cancelled; how many.
    pub(crate) fn cancel(&mut self, slot: u32) -> u32 {
        let mut cancelled = 0;
        for at in 0..self.runs.len() {
            let run = self.runs[at];
            if run.slot == slot && run.holding != Holding::Cancelled {
                self.mark(at, Holding::Cancelled);
                cancelled += run.count;
            }
        }
        cancelled
    }

    /// Marks a job's balanced chunks as asked back. They, and its direct ones, are given to `each`.
    pub(crate) fn call_back(&mut self, slot: u32, mut each: impl FnMut(&HeldRun)) {
        for at in 0..self.runs.len() {
            let run = self.runs[at];
            if run.slot != slot
                || matches!(run.holding, Holding::Cancelled | Holding::Recalled | Holding::Begun)
            {
                continue;
            }
            if run.holding == Holding::Balanced {
                self.mark(at, Holding::Recalled);
            }
            each(&run);
        }
    }

    /// Of chunks that were asked back, those that are held, with this attempt, were begun. The first of all may be asked for again when
    /// there is more behind it. An urgent one may run for long before what comes before it is reported, and what is behind it can still be
    /// had; others stay what they are, for what comes before them is about to be reported. Their job's slot, unless it was cancelled; None if
    /// there are none.
    pub(crate) fn reclaim(
        &mut self,
        job: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
    ) -> Option<Option<u32>> {
        let end = first + u64::from(count);
        let mut found = None;
        for at in 0..self.runs.len() {
            let run = self.runs[at];
            let overlaps = run.index < end && first < run.index + u64::from(run.count);
            if (run.job, run.attempt) != (job, attempt) || !overlaps {
                continue;
            }
            found = Some((run.holding != Holding::Cancelled).then_some(run.slot));
            if run.holding == Holding::Recalled && (at == 0 || run.urgent) {
                self.mark(at, if run.urgent { Holding::Begun } else { Holding::Balanced });
            }
        }
        found
    }

    fn mark(&mut self, at: usize, holding: Holding) {
        let run = self.runs[at];
        self.subtract(&run);
        self.runs[at].holding = holding;
        self.add(&HeldRun { holding, ..run });
    }

    /// Runs of which chunks could be asked back, from the back: the first chunk of all may be running.
    pub(crate) fn recallable(&self) -> impl Iterator<Item = &HeldRun> {
        let runs = self.runs.iter().enumerate().rev();
        let spare = |(at, run): &(usize, &HeldRun)| *at > 0 || run.count > 1;
        runs.filter(spare).map(|(_, run)| run).filter(|run| run.holding == Holding::Balanced)
    }

    /// The slots of their jobs.
    pub(crate) fn recallable_jobs(&self) -> BTreeSet<u32> {
        self.recallable().map(|run| run.slot).collect()
    }

    /// Marks balanced chunks of these jobs at the back as asked back, never the first chunk, until they make up
    /// `work_ns` or are one chunk. They are given to `each`.
    pub(crate) fn recall(&mut self, work_ns: u64, jobs: &BTreeSet<u32>, mut each: impl FnMut(&HeldRun)) {
        let mut gathered = 0u64;
        for at in (0..self.runs.len()).rev() {
            let run = self.runs[at];
            let spare = if at == 0 { run.count - 1 } else { run.count };
            if run.holding != Holding::Balanced || spare == 0 || !jobs.contains(&run.slot) {
                continue;
            }
            let wanted = (work_ns - gathered) / run.charge_ns.max(1);
            let count = u64::from(spare).min(wanted.max(u64::from(gathered == 0))) as u32;
            if count == 0 {
                return;
            }
            let asked = HeldRun { holding: Holding::Recalled, ..run.part(run.count - count, count) };
            self.subtract(&run);
            self.runs[at].count -= count;
            if self.runs[at].count == 0 {
                self.runs[at] = asked;
            } else {
                let kept = self.runs[at];
                self.add(&kept);
                self.runs.insert(at + 1, asked);
            }
            self.add(&asked);
            each(&asked);
            gathered = gathered.saturating_add(asked.charge_total_ns()).max(1);
            if gathered >= work_ns {
                return;
            }
        }
    }

    /// Whether the sums are those of the runs.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut sums = Self::default();
        self.runs.iter().for_each(|run| sums.add(run));
        let counts = |held: &Self| (held.chunks, held.cancelled, held.direct, held.recalled, held.urgent);
        (counts(&sums), sums.work_ns, sums.balanced_ns) == (counts(self), self.work_ns, self.balanced_ns)
    }
}

#[cfg(test)]
mod tests;
