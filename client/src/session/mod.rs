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

mod aborting;
mod attach;
mod connection;
mod control;
mod drive;
mod engines;
mod kept;
mod link;
mod outgoing;
mod standstill;
mod submit;
mod upload;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::MutexGuard;
use phalanx_profile::ConnectionFile;
use phalanx_proto::ids::JobId;
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::cluster_client::ClusterClient;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Channel;
use tonic::{Code, Status};

pub use engines::EngineInfo;
pub(crate) use engines::Engines;
#[cfg(test)]
pub(crate) use standstill::Cause;
pub(crate) use standstill::Standstill;

use control::Wish;
use drive::Drive;
pub(crate) use drive::Waiting;
use kept::Kept;

use crate::error::{Error, Result};
use crate::job::{Ended, Job, JobSpec, Ready, State};

/// How the connection file is found, at every attempt anew. It may block: profiles lie on network file systems.
pub(crate) type FileSource = Arc<dyn Fn() -> std::result::Result<ConnectionFile, String> + Send + Sync>;

/// A question to the controller beside the session, asked on the session's connection.
type Ask = Box<dyn FnOnce(Channel) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A command to the connection. Each job gives rise to at most two, and each of the user's threads waits for its question's answer, so
/// the queue is bounded.
pub(crate) enum Command {
    Submit(Arc<Job>),
    Cancel(u64),
    /// At most one for each thread, which waits for the answer.
    Attach {
        key: u64,
        id: JobId,
        result_type: &'static str,
    },
    /// At most one for each thread, which waits for the answer.
    Control(Wish),
    /// At most one for each thread, which waits for the answer.
    Ask(Ask),
    Close,
}

/// For less than this the connection is not taken over: the runtime's clock ticks in milliseconds.
const RUN_TIMEOUT_MIN: Duration = Duration::from_millis(5);
/// How long an answer to a question is waited for.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// The most jobs that may be under way.
const JOBS_MAX: usize = 100_000;

fn too_many() -> Error {
    Error::JobRefused(format!("{JOBS_MAX} jobs are under way already; wait for some"))
}

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
    kept: Arc<Kept>,
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
        let kept = Arc::new(Kept::default());
        let shared = connection::Shared {
            jobs: Arc::clone(&jobs),
            engines: Arc::clone(&engines),
            kept: Arc::clone(&kept),
        };
        let thread = connection::spawn(Arc::clone(&drive), source, inbox, shared, tell).map_err(no_thread)?;
        match first.recv() {
            Ok(connected) => connected?,
            Err(_) => return Err(Error::Connect("the connection's thread has ended".to_owned())),
        }
        let (next_job, prints_here) = (AtomicU64::new(1), AtomicBool::new(false));
        let session = Arc::new(Self { commands, drive, jobs, engines, kept, next_job, prints_here });
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
        let key = self.fresh_key();
        let job = Arc::new(Job::new(key, spec));
        let kept = job.spec.options.kept;
        if let Err(error) = job.spec.options.check() {
            job.end(Ended::Failed(error));
            return job;
        }
        // One that is kept is to be found, whatever it has, and one that waits for others ends after them.
        if job.elements() == 0 && !kept && job.spec.options.after.is_empty() {
            job.end(Ended::Completed);
            return job;
        }
        if self.jobs.len() >= JOBS_MAX {
            job.end(Ended::Failed(too_many()));
            return job;
        }
        self.jobs.insert(key, Arc::clone(&job));
        if kept {
            self.kept.unpromised.insert(key, Arc::clone(&job));
        }
        if self.drive.hand(|| self.commands.send(Command::Submit(Arc::clone(&job)))).is_err() {
            self.jobs.remove(&key);
            self.kept.refused(key, &Error::Closed);
            job.end(Ended::Failed(Error::Closed));
        }
        job
    }

    fn fresh_key(&self) -> u64 {
        self.next_job.fetch_add(1, Ordering::Relaxed)
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
        let ended = || jobs.iter().any(|job| job.is_over());
        let _ = self.wait_until(jobs, ended, None);
    }

    /// Waits until something holds that can come true with news of these jobs, at most for `timeout`; false when it has not.
    pub(crate) fn wait_until(
        &self,
        jobs: &[Arc<Job>],
        holds: impl Fn() -> bool,
        timeout: Option<Duration>,
    ) -> bool {
        if holds() || timeout.is_some_and(|timeout| timeout.is_zero()) {
            return holds();
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        // All are asked, and before it is looked, so that news of each wakes this thread.
        let look = |waker: &Waker| {
            jobs.iter().for_each(|job| _ = job.poll_ended(waker));
            holds()
        };
        if timeout.is_none_or(|timeout| timeout >= RUN_TIMEOUT_MIN) {
            let news =
                std::future::poll_fn(|cx| if look(cx.waker()) { Poll::Ready(()) } else { Poll::Pending });
            if let Some(held) = self.drive.run_until(news, timeout) {
                return held;
            }
        }
        let _waiting = self.waiting();
        WAKER.with(|waker| {
            while !look(waker) {
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    None => std::thread::park(),
                    Some(left) if left.is_zero() => return holds(),
                    Some(left) => std::thread::park_timeout(left),
                }
            }
            true
        })
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

    /// Tells the controller that a job is not wanted any more.
    pub(crate) fn cancel(&self, job: &Arc<Job>) {
        let kept = job.spec.options.kept;
        if kept {
            self.kept.refused(job.key, &Error::Aborted);
            self.kept.aborting.insert(job);
        }
        if self.jobs.contains_key(&job.key) {
            // When the thread has ended, so have all jobs.
            let _ = self.commands.send(Command::Cancel(job.key));
        } else if kept {
            self.kept.aborting.remove(job.key);
        }
    }

    /// Asks the controller something, and waits for the answer; it gives up after half a minute.
    pub(crate) fn ask<T, F>(
        &self,
        call: impl FnOnce(ClusterClient<Channel>) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = std::result::Result<T, Status>> + Send,
    {
        let (tell, answer) = oneshot::channel();
        let ask: Ask = Box::new(move |channel| {
            Box::pin(async move {
                let answered = tokio::time::timeout(
                    ASK_TIMEOUT,
                    call(ClusterClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)),
                )
                .await;
                let late = |_| Status::deadline_exceeded(format!("no answer within {ASK_TIMEOUT:?}"));
                let _ = tell.send(answered.map_err(late).and_then(|answer| answer));
            })
        });
        if self.commands.send(Command::Ask(ask)).is_err() {
            return Err(Error::Closed);
        }
        match self.drive_to(answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) if status.code() == Code::NotFound || status.code() == Code::InvalidArgument => {
                Err(Error::Question(status.message().to_owned()))
            }
            Ok(Err(status)) => Err(Error::ControllerLost(phalanx_proto::lost::reason(&status))),
            Err(_) => Err(Error::ControllerLost("it is not back yet".to_owned())),
        }
    }

    /// Waits for an answer that the connection brings.
    fn drive_to<T>(
        &self,
        mut answer: oneshot::Receiver<T>,
    ) -> std::result::Result<T, oneshot::error::RecvError> {
        let mut received = None;
        let ran = self.drive.run_until(async { received = Some((&mut answer).await) }, None);
        if ran.is_some()
            && let Some(received) = received
        {
            return received;
        }
        let _waiting = self.waiting();
        // Not `blocking_recv`, which refuses to wait inside of somebody's runtime.
        WAKER.with(|waker| {
            let mut cx = Context::from_waker(waker);
            loop {
                if let Poll::Ready(received) = Pin::new(&mut answer).poll(&mut cx) {
                    return received;
                }
                std::thread::park();
            }
        })
    }

    /// Ends a job: nothing more of it is started, and what runs is interrupted.
    pub(crate) fn abort(&self, job: &Arc<Job>) {
        self.cancel(job);
        job.end(Ended::Failed(Error::Aborted));
    }

    /// Ends all jobs that have not ended; how many.
    pub(crate) fn abort_all(&self) -> usize {
        // Ending one may wake somebody who asks for another: not while the map is held.
        let jobs: Vec<_> = self.jobs.iter().map(|job| Arc::clone(&job)).collect();
        let open = jobs.iter().filter(|job| !job.is_over());
        open.map(|job| self.abort(job)).count()
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
