//! A job's state: written by the session's thread, read by the user's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use phalanx_proto::block::{block_index, block_range, chunk_count};
use phalanx_proto::ids::JobId;
use phalanx_proto::v1;

use super::attempts::LostAttempt;
use super::coverage::Coverage;
use super::dependency::Fate;
use super::output::JobOutput;
use super::promise::{Promise, Since};
use super::run::RunResult;
use super::spec::{JobPlan, JobSpec};
use crate::error::{Error, RemoteError, RemoteErrorKind};
use crate::worker::now_ns;

/// A job.
pub(crate) struct Job {
    /// This session's number for it.
    pub(crate) key: u64,
    pub(crate) id: JobId,
    pub(crate) spec: JobSpec,
    pub(crate) submitted_ns: u64,
    pub(crate) submitted: Instant,
    /// How it ended, for those that wait for it.
    pub(crate) fate: Arc<Fate>,
    /// How many elements it has.
    pub(super) count: u64,
    /// Another client has submitted it, or this one before.
    pub(crate) is_attached: bool,
    state: Mutex<State>,
    /// What its functions print.
    pub(crate) output: JobOutput,
    /// Whether it has ended, for those who poll.
    is_over: AtomicBool,
    /// The connection knows it; until then its command is on the way there.
    taken: AtomicBool,
    /// Something came.
    pub(super) arrived: Condvar,
    /// It has ended.
    pub(super) ended: Condvar,
}

/// What is known of it.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) runs: Vec<Arc<RunResult>>,
    pub(crate) coverage: Coverage,
    /// Chunks that will have no report.
    pub(crate) lost: Vec<Lost>,
    /// Failures in the order in which they came, for showing; bounded.
    pub(crate) shown: Vec<Shown>,
    /// What else there is to show.
    pub(crate) notices: Vec<String>,
    pub(crate) failed: u64,
    pub(crate) chunks_done: u64,
    pub(crate) attempts_lost: u64,
    /// Of those the first, with their reasons.
    pub(crate) lost_attempts: Vec<LostAttempt>,
    pub(crate) ended: Option<Ended>,
    pub(crate) received_ns: u64,
    /// How long an attached job took, when it had ended before.
    pub(crate) lasted: Option<Duration>,
    pub(super) promise: Promise,
    /// It is followed by its id: what was there before comes again. These runs, by chunk and attempt, are known.
    pub(super) known: Option<HashSet<(u64, u32)>>,
    pub(super) since: Since,
    parts: HashMap<(u64, u32), Vec<Bytes>>,
    pub(super) wakers: Vec<Waker>,
}

/// What has come of a job. The results themselves are shared, not copied.
pub(crate) struct Settled {
    pub(crate) runs: Vec<Arc<RunResult>>,
    pub(crate) lost: Vec<Lost>,
    pub(crate) ended: Option<Ended>,
}

/// A chunk without a report.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    /// Its index.
    pub(crate) chunk: u64,
    /// Its elements, but for those that an earlier attempt had settled.
    pub(crate) elements: Vec<u64>,
    pub(crate) error: RemoteError,
    /// The signal that ended its worker, if one did.
    pub(crate) signal: Option<i32>,
}

/// A failure, as it is shown when it comes.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) error: RemoteError,
    pub(crate) is_tried_again: bool,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    Completed,
    Failed(Error),
}

/// Failures kept for showing as they come; all are kept for the result.
const SHOWN_MAX: usize = 1000;

impl Job {
    pub(crate) fn new(key: u64, spec: JobSpec) -> Self {
        let id = JobId(uuid::Uuid::now_v7().as_u128());
        Self {
            key,
            id,
            fate: Arc::new(Fate::new(id)),
            count: spec.elements.lens.count() as u64,
            is_attached: false,
            spec,
            submitted_ns: now_ns(),
            submitted: Instant::now(),
            state: Mutex::default(),
            output: JobOutput::default(),
            is_over: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            arrived: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// What people call it.
    pub(crate) fn label(&self) -> &str {
        self.spec.options.label.as_deref().unwrap_or(self.spec.function.label)
    }

    /// Whether anything of it is known to have run.
    pub(crate) fn has_begun(&self) -> bool {
        let state = self.lock();
        state.coverage.covered() > 0 || state.attempts_lost > 0
    }

    pub(crate) fn elements(&self) -> u64 {
        self.count
    }

    /// How many chunks there are, when that is known beforehand.
    pub(crate) fn chunks(&self) -> Option<u64> {
        match &self.spec.plan {
            JobPlan::Balanced { chunksize: 0 } => None,
            JobPlan::Balanced { chunksize } => Some(chunk_count(self.elements(), *chunksize)),
            JobPlan::Direct { targets } => Some((targets.len() as u64).min(self.elements())),
        }
    }

    /// How many chunks these elements make up; one, when chunks were cut as the job went.
    fn chunks_in(&self, first: u64, end: u64) -> u64 {
        let parts = match &self.spec.plan {
            JobPlan::Balanced { chunksize: 0 } => return 1,
            JobPlan::Balanced { chunksize } => chunk_count(self.elements(), *chunksize),
            JobPlan::Direct { targets } => targets.len() as u64,
        };
        if first >= end {
            return 0;
        }
        block_index(self.elements(), parts, end - 1) - block_index(self.elements(), parts, first) + 1
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What has come so far, to be decoded without the lock: decoding takes its time, and runs code of the user's.
    pub(crate) fn settled(&self) -> Settled {
        let state = self.lock();
        Settled { runs: state.runs.clone(), lost: state.lost.clone(), ended: state.ended.clone() }
    }

    /// A part of a large result.
    pub(crate) fn on_part(&self, part: v1::ReportPart) {
        self.lock().parts.entry((part.chunk, part.attempt)).or_default().push(part.data);
    }

    /// What one of its chunks has printed.
    pub(crate) fn on_output(&self, output: v1::Output) {
        self.output.add(output, self.elements());
    }

    /// Results. Returns false when they make no sense.
    pub(crate) fn on_report(&self, report: v1::Report) -> bool {
        let mut state = self.lock();
        if state.ended.is_some() {
            // Aborted, as a rule: what comes now does not count any more.
            return true;
        }
        let parts = state.parts.remove(&(report.first_chunk, report.attempt)).unwrap_or_default();
        if state.known.as_ref().is_some_and(|known| known.contains(&(report.first_chunk, report.attempt))) {
            return true;
        }
        let retrying = report.retrying;
        let Some(mut run) = RunResult::new(report, parts, now_ns()) else { return false };
        if run.elements().end > self.elements() {
            return false;
        }
        state.settle(&mut run, retrying);
        state.received_ns = run.received_ns;
        state.runs.push(Arc::new(run));
        self.announce(state);
        true
    }

    /// A chunk that will have no report.
    pub(crate) fn on_failed(&self, failed: v1::ChunkFailed) {
        let mut state = self.lock();
        if state.ended.is_some() {
            return;
        }
        state.drop_parts(failed.chunk, 1, failed.attempt);
        let error = RemoteError {
            element: failed.element_first,
            engine: Some(failed.engine),
            attempt: failed.attempt,
            kind: RemoteErrorKind::from_wire(failed.kind),
            message: failed.message,
            location: String::new(),
            backtrace: String::new(),
        };
        let end = (failed.element_first.saturating_add(failed.elements)).min(self.elements());
        let missing: Vec<u64> =
            (failed.element_first..end).filter(|&e| !state.coverage.contains(e)).collect();
        if missing.is_empty() && state.known.is_some() {
            return;
        }
        for element in &missing {
            state.coverage.insert(*element..element + 1);
        }
        state.failed += missing.len() as u64;
        if !failed.partial {
            state.chunks_done += self.chunks_in(failed.element_first, end);
        }
        state.show(error.clone(), false);
        let signal = i32::try_from(failed.signal).ok().filter(|signal| *signal > 0);
        state.lost.push(Lost { chunk: failed.chunk, elements: missing, error, signal });
        state.received_ns = now_ns();
        self.announce(state);
    }

    /// The controller has ended it.
    pub(crate) fn on_finished(&self, finished: &v1::JobFinished) {
        if self.is_over() {
            // As a rule: with the last result. Who waited for that may hold the lock now.
            return;
        }
        // One without elements has all of them from the beginning.
        let went_well = !finished.cancelled && finished.impossible.is_empty() && finished.expired.is_empty();
        let is_empty = self.elements() == 0;
        let complete = if is_empty { went_well } else { self.lock().coverage.covered() == self.elements() };
        self.end(match (finished.cancelled, complete) {
            (_, true) => Ended::Completed,
            _ if !finished.impossible.is_empty() => {
                Ended::Failed(Error::Impossible(finished.impossible.clone()))
            }
            _ if !finished.expired.is_empty() => Ended::Failed(Error::QueueLimit {
                limit: self.spec.options.queue_limit.unwrap_or_default(),
                why: finished.expired.clone(),
            }),
            (true, false) => Ended::Failed(Error::Aborted),
            (false, false) => Ended::Failed(Error::JobRefused(
                "the controller ended it before all results were there".to_owned(),
            )),
        });
    }

    /// It ends, unless it has.
    pub(crate) fn end(&self, how: Ended) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.parts.clear();
            let succeeded = matches!(how, Ended::Completed) && state.failed == 0;
            self.fate.seal(succeeded, state.runs.iter().map(|run| run.engine));
            state.ended = Some(how);
            self.is_over.store(true, Ordering::Release);
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.output.end();
        self.arrived.notify_all();
        self.ended.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends it when all its elements are settled, without waiting for the controller's word.
    fn announce(&self, mut state: MutexGuard<'_, State>) {
        if state.coverage.covered() == self.elements() && state.ended.is_none() {
            drop(state);
            self.end(Ended::Completed);
            return;
        }
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.arrived.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The connection has its command.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// What is still to do, for a controller that does not know the job. With fixed chunks whole chunks are named.
    pub(crate) fn remaining(&self) -> Vec<v1::Span> {
        let n = self.elements();
        let mut state = self.lock();
        state.parts.clear();
        let gaps = state.coverage.gaps(n);
        let JobPlan::Balanced { chunksize: 1.. } = self.spec.plan else {
            return gaps.into_iter().map(|r| v1::Span { first: r.start, count: r.end - r.start }).collect();
        };
        let chunks = self.chunks().unwrap_or_default();
        let open = (0..chunks).map(|i| block_range(n, chunks, i)).filter(|range| {
            let at = gaps.partition_point(|gap| gap.end <= range.start);
            gaps.get(at).is_some_and(|gap| gap.start < range.end)
        });
        open.map(|r| v1::Span { first: r.start, count: r.end - r.start }).collect()
    }
}

impl State {
    /// Counts what a run brings. What another report had settled before is left as it was.
    fn settle(&mut self, run: &mut RunResult, retrying: bool) {
        let range = run.elements();
        let plain = run.only.is_empty() && !retrying;
        if plain && !self.coverage.intersects(&range) {
            self.coverage.insert(range);
            self.failed += run.failures.len() as u64;
        } else {
            self.settle_each(run, retrying);
        }
        for error in run.errors().take(SHOWN_MAX) {
            self.show(error, retrying);
        }
        if !retrying {
            self.chunks_done += u64::from(run.chunk_count);
        }
    }

    fn settle_each(&mut self, run: &mut RunResult, retrying: bool) {
        for i in 0..run.count() {
            let offset = run.offset(i);
            let element = run.element_first + u64::from(offset);
            let failed = run.failures.binary_search_by_key(&offset, |f| f.offset).is_ok();
            if self.coverage.contains(element) || (failed && retrying) {
                run.skip.push(offset);
            } else {
                self.coverage.insert(element..element + 1);
                self.failed += u64::from(failed);
            }
        }
    }

    /// What was received of reports that will not come.
    pub(super) fn drop_parts(&mut self, chunk: u64, chunks: u32, attempt: u32) {
        let ended = chunk..chunk.saturating_add(chunks.into());
        self.parts.retain(|(chunk, tried), _| !ended.contains(chunk) || *tried > attempt);
    }

    /// What was received of reports that are still to come does not count.
    pub(super) fn clear_parts(&mut self) {
        self.parts.clear();
    }

    fn show(&mut self, error: RemoteError, is_tried_again: bool) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(Shown { error, is_tried_again });
        }
    }
}
