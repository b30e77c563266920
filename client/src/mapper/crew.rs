//! The workers of a mapper: engines of a session, each of which gets one task at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lists::{ArgumentLists, Task};
use super::{MapError, SegmentTimes};
use crate::client::Client;
use crate::codec::{self, ElementsBuilder, Value};
use crate::error::{Error, RemoteError, RemoteErrorKind};
use crate::job::{Ended, Job, JobOptions, JobPlan, JobSpec, RunResult};
use crate::session::Session;
use crate::view::context;
use crate::worker::{BadEntry, Function, Reply};

/// How long engines are waited for that are to let resources go. Longer than what they give a cancelled task.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a mapper finds its workers.
pub(super) enum Place {
    /// It starts a cluster of its own.
    Own,
    /// On the engines of a client.
    On(Arc<Session>),
}

impl Place {
    pub(super) fn on(client: &Client) -> Self {
        Self::On(Arc::clone(&client.session))
    }
}

/// Workers: the i-th is the i-th engine.
pub(super) struct Crew {
    session: Arc<Session>,
    engines: Vec<u32>,
    /// The same in no other crew.
    key: u128,
    /// The cluster that ends with it.
    _own: Option<Client>,
}

/// A task that is under way.
struct Running {
    index: usize,
    job: Arc<Job>,
}

/// What came of a task, before it is decoded.
struct Done {
    index: usize,
    worker: usize,
    run: Arc<RunResult>,
}

/// The arguments of all tasks, encoded, if the lists are of one length.
pub(super) fn encoded<L: ArgumentLists>(lists: L) -> Result<Vec<Vec<u8>>, MapError> {
    let lengths = lists.lengths();
    if lengths.iter().any(|len| *len != lengths[0]) {
        return Err(MapError::UnequalLists { lengths });
    }
    let encode = |(index, task): (usize, L::Task)| {
        let mut bytes = Vec::new();
        task.encode(&mut bytes).map_err(|source| MapError::Encode { index, source })?;
        Ok(bytes)
    };
    lists.into_tasks().enumerate().map(encode).collect()
}

/// The function, as jobs name it.
pub(super) fn found(function: Result<Function, BadEntry>) -> Result<Function, MapError> {
    function.map_err(|e| MapError::Start(e.into()))
}

impl Crew {
    /// Finds workers, or starts them.
    pub(super) fn hire(place: &Place, num_workers: Option<usize>) -> Result<Self, MapError> {
        let key = uuid::Uuid::now_v7().as_u128();
        let session = match (place, num_workers) {
            (_, Some(0)) | (Place::Own, None) => return Err(MapError::NoWorkers),
            (Place::Own, Some(workers)) => {
                let client = Client::local(workers).map_err(MapError::Start)?;
                let (session, engines) = (Arc::clone(&client.session), client.ids());
                return Ok(Self { session, engines, key, _own: Some(client) });
            }
            (Place::On(session), _) => session,
        };
        let mut engines = session.engines().ids();
        let there = engines.len();
        match num_workers {
            None if there == 0 => return Err(MapError::Start(Error::NoEngines)),
            Some(wanted) if wanted > there => return Err(MapError::TooFewEngines { wanted, there }),
            wanted => engines.truncate(wanted.unwrap_or(there)),
        }
        Ok(Self { session: Arc::clone(session), engines, key, _own: None })
    }

    /// No times yet.
    pub(super) fn no_times(&self) -> SegmentTimes {
        (0..self.engines.len()).map(|worker| (worker, Vec::new())).collect()
    }

    /// Calls a function on all workers at once, each with its index.
    fn call_each(&self, function: Function) -> Result<Vec<Arc<Job>>, Error> {
        let call = |(worker, engine): (usize, &u32)| {
            self.submit(function, *engine, |out| out.extend_from_slice(&(worker as u64).to_le_bytes()))
        };
        self.engines.iter().enumerate().map(call).collect()
    }

    /// Has every worker make its resource.
    pub(super) fn prepare(&self, function: Function) -> Result<(), MapError> {
        let mut jobs = self.call_each(function).map_err(MapError::Start)?;
        let mut workers: Vec<usize> = (0..jobs.len()).collect();
        // Whichever fails first, be it behind one that takes its time.
        while !jobs.is_empty() {
            self.session.wait_for_any(&jobs);
            while let Some(at) = jobs.iter().position(|job| job.is_over()) {
                let (worker, job) = (workers.remove(at), jobs.remove(at));
                if let Err(failure) = outcome(&job) {
                    jobs.iter().for_each(|job| self.abort(job));
                    return Err(failure.of_worker(worker));
                }
            }
        }
        Ok(())
    }

    fn abort(&self, job: &Arc<Job>) {
        self.session.abort(job);
    }

    /// Has every worker let its resource go. Workers that are gone have done so.
    pub(super) fn release(&self, function: Function) {
        if self._own.is_some() {
            return;
        }
        let started = Instant::now();
        for job in self.call_each(function).unwrap_or_default() {
            if !self.session.wait(&job, Some(RELEASE_TIMEOUT.saturating_sub(started.elapsed()))) {
                tracing::warn!(
                    "an engine does not let go what a mapper kept there; its worker has to be ended"
                );
            }
        }
    }

    /// Runs all tasks; `write` writes the element for a worker and a task. When it fails, nothing runs any more, or not for long.
    pub(super) fn map<R: Value>(
        &self,
        function: Function,
        tasks: Vec<Vec<u8>>,
        write: fn(usize, &[u8], &mut Vec<u8>),
        times: &mut SegmentTimes,
    ) -> Result<Vec<R>, MapError> {
        let mut values: Vec<Option<R>> = Vec::new();
        values.resize_with(tasks.len(), || None);
        let mut waiting = tasks.into_iter().enumerate();
        let mut running: Vec<Option<Running>> = Vec::new();
        running.resize_with(self.engines.len(), || None);
        let outcome = loop {
            let mut done = Vec::new();
            let ended = ended(&mut running, &mut done);
            // Workers are given their next tasks before what came is looked at.
            let given = ended.and_then(|()| self.give(function, &mut waiting, write, &mut running));
            let taken = take(done, &mut values, times);
            if let Err(e) = given.and(taken) {
                break Err(e);
            }
            let jobs: Vec<_> = running.iter().flatten().map(|running| Arc::clone(&running.job)).collect();
            if jobs.is_empty() {
                break Ok(());
            }
            self.session.wait_for_any(&jobs);
        };
        running.iter().flatten().for_each(|running| self.abort(&running.job));
        outcome.map(|()| values.into_iter().flatten().collect())
    }

    /// Gives a task to every worker that has none.
    fn give(
        &self,
        function: Function,
        waiting: &mut impl Iterator<Item = (usize, Vec<u8>)>,
        write: fn(usize, &[u8], &mut Vec<u8>),
        running: &mut [Option<Running>],
    ) -> Result<(), MapError> {
        for (worker, place) in running.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
            let Some((index, task)) = waiting.next() else { break };
            let job = self.submit(function, self.engines[worker], |out| write(worker, &task, out));
            let job = job.map_err(|source| MapError::Worker { worker, source })?;
            *place = Some(Running { index, job });
        }
        Ok(())
    }

    fn submit(
        &self,
        function: Function,
        engine: u32,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Arc<Job>, Error> {
        let mut element = ElementsBuilder::default();
        element.push_with(write)?;
        Ok(self.session.submit(JobSpec {
            function,
            elements: element.finish(),
            context: context(&self.key)?,
            plan: JobPlan::Direct { targets: vec![engine] },
            options: JobOptions::default(),
            numbers: None,
            result_type: "",
        }))
    }
}

/// Finds the tasks that are done, whose workers are free now, up to the first that has failed.
fn ended(running: &mut [Option<Running>], done: &mut Vec<Done>) -> Result<(), MapError> {
    for (worker, place) in running.iter_mut().enumerate() {
        if let Some(Running { index, job }) = place.take_if(|running| running.job.is_over()) {
            let run = outcome(&job).map_err(|failure| failure.of_task(index, worker))?;
            done.push(Done { index, worker, run });
        }
    }
    Ok(())
}

/// Decodes what has come.
fn take<R: Value>(
    done: Vec<Done>,
    values: &mut [Option<R>],
    times: &mut SegmentTimes,
) -> Result<(), MapError> {
    for Done { index, worker, run } in done {
        let decode = |bytes: &[u8]| match Reply::decode(bytes).map_err(|e| damaged(&run, e))? {
            Reply::Done { value, took } => Ok((codec::decode(value).map_err(|e| damaged(&run, e))?, took)),
            Reply::WorkerFailed { kind, message, location, signal } => {
                let kind = RemoteErrorKind::from_wire(kind);
                let engine = Some(run.engine);
                let (element, backtrace) = (index as u64, String::new());
                let error = RemoteError { element, engine, attempt: 1, kind, message, location, backtrace };
                Err(Failure { error: error.into(), signal, is_of_worker: true })
            }
        };
        let mut reply = None;
        let read: Result<(), Failure> = run.for_each(|_, bytes| {
            reply = Some(decode(bytes.map_err(Failure::from)?)?);
            Ok(())
        });
        let nothing = || Failure { error: Error::Aborted, signal: None, is_of_worker: true };
        let reply = read.and_then(|()| reply.ok_or_else(nothing));
        let (value, took) = reply.map_err(|failure| failure.of_task(index, worker))?;
        values[index] = Some(value);
        times.entry(worker).or_default().push(took.as_secs_f64());
    }
    Ok(())
}

fn damaged(run: &RunResult, e: codec::CodecError) -> Failure {
    let (message, engine) = (e.to_string(), Some(run.engine));
    let (location, backtrace) = (String::new(), String::new());
    let kind = RemoteErrorKind::Codec;
    Failure::from(RemoteError { element: 0, engine, attempt: 1, kind, message, location, backtrace })
}

/// Why a call has no reply.
struct Failure {
    error: Error,
    signal: Option<i32>,
    /// Whether it is the worker's doing, not the function's.
    is_of_worker: bool,
}

impl From<RemoteError> for Failure {
    fn from(e: RemoteError) -> Self {
        use RemoteErrorKind::{Codec, Error, Name, Panic, Type};
        let is_of_worker = !matches!(e.kind, Panic | Error | Name | Type | Codec);
        Self { error: e.into(), signal: None, is_of_worker }
    }
}

impl Failure {
    fn of_worker(self, worker: usize) -> MapError {
        match self.signal {
            Some(signal) => MapError::WorkerKilled { worker, signal, message: said(&self.error) },
            None => MapError::Worker { worker, source: self.error },
        }
    }

    fn of_task(self, index: usize, worker: usize) -> MapError {
        match self.error {
            Error::Remote(errors) if !self.is_of_worker => match errors.errors.into_iter().next() {
                Some(e) => {
                    MapError::Task { index, worker, source: RemoteError { element: index as u64, ..e } }
                }
                None => MapError::Worker { worker, source: Error::Aborted },
            },
            error => Self { error, ..self }.of_worker(worker),
        }
    }
}

/// What an error says, without the element, which is always the only one.
fn said(error: &Error) -> String {
    match error {
        Error::Remote(errors) => {
            errors.errors.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// What came of a call of one element, which has ended.
fn outcome(job: &Job) -> Result<Arc<RunResult>, Failure> {
    let settled = job.settled();
    if let Some(Ended::Failed(error)) = settled.ended {
        return Err(Failure { error, signal: None, is_of_worker: true });
    }
    if let Some(lost) = settled.lost.into_iter().next() {
        return Err(Failure { signal: lost.signal, ..Failure::from(lost.error) });
    }
    let never = || Failure { error: Error::Aborted, signal: None, is_of_worker: true };
    let run = settled.runs.into_iter().next().ok_or_else(never)?;
    let failure = run.errors().next();
    failure.map_or(Ok(run), |e| Err(e.into()))
}
