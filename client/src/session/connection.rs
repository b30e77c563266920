//! The thread that holds the connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use dashmap::DashMap;
use phalanx_proto::v1::{ClientEvent, client_event::Kind};
use tokio::sync::mpsc;

use super::control::Wishes;
use super::drive::Drive;
use super::kept::Kept;
use super::link::{Link, Over, connect, goodbye, status};
use super::submit::refusal;
use super::upload;
use super::{Command, Engines, FileSource};
use crate::error::Error;
use crate::job::{Ended, Job, JobPlan};

/// Between two attempts to reach a controller that went away.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// How long a controller that went away is waited for before jobs that need it fail.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the connection and the user's threads share.
pub(super) struct Shared {
    pub(super) jobs: Arc<DashMap<u64, Arc<Job>>>,
    pub(super) engines: Arc<Engines>,
    pub(super) kept: Arc<Kept>,
}

pub(super) struct Io {
    source: FileSource,
    commands: mpsc::UnboundedReceiver<Command>,
    pub(super) jobs: Arc<DashMap<u64, Arc<Job>>>,
    engines: Arc<Engines>,
    pub(super) kept: Arc<Kept>,
    wishes: Wishes,
    /// Kept jobs that are followed, by their numbers, of which the controller has not said whether it knows them.
    pub(super) unanswered: BTreeSet<u64>,
    /// Jobs that wait for others, and are not submitted before that is known: the controller must know those.
    pub(super) held: Vec<(Arc<Job>, bool)>,
    /// What is said to those who still wait when it ends.
    last_words: Error,
}

/// However the connection ends, nobody shall wait for it any longer.
impl Drop for Io {
    fn drop(&mut self) {
        self.engines.close();
        self.commands.close();
        for job in self.jobs.iter() {
            job.end(Ended::Failed(self.last_words.clone()));
        }
        self.jobs.clear();
        self.kept.end(&self.last_words);
        self.wishes.fail(&self.last_words);
    }
}

pub(super) fn spawn(
    drive: Arc<Drive>,
    source: FileSource,
    commands: mpsc::UnboundedReceiver<Command>,
    Shared { jobs, engines, kept }: Shared,
    tell: SyncSender<Result<(), Error>>,
) -> std::io::Result<JoinHandle<()>> {
    let wishes = Wishes::default();
    let (unanswered, held, last_words) = (BTreeSet::new(), Vec::new(), broken());
    let io = Io { source, commands, jobs, engines, kept, wishes, unanswered, held, last_words };
    std::thread::Builder::new().name("phalanx-client".into()).spawn(move || {
        drive.run(io.run(tell)).unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
    })
}

fn not_back() -> Error {
    Error::ControllerLost("it is not back yet".to_owned())
}

/// Unless it ends in order, this is why.
fn broken() -> Error {
    Error::ControllerLost("the thread that held it has panicked, which is a fault of this library".to_owned())
}

impl Io {
    async fn run(mut self, tell: SyncSender<Result<(), Error>>) {
        self.last_words = match self.connect().await {
            Ok(link) => {
                let _ = tell.send(Ok(()));
                self.keep(link).await
            }
            Err(Over::Refused(e)) => {
                let _ = tell.send(Err(e.clone()));
                e
            }
            Err(Over::Lost(e)) => {
                let _ = tell.send(Err(Error::Connect(e.clone())));
                Error::Connect(e)
            }
            Err(Over::Closed) => Error::Closed,
        };
    }

    /// Serves, and comes back when the controller does; returns why it ended.
    async fn keep(&mut self, mut link: Link) -> Error {
        loop {
            match self.serve(link).await {
                Over::Closed => return Error::Closed,
                Over::Refused(e) => return e,
                Over::Lost(why) => {
                    tracing::warn!("the connection to the controller was lost: {why}; trying again");
                    self.engines.lost(&why);
                    self.kept.lost(&Error::ControllerLost(why.clone()));
                    self.end_direct(&why);
                    self.wishes.fail(&Error::ControllerLost(why));
                }
            }
            link = match self.reconnect().await {
                Ok(link) => link,
                Err(e) => return e,
            };
            for job in self.kept.aborting.all() {
                // It may go on without us: only who follows it can end it.
                link.outgoing.send_ahead(upload::attach(job.key, job.id, job.spec.result_type));
                link.outgoing.cancel(job.key);
            }
            self.resubmit(&link.outgoing);
        }
    }

    fn connect(&self) -> impl Future<Output = Result<Link, Over>> + Send + use<> {
        connect(Arc::clone(&self.source), Arc::clone(&self.engines))
    }

    async fn reconnect(&mut self) -> Result<Link, Error> {
        let mut backoff = BACKOFF_MIN;
        let given_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.hold() => return Err(Error::Closed),
            }
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = self.hold() => return Err(Error::Closed),
            };
            match connected {
                Ok(link) => return Ok(link),
                Err(Over::Refused(e)) => return Err(e),
                Err(Over::Closed) => return Err(Error::Closed),
                Err(Over::Lost(why)) if tokio::time::Instant::now() >= given_up => {
                    return Err(Error::ControllerLost(format!(
                        "it did not come back within {} s\n  The last attempt: {why}",
                        PATIENCE.as_secs()
                    )));
                }
                Err(Over::Lost(why)) => tracing::debug!("the controller is not back yet: {why}"),
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// While there is no connection: jobs wait in the map, direct ones end. Returns when the client is closed.
    async fn hold(&mut self) {
        loop {
            match self.commands.recv().await {
                None | Some(Command::Close) => return,
                Some(Command::Submit(job)) => {
                    job.take();
                    if matches!(job.spec.plan, JobPlan::Direct { .. }) {
                        job.end(Ended::Failed(not_back()));
                        self.jobs.remove(&job.key);
                    }
                }
                Some(Command::Cancel(job)) => drop(self.abort(job)),
                Some(Command::Attach { key, .. }) => {
                    if let Some((_, waiting)) = self.kept.attaching.remove(&key) {
                        waiting.tell(Err(Error::ControllerLost("it is not back yet".to_owned())));
                    }
                }
                Some(Command::Control(wish)) => {
                    wish.fail(Error::ControllerLost("it is not back yet".to_owned()))
                }
                // Who asked hears that there was no answer.
                Some(Command::Ask(_)) => {}
            }
        }
    }

    async fn serve(&mut self, mut link: Link) -> Over {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(Command::Close) => return Over::Closed,
                    Some(Command::Submit(job)) => {
                        job.take();
                        // It may have been ended while it waited for the connection.
                        if job.is_over() {
                            self.kept.aborting.remove(job.key);
                        } else {
                            self.submit(job, &link.outgoing, false);
                        }
                    }
                    Some(Command::Ask(ask)) => drop(tokio::spawn(ask(link.channel.clone()))),
                    Some(Command::Cancel(job)) => {
                        if self.abort(job) && !link.outgoing.cancel(job) {
                            self.kept.aborting.remove(job);
                        }
                    }
                    Some(Command::Control(wish)) => self.wishes.send(wish, &link.outgoing),
                    Some(Command::Attach { key, id, result_type }) => {
                        link.outgoing.send_ahead(upload::attach(key, id, result_type));
                    }
                },
                event = link.events.message() => match event {
                    Ok(Some(ClientEvent { kind: Some(event), crowded })) => {
                        if crowded {
                            phalanx_idle::rest();
                        }
                        if let Err(over) = self.on_event(event, &link) {
                            return over;
                        }
                    }
                    Ok(Some(ClientEvent { kind: None, .. })) => {}
                    Ok(None) => return Over::Lost("the controller closed it".to_owned()),
                    Err(e) => return status(&e),
                },
            }
        }
    }

    fn on_event(&mut self, event: Kind, link: &Link) -> Result<(), Over> {
        let job = |key: u64| self.jobs.get(&key).map(|job| Arc::clone(&job));
        match event {
            Kind::Part(part) => {
                phalanx_proto::heap::keep_buffers();
                if let Some(job) = job(part.job) {
                    job.on_part(part);
                }
            }
            Kind::Report(report) => {
                let key = report.job;
                if let Some(job) = job(key)
                    && !job.on_report(report)
                {
                    return Err(Over::Lost(format!("results of job {} contradict themselves", job.id)));
                }
            }
            Kind::Output(output) => drop(job(output.job).map(|job| job.on_output(output))),
            Kind::Failed(failed) => {
                if let Some(job) = job(failed.job) {
                    job.on_failed(failed);
                }
            }
            Kind::Lost(lost) => {
                if let Some(job) = job(lost.job) {
                    job.on_attempt_lost(&lost);
                }
            }
            Kind::Finished(finished) => {
                if let Some((_, job)) = self.jobs.remove(&finished.job) {
                    job.on_finished(&finished);
                }
                self.kept.aborting.remove(finished.job);
            }
            Kind::Refused(refused) => {
                let job = self.jobs.remove(&refused.job).map(|(_, job)| job);
                let error = refusal(&refused, job.as_deref(), &self.engines);
                self.kept.refused(refused.job, &error);
                if let Some(job) = job {
                    job.end(Ended::Failed(error));
                }
            }
            Kind::Attached(attached) => self.on_attached(attached, &link.outgoing),
            Kind::Engines(change) => self.engines.change(change),
            Kind::NeedProgram(_) => drop(tokio::spawn(upload::program(link.channel.clone()))),
            Kind::Goodbye(bye) => return Err(goodbye(bye)),
            Kind::Controlled(done) => self.wishes.answer(done),
            Kind::Accepted(_) | Kind::Welcome(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
