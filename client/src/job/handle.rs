//! What every result can tell of its job, whatever its values are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::explain::JobExplanation;
use super::state::{Ended, Job, Shown};
use crate::error::{Error, RemoteError, Result};
use crate::progress;
use crate::session::Session;

/// A job: one call of a view. Every result dereferences to it.
#[derive(Clone)]
pub struct JobHandle {
    pub(crate) job: Arc<Job>,
    pub(crate) session: Arc<Session>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Chunks that are done.
    pub chunks_done: u64,
    /// All chunks, when that is known beforehand (it is not with `Auto`).
    pub chunks: Option<u64>,
    /// Elements that have a value or have failed.
    pub elements_done: u64,
    /// Those of them that have failed.
    pub elements_failed: u64,
    /// All elements.
    pub elements: u64,
    /// Attempts that were lost with an engine or worker, and repeated.
    pub attempts_lost: u64,
}

/// One chunk that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkInfo {
    /// Its index in the job.
    pub index: u64,
    /// Its first element.
    pub element_first: u64,
    /// How many elements.
    pub elements: u64,
    /// The engine.
    pub engine: u32,
    /// The engine's host, when it is still known.
    pub host: Option<String>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it started on the engine, in unix nanoseconds by the engine's clock.
    pub started_ns: u64,
    /// When it had completed there. Short calls of other clients may have run in between, from one of its elements to the next.
    pub completed_ns: u64,
    /// When its results were here, by this machine's clock.
    pub received_ns: u64,
    /// Elements of it that failed.
    pub failed: u64,
}

impl JobHandle {
    /// The job's id.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert_eq!(out.id().len(), 36);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> String {
        self.job.id.to_string()
    }

    /// What it is called: by [`label`](crate::LoadBalancedView::label), else by the function that it runs.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert!(!out.label().is_empty());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn label(&self) -> &str {
        self.job.label()
    }

    /// Whether it has ended, well or not.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn ready(&self) -> bool {
        self.job.lock().ended.is_some()
    }

    /// Whether it has ended with every element well.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(out.successful());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn successful(&self) -> bool {
        let state = self.job.lock();
        matches!(state.ended, Some(Ended::Completed)) && state.failed == 0
    }

    /// Waits until it has ended, at most for `timeout`; false when it has not.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert!(out.wait(None));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        self.session.wait(&self.job, timeout)
    }

    /// Waits until it has ended, showing progress: a bar on a terminal, else a line now and then like
    /// `500/500 tasks finished after    2 s`, and at the end `done`. Failures are shown as they happen, and what functions print as it
    /// comes, each line marked with its engine (on a [local](crate::Client::local) cluster the engines print it here anyway); so is, after two
    /// seconds, that nothing can run because there are no engines or the controller is gone.
    ///
    /// Tasks are chunks; with [`Auto`](crate::Auto), where their number is not known beforehand, elements are counted.
    ///
    /// # Errors
    /// When the job could not be run to its end. Elements that failed are no error here; see `get`.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.wait_interactive()?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn wait_interactive(&self) -> Result<()> {
        progress::show(std::slice::from_ref(self))?;
        self.error().map_or(Ok(()), Err)
    }

    /// Waits until the controller has all of the job that it needs to go on without this client, its program included; at most for
    /// `timeout`. From then on the client may be killed. (A client that ends in order waits for that by itself, up to a minute.)
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().keep().map_async(|x: u32| x * x, 0..10, 5);
    /// out.wait_kept(None)?;
    /// println!("fetch its results with client.job::<u32>({:?})", out.id());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotKept`] when its view was not [`keep`](crate::LoadBalancedView::keep), or the controller cannot keep it; the job goes on all the
    /// same, and ends with its client. [`Error::Timeout`].
    pub fn wait_kept(&self, timeout: Option<Duration>) -> Result<()> {
        self.session.wait_kept(&self.job, timeout)
    }

    /// Why it ended early, if it did.
    pub(crate) fn error(&self) -> Option<Error> {
        match self.job.lock().ended.clone() {
            Some(Ended::Failed(e)) => Some(e),
            _ => None,
        }
    }

    /// How far it is.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert_eq!((out.progress().chunks_done, out.progress().elements_done), (2, 10));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.job.lock();
        Progress {
            chunks_done: state.chunks_done,
            chunks: self.job.chunks(),
            elements_done: state.coverage.covered(),
            elements_failed: state.failed,
            elements: self.job.elements(),
            attempts_lost: state.attempts_lost,
        }
    }

    /// Ends it, at once: queued chunks are dropped, and so are the elements that running chunks have not begun. A function that runs is
    /// told, if it asks [`interrupted`](crate::interrupted); when it has not returned within the engine's grace time, its process is ended,
    /// and with it the names that the engine kept: later calls that miss one say so. Elements that were done before keep their values;
    /// nothing that comes afterwards counts.
    ///
    /// Engines that are threads ([`Client::in_process`](crate::Client::in_process)) cannot be ended: a function that does not ask runs on.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.abort();
    /// assert!(out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn abort(&self) {
        self.session.abort(&self.job);
    }

    /// Time since it was submitted.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// println!("running for {:?}", out.elapsed());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(self.job.submitted)
    }

    /// From submitting it to receiving its last result; while it runs, until now.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// println!("the total calculation time is: {:?}", out.wall_time());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn wall_time(&self) -> Duration {
        let state = self.job.lock();
        match state.ended {
            Some(_) if state.lasted.is_some() => state.lasted.unwrap_or_default(),
            Some(_) if state.received_ns > 0 => {
                Duration::from_nanos(state.received_ns.saturating_sub(self.job.submitted_ns))
            }
            Some(_) => Duration::ZERO,
            None => self.job.submitted.elapsed(),
        }
    }

    /// The time that its chunks took on the engines, all together: what one engine would have needed.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(!out.serial_time().is_zero());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn serial_time(&self) -> Duration {
        let state = self.job.lock();
        let chunks = state.runs.iter().flat_map(|run| run.timings());
        Duration::from_nanos(chunks.map(|(started, completed)| completed.saturating_sub(started)).sum())
    }

    /// [`serial_time`](Self::serial_time) over [`wall_time`](Self::wall_time).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(out.speedup() > 0.0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn speedup(&self) -> f64 {
        let wall = self.wall_time().as_secs_f64();
        if wall > 0.0 { self.serial_time().as_secs_f64() / wall } else { 0.0 }
    }

    /// Every chunk that was run, retries included, in order; readable while the job runs.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert_eq!(out.chunks()[1].element_first, 5);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn chunks(&self) -> Vec<ChunkInfo> {
        let mut chunks = Vec::new();
        for run in &self.job.lock().runs {
            let host = self.session.host_of(run.engine);
            for (i, (started_ns, completed_ns)) in (0..run.chunk_count).zip(run.timings()) {
                let offsets = i * run.chunk_len..(i + 1) * run.chunk_len;
                chunks.push(ChunkInfo {
                    index: run.first_chunk + u64::from(i),
                    element_first: run.element_first + u64::from(offsets.start),
                    elements: u64::from(run.chunk_len),
                    engine: run.engine,
                    host: host.clone(),
                    attempt: run.attempt,
                    started_ns,
                    completed_ns,
                    received_ns: run.received_ns,
                    failed: run.failures.iter().filter(|f| offsets.contains(&f.offset)).count() as u64,
                });
            }
        }
        chunks.sort_by_key(|chunk| (chunk.index, chunk.attempt));
        chunks
    }

    /// Why it waits, or how it stands: what runs where, what is queued, and what stands in the way of the rest. It asks the controller.
    ///
    /// # Errors
    /// [`Error::ControllerLost`] when there is nobody to ask. A job that has ended is explained without asking.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert_eq!(out.explain()?.to_string(), "it has ended");
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn explain(&self) -> Result<JobExplanation> {
        super::explain::explain(self)
    }

    /// The failures so far, in the order in which they came.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// assert!(out.failures().is_empty());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn failures(&self) -> Vec<RemoteError> {
        self.shown().into_iter().map(|shown| shown.error).collect()
    }

    /// As [`failures`](Self::failures), with what follows from each.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let shown = self.job.lock().shown.clone();
        shown.into_iter().map(|shown| Shown { error: self.numbered(shown.error), ..shown }).collect()
    }

    /// A failure, with its element's number as the user knows it.
    pub(crate) fn numbered(&self, mut failure: RemoteError) -> RemoteError {
        if let Some(numbers) = &self.job.spec.numbers {
            failure.element = numbers[failure.element as usize];
        }
        failure
    }
}

impl AsRef<Self> for JobHandle {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl std::fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id())
            .field("label", &self.label())
            .field("progress", &self.progress())
            .field("ready", &self.ready())
            .finish()
    }
}
