//! The thread that brings a run's results to its file while they come.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use phalanx_results::{ElementRecord, Row, RunFile, RunProgress, SaveError};

use super::done::{Done, Kept};
use super::plan::not_saved;
use crate::error::{Error, RemoteError, Result};
use crate::job::{Cursor, Ended, JobHandle, News, RunResult};

/// After a commit, as many times what it took passes before the next one: recording costs a twentieth of one core at most.
const PAUSE_FACTOR: u32 = 19;
/// However long a commit takes, news waits no longer than that.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What came is noted beside the file this often at most, until the next commit.
const NOTE_PAUSE: Duration = Duration::from_millis(10);
/// A commit is due, whatever the last one took, when this much was noted.
const NOTED_BYTES_MAX: u64 = 64 << 20;
/// How long after a commit that failed (a full disk) the next one is tried.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How long a wait for news lasts.
const WAIT: Duration = Duration::from_secs(1);

/// What has become of a recording.
pub(crate) struct Recording<T> {
    state: Mutex<Option<Recorded<T>>>,
    over: Condvar,
}

/// A run that has ended, and was recorded.
pub(crate) struct Recorded<T> {
    /// What was kept of each element that was run, by element.
    pub(crate) rows: Vec<T>,
    /// The file, when all of that is in it.
    pub(crate) saved: Result<PathBuf>,
    /// Why the job ended early, if it did.
    pub(crate) error: Option<Error>,
}

impl<T: Kept> Recording<T> {
    /// Of a run that its file holds already.
    pub(super) fn of_complete(mut rows: Vec<T>, path: PathBuf) -> Arc<Self> {
        rows.sort_by_key(|row| row.done().element);
        let recorded = Recorded { rows, saved: Ok(path), error: None };
        Arc::new(Self { state: Mutex::new(Some(recorded)), over: Condvar::new() })
    }
}

impl<T> Recording<T> {
    /// Waits until the run has ended and its file is written, and looks at it.
    pub(crate) fn wait<V>(&self, look: impl FnOnce(&Recorded<T>) -> V) -> V {
        let mut state = self.state.lock();
        loop {
            if let Some(recorded) = &*state {
                return look(recorded);
            }
            self.over.wait(&mut state);
        }
    }

    /// As [`wait`](Self::wait), taking the rows out.
    pub(crate) fn take(&self) -> Vec<T> {
        self.wait(|_| ());
        self.state.lock().as_mut().map(|recorded| std::mem::take(&mut recorded.rows)).unwrap_or_default()
    }

    fn end(&self, recorded: Recorded<T>) {
        *self.state.lock() = Some(recorded);
        self.over.notify_all();
    }
}

/// Follows a job and writes.
pub(crate) struct Recorder<T> {
    handle: JobHandle,
    file: RunFile,
    rows: Vec<T>,
    /// How many of them are in the file.
    written: usize,
    /// How many of them are noted beside it, or in it.
    noted: usize,
    /// Some could not be noted and are not in the file: a commit is due.
    at_risk: bool,
    /// Which element of the run each of the job's is.
    numbers: Arc<[u64]>,
    progress: RunProgress,
    keep: Box<dyn FnMut(Done) -> T + Send>,
    seen: Cursor,
    next: Instant,
    /// When a commit is tried again after one that failed.
    retry: Instant,
}

impl<T: Kept> Recorder<T> {
    pub(crate) fn new(
        handle: JobHandle,
        file: RunFile,
        rows: Vec<T>,
        numbers: Arc<[u64]>,
        progress: RunProgress,
        keep: Box<dyn FnMut(Done) -> T + Send>,
    ) -> Self {
        let (written, seen, now) = (rows.len(), Cursor::default(), Instant::now());
        let (noted, at_risk, next, retry) = (written, false, now, now);
        Self { handle, file, rows, written, noted, at_risk, numbers, progress, keep, seen, next, retry }
    }

    /// Starts the thread.
    pub(crate) fn spawn(self) -> Result<Arc<Recording<T>>> {
        let recording = Arc::new(Recording { state: Mutex::new(None), over: Condvar::new() });
        let (theirs, handle) = (Arc::clone(&recording), self.handle.clone());
        let run = move || {
            let recorded = catch_unwind(AssertUnwindSafe(|| self.run())).unwrap_or_else(|panic| {
                let error = Error::Save(format!("results could not be recorded: {}", text_of(&*panic)));
                handle.abort();
                Recorded { rows: Vec::new(), saved: Err(error.clone()), error: Some(error) }
            });
            theirs.end(recorded);
        };
        match std::thread::Builder::new().name("phalanx-recorder".to_owned()).spawn(run) {
            Ok(_) => Ok(recording),
            Err(e) => Err(Error::Save(format!("no thread to record the results: {e}"))),
        }
    }

    fn run(mut self) -> Recorded<T> {
        let mut told = String::new();
        let error = loop {
            let news = self.wait();
            let ended = news.ended.clone().filter(|_| news.is_empty());
            self.keep_all(&news);
            self.note();
            match (self.is_due() && ended.is_none()).then(|| self.commit()) {
                Some(Err(error)) => {
                    let what = "results are not being saved; the job goes on, and it is tried again";
                    self.tell(format!("{what}: {error}"), &mut told);
                }
                Some(Ok(())) if !told.is_empty() => {
                    self.tell("results are being saved again".to_owned(), &mut told);
                    told.clear();
                }
                Some(Ok(())) | None => {}
            }
            match ended {
                Some(Ended::Failed(error)) => break Some(error),
                Some(Ended::Completed) => break None,
                None => {}
            }
        };
        let saved = self.finish(&mut told);
        self.rows.sort_by_key(|row| row.done().element);
        let saved = saved.map(|()| self.file.path().to_owned()).map_err(not_saved);
        Recorded { rows: self.rows, saved, error }
    }

    /// Puts the file in order. Where there is no room for that, it has at least all rows.
    fn finish(&mut self, told: &mut String) -> std::result::Result<(), SaveError> {
        let mut in_order: Vec<&T> = self.rows.iter().collect();
        in_order.sort_by_key(|row| row.done().element);
        let values = in_order.iter().filter(|row| row.done().outcome.is_ok()).count();
        let complete = values as u64 == self.file.elements();
        let Err(error) = self.file.finish(&self.progress, &in_order, complete) else { return Ok(()) };
        if self.file.append(&self.progress, &self.rows).is_ok() {
            let what =
                "all results are in the file, in the order in which they came: it could not be put in order";
            self.tell(format!("{what}: {error}"), told);
            return Ok(());
        }
        let (all, written) = (self.rows.len(), self.written);
        let noted = if self.file.noted_bytes() > 0 {
            "what was noted beside it is used when the run goes on"
        } else {
            "run the rest again when there is room"
        };
        self.tell(
            format!("{written} of {all} results are in the file, which can be read; {noted}: {error}"),
            told,
        );
        Err(error)
    }

    /// Whether a commit is to be made now.
    fn is_due(&self) -> bool {
        let now = Instant::now();
        let is_time = now >= self.next || self.file.noted_bytes() > NOTED_BYTES_MAX;
        self.written < self.rows.len() && (is_time || self.at_risk) && now >= self.retry
    }

    /// Keeps what came safe until the next commit.
    fn note(&mut self) {
        let hosts = &self.progress.hosts;
        let host = |row: &Row<'_>| hosts.get(&(row.session, row.record.engine)).map_or("", String::as_str);
        self.at_risk |= !self.file.note(&self.rows[self.noted..], host);
        self.noted = self.rows.len();
    }

    /// Waits for news, but not all the time while the next commit is not due: a busy job has news every millisecond.
    fn wait(&mut self) -> News {
        let job = &self.handle.job;
        let unwritten = self.written < self.rows.len();
        let pause = self.next.saturating_duration_since(Instant::now());
        if !pause.is_zero() {
            let _ = job.wait(Some(pause.min(NOTE_PAUSE)));
        }
        let timeout = if unwritten { Duration::ZERO } else { WAIT };
        let state = job.wait_for_more(self.seen.runs, self.seen.lost, timeout);
        self.seen.take(&state)
    }

    fn keep_all(&mut self, news: &News) {
        for run in &news.runs {
            self.keep_run(run);
        }
        for lost in &news.lost {
            let (engine, attempt) = (lost.error.engine.unwrap_or_default(), lost.error.attempt);
            let record = ElementRecord { engine, attempt, ..ElementRecord::default() };
            for &element in &lost.elements {
                self.keep(element, Err(lost.error.clone()), record);
            }
        }
    }

    fn keep_run(&mut self, run: &RunResult) {
        let session = self.session();
        if let Some(session) = self.progress.sessions.last_mut() {
            session.received_ns = session.received_ns.max(run.received_ns);
        }
        if !self.progress.hosts.contains_key(&(session, run.engine))
            && let Some(host) = self.handle.session.host_of(run.engine)
        {
            self.progress.hosts.insert((session, run.engine), host);
        }
        let timings: Vec<_> = run.timings().collect();
        let done: std::result::Result<(), ()> = run.for_each_shared(|element, outcome| {
            let chunk = (element - run.element_first) / u64::from(run.chunk_len);
            let (started_ns, completed_ns) = timings[chunk as usize];
            let record = ElementRecord {
                engine: run.engine,
                attempt: run.attempt,
                started_ns,
                completed_ns,
                chunk: run.first_chunk + chunk,
                ran_with: run.ran_together(),
            };
            self.keep(element, outcome, record);
            Ok(())
        });
        debug_assert!(done.is_ok());
    }

    fn keep(
        &mut self,
        of_job: u64,
        outcome: std::result::Result<bytes::Bytes, RemoteError>,
        record: ElementRecord,
    ) {
        let element = self.numbers[of_job as usize];
        let outcome = outcome.map_err(|error| RemoteError { element, ..error });
        let done = Done { element, session: self.session(), outcome, record };
        self.rows.push((self.keep)(done));
    }

    /// Which session this is.
    fn session(&self) -> u32 {
        u32::try_from(self.progress.sessions.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    fn commit(&mut self) -> std::result::Result<(), SaveError> {
        let started = Instant::now();
        let result = self.file.append(&self.progress, &self.rows);
        let pause = match &result {
            Ok(()) => {
                (self.written, self.at_risk) = (self.rows.len(), false);
                (started.elapsed() * PAUSE_FACTOR).min(PAUSE_MAX)
            }
            Err(_) => {
                self.retry = Instant::now() + PAUSE_AFTER_FAILURE;
                PAUSE_AFTER_FAILURE
            }
        };
        self.next = Instant::now() + pause;
        result
    }

    /// Says what stands in the way, unless that was said.
    fn tell(&self, text: String, told: &mut String) {
        if *told != text {
            tracing::warn!("{text}");
            self.handle.job.lock().notices.push(text.clone());
            *told = text;
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
