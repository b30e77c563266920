//! The client's connection: every view and result uses it. A thread of its own runs it, or whoever waits for a result
//! ([`drive`]).
//!
//! ```text
//! user's threads ── commands ──▶ connection ── gRPC ──▶ controller
//!        ▲                            │
//!        └──── jobs' states ◀─────────┘ reports, failures, engines that come and go
//! ```
//!
//! When the controller goes away, the thread keeps trying; once it is back, balanced jobs are submitted again for what is
//! still missing. Calls on a direct view are not repeated, for their namespaces are gone.

mod connection;
mod drive;
mod engines;
mod standstill;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::MutexGuard;
use phalanx_profile::ConnectionFile;
use tokio::sync::mpsc;

pub use engines::EngineInfo;
pub(crate) use engines::Engines;
#[cfg(test)]
pub(crate) use standstill::Cause;
pub(crate) use standstill::Standstill;

use drive::{Drive, Waiting};

use crate::error::{Error, Result};
use crate::job::{Ended, Job, JobSpec, Ready, State};

/// How the connection file is found, at every attempt anew. It may block: profiles lie on network file systems.
pub(crate) type FileSource = Arc<dyn Fn() -> std::result::Result<ConnectionFile, String> + Send + Sync>;

/// A command to the connection. Each job gives rise to at most two, so the jobs' bound bounds the queue.
pub(crate) enum Command {
    Submit(Arc<Job>),
    Cancel(u64),
    Close,
}

/// For less than this the connection is not taken over: the runtime's clock ticks in milliseconds.
const RUN_TIMEOUT_MIN: Duration = Duration::from_millis(5);
/// The most jobs that may be under way.
const JOBS_MAX: usize = 100_000;

/// Wakes a thread that sleeps.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One per thread, so that a job knows it again.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

/// The connection, as the user's threads see it.
pub(crate) struct Session {
    commands: mpsc::UnboundedSender<Command>,
    drive: Arc<Drive>,
    jobs: Arc<DashMap<u64, Arc<Job>>>,
    engines: Arc<Engines>,
    next_job: AtomicU64,
    /// The engines are this process's own, and print here what their workers print.
    prints_here: AtomicBool,
}

impl Session {
    /// Connects, and waits until the controller has answered.
    pub(crate) fn open(source: FileSource) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (jobs, engines) = (Arc::new(DashMap::new()), Arc::new(Engines::default()));
        let (tell, first) = std::sync::mpsc::sync_channel(1);
        let no_thread = |e| Error::Connect(format!("no thread for the connection: {e}"));
        let drive = Arc::new(Drive::new().map_err(no_thread)?);
        let (theirs, thread_jobs) = (Arc::clone(&engines), Arc::clone(&jobs));
        let thread = connection::spawn(Arc::clone(&drive), source, inbox, thread_jobs, theirs, tell)
            .map_err(no_thread)?;
        match first.recv() {
            Ok(connected) => connected?,
            Err(_) => return Err(Error::Connect("the connection's thread has ended".to_owned())),
        }
        let (next_job, prints_here) = (AtomicU64::new(1), AtomicBool::new(false));
        let session = Arc::new(Self { commands, drive, jobs, engines, next_job, prints_here });
        Ok((session, thread))
    }

    /// The engines are of a local cluster.
    pub(crate) fn set_prints_here(&self) {
        self.prints_here.store(true, Ordering::Relaxed);
    }

    /// Whether what is printed on the engines shows here anyway.
    pub(crate) fn prints_here(&self) -> bool {
        self.prints_here.load(Ordering::Relaxed)
    }

    /// Sends a job off. What is wrong with it shows when its result is asked for.
    pub(crate) fn submit(&self, spec: JobSpec) -> Arc<Job> {
        let key = self.next_job.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job::new(key, spec));
        if job.elements() == 0 {
            job.end(Ended::Completed);
            return job;
        }
        if self.jobs.len() >= JOBS_MAX {
            job.end(Ended::Failed(Error::JobRefused(format!(
                "{JOBS_MAX} jobs are under way already; wait for some"
            ))));
            return job;
        }
        self.jobs.insert(key, Arc::clone(&job));
        if self.drive.hand(|| self.commands.send(Command::Submit(Arc::clone(&job)))).is_err() {
            self.jobs.remove(&key);
            job.end(Ended::Failed(Error::Closed));
        }
        job
    }

    /// Waits until the job has ended, at most for `timeout`; false when it has not.
    pub(crate) fn wait(&self, job: &Arc<Job>, timeout: Option<Duration>) -> bool {
        if job.is_over() || timeout.is_some_and(|timeout| timeout.is_zero()) {
            return job.is_over();
        }
        let started = Instant::now();
        let ended = match timeout {
            Some(timeout) if timeout < RUN_TIMEOUT_MIN => None,
            _ => self.drive.run_until(Ready(Arc::clone(job)), timeout),
        };
        ended.unwrap_or_else(|| {
            let _waiting = self.waiting();
            job.wait(timeout.map(|timeout| timeout.saturating_sub(started.elapsed())))
        })
    }

    /// Waits until one of these jobs has ended.
    pub(crate) fn wait_for_any(&self, jobs: &[Arc<Job>]) {
        // All are asked, so that each wakes this thread.
        let ended = |waker: &Waker| jobs.iter().filter(|job| job.poll_ended(waker)).count() > 0;
        let any = std::future::poll_fn(|cx| if ended(cx.waker()) { Poll::Ready(()) } else { Poll::Pending });
        if self.drive.run_until(any, None).is_some() {
            return;
        }
        let _waiting = self.waiting();
        WAKER.with(|waker| {
            while !ended(waker) {
                std::thread::park();
            }
        });
    }

    /// Waits until the job has more than `runs` results and `lost` chunks without one, or has ended, or for `timeout`.
    pub(crate) fn wait_for_more<'a>(
        &self,
        job: &'a Job,
        runs: usize,
        lost: usize,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        let _waiting = self.waiting();
        job.wait_for_more(runs, lost, timeout)
    }

    /// Somebody waits, as long as this is kept, for news that others must bring.
    pub(crate) fn waiting(&self) -> Waiting {
        Drive::waiting(&self.drive)
    }

    /// A job that cannot even be sent.
    pub(crate) fn stillborn(&self, spec: JobSpec, error: Error) -> Arc<Job> {
        let job = Arc::new(Job::new(0, spec));
        job.end(Ended::Failed(error));
        job
    }

    pub(crate) fn cancel(&self, job: &Job) {
        if self.jobs.contains_key(&job.key) {
            // When the thread has ended, so have all jobs.
            let _ = self.commands.send(Command::Cancel(job.key));
        }
    }

    pub(crate) fn engines(&self) -> &Engines {
        &self.engines
    }

    pub(crate) fn host_of(&self, engine: u32) -> Option<String> {
        self.engines.host_of(engine)
    }

    pub(crate) fn close(&self) {
        let _ = self.commands.send(Command::Close);
    }
}
