//! Every attempt at a job's chunks, and what became of it.

use phalanx_proto::v1;

use super::handle::JobHandle;
use super::run::RunResult;
use super::state::{Job, Lost, State};
use crate::error::RemoteErrorKind;

/// Attempts whose loss is kept with its reason; later ones are counted.
const LOST_ATTEMPTS_MAX: usize = 10_000;

/// All attempts at a job's chunks so far.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
/// out.get()?;
/// let attempts = out.attempts();
/// assert_eq!((attempts.list.len(), attempts.dropped), (2, 0));
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Attempts {
    /// By chunk, and of each in the order in which they were made.
    pub list: Vec<AttemptInfo>,
    /// Lost attempts that are not in the list, because it holds 10 000 of them already.
    pub dropped: u64,
}

/// One attempt at a chunk; of those that were lost together, at several.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// let out = client.load_balanced_view().retries(1).try_map_async(|x: u32| x.checked_sub(1).ok_or("none"), 0..3, 1);
/// assert!(out.get().is_err());
/// let of_the_first: Vec<_> = out.attempts().list.into_iter().filter(|attempt| attempt.chunk == 0).collect();
/// assert_eq!(of_the_first.iter().map(|attempt| attempt.attempt).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptInfo {
    /// The chunk's index in the job.
    pub chunk: u64,
    /// How many chunks, from that one on.
    pub chunks: u32,
    /// The first element.
    pub element_first: u64,
    /// How many elements.
    pub elements: u64,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The engine that had it.
    pub engine: u32,
    /// The engine's host, when it is still known.
    pub host: Option<String>,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// When it started on the engine, in unix nanoseconds by the engine's clock; none when it was lost.
    pub started_ns: Option<u64>,
    /// When it had completed there.
    pub completed_ns: Option<u64>,
}

/// What became of an attempt.
///
/// ```
/// # let client = phalanx::Client::in_process(1)?;
/// use phalanx::{AttemptOutcome, RemoteErrorKind};
/// let out = client.load_balanced_view().try_map_async(|x: u32| x.checked_sub(1).ok_or("none"), 0..1, 1);
/// assert!(out.get().is_err());
/// let AttemptOutcome::Failed { kind, message, .. } = &out.attempts().list[0].outcome else { panic!("it fails") };
/// assert_eq!((*kind, message.as_str()), (RemoteErrorKind::Error, "none"));
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// All of it was run, and nothing failed.
    Completed,
    /// It was run, and the function failed for some elements: with `retries` left, those are tried again.
    Failed {
        /// How the first of them failed.
        kind: RemoteErrorKind,
        /// What was said of it.
        message: String,
        /// How many.
        elements: u64,
    },
    /// It was lost with its engine or process, or with a restart.
    Lost {
        /// What was lost, or why.
        kind: RemoteErrorKind,
        /// What was said.
        message: String,
        /// The signal that ended the process, if one did.
        signal: Option<i32>,
        /// These elements are not tried again.
        given_up: bool,
    },
}

/// An attempt that was lost, and repeated.
#[derive(Debug, Clone)]
pub(crate) struct LostAttempt(v1::AttemptLost);

impl LostAttempt {
    fn new(lost: &v1::AttemptLost) -> Self {
        Self(lost.clone())
    }
}

impl Job {
    /// An attempt was lost; its chunks go on elsewhere.
    pub(crate) fn on_attempt_lost(&self, lost: &v1::AttemptLost) {
        let mut state = self.lock();
        // What is followed by its id comes again from the beginning.
        let is_it = |known: &LostAttempt| {
            let known = &known.0;
            (known.chunk, known.attempt, known.engine) == (lost.chunk, lost.attempt, lost.engine)
        };
        if state.known.is_some() && state.lost_attempts[state.since.lost_attempts..].iter().any(is_it) {
            return;
        }
        state.drop_parts(lost.chunk, lost.chunks, lost.attempt);
        state.attempts_lost += 1;
        if state.lost_attempts.len() < LOST_ATTEMPTS_MAX {
            state.lost_attempts.push(LostAttempt::new(lost));
        }
        tracing::warn!(job = %self.id, engine = lost.engine, chunks = lost.chunks, "an attempt was lost: {}", lost.message);
    }
}

fn signal(number: u32) -> Option<i32> {
    i32::try_from(number).ok().filter(|signal| *signal > 0)
}

impl JobHandle {
    /// Every attempt so far, with what became of it: also those that were lost with an engine and repeated. Readable while the job runs.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// let attempts = out.attempts();
    /// assert!(attempts.list.iter().all(|attempt| attempt.outcome == phalanx::AttemptOutcome::Completed));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn attempts(&self) -> Attempts {
        let state = self.job.lock();
        let mut list: Vec<AttemptInfo> = state.runs.iter().flat_map(|run| reported(run)).collect();
        list.extend(state.lost.iter().filter_map(given_up));
        list.extend(state.lost_attempts.iter().map(repeated));
        let dropped = dropped(&state);
        drop(state);
        for attempt in &mut list {
            attempt.host = self.session.host_of(attempt.engine);
        }
        list.sort_by_key(|attempt| (attempt.chunk, attempt.attempt));
        Attempts { list, dropped }
    }
}

fn dropped(state: &State) -> u64 {
    state.attempts_lost.saturating_sub(state.lost_attempts.len() as u64)
}

fn reported(run: &RunResult) -> impl Iterator<Item = AttemptInfo> + '_ {
    (0..run.chunk_count).zip(run.timings()).map(|(i, (started_ns, completed_ns))| {
        let offsets = i * run.chunk_len..(i + 1) * run.chunk_len;
        let mut failures = run.failures.iter().filter(|f| offsets.contains(&f.offset)).peekable();
        let outcome = match failures.peek() {
            None => AttemptOutcome::Completed,
            Some(first) => AttemptOutcome::Failed {
                kind: RemoteErrorKind::from_wire(first.kind),
                message: first.message.clone(),
                elements: failures.count() as u64,
            },
        };
        AttemptInfo {
            chunk: run.first_chunk + u64::from(i),
            chunks: 1,
            element_first: run.element_first + u64::from(offsets.start),
            elements: u64::from(run.ran_together()),
            attempt: run.attempt,
            engine: run.engine,
            host: None,
            outcome,
            started_ns: Some(started_ns),
            completed_ns: Some(completed_ns),
        }
    })
}

/// A chunk that was never assigned has no attempt.
fn given_up(lost: &Lost) -> Option<AttemptInfo> {
    let engine = lost.error.engine.filter(|_| lost.error.attempt > 0)?;
    Some(AttemptInfo {
        chunk: lost.chunk,
        chunks: 1,
        element_first: lost.error.element,
        elements: lost.elements.len() as u64,
        attempt: lost.error.attempt,
        engine,
        host: None,
        outcome: AttemptOutcome::Lost {
            kind: lost.error.kind,
            message: lost.error.message.clone(),
            signal: lost.signal,
            given_up: true,
        },
        started_ns: None,
        completed_ns: None,
    })
}

fn repeated(LostAttempt(lost): &LostAttempt) -> AttemptInfo {
    AttemptInfo {
        chunk: lost.chunk,
        chunks: lost.chunks,
        element_first: lost.element_first,
        elements: lost.elements,
        attempt: lost.attempt,
        engine: lost.engine,
        host: None,
        outcome: AttemptOutcome::Lost {
            kind: RemoteErrorKind::from_wire(lost.kind),
            message: lost.message.clone(),
            signal: signal(lost.signal),
            given_up: false,
        },
        started_ns: None,
        completed_ns: None,
    }
}
