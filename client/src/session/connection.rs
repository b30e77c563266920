//! The thread that holds the connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use dashmap::DashMap;
use phalanx_proto::host;
use phalanx_proto::stream::{CLIENT_SESSION, Incoming};
use phalanx_proto::v1::{self, ClientEvent, Refusal, client_event::Kind};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::control::Wishes;
use super::drive::Drive;
use super::kept::Kept;
use super::outgoing::{Outgoing, outgoing};
use super::upload;
use super::{Command, Engines, FileSource};
use crate::error::Error;
use crate::job::{Ended, Job, JobPlan};
use crate::program::this_program;

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
    held: Vec<(Arc<Job>, bool)>,
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

/// An established session.
struct Link {
    outgoing: Outgoing,
    events: Incoming<ClientEvent>,
    channel: Channel,
}

/// Why a session ended.
enum Over {
    /// The client was closed.
    Closed,
    /// The connection was lost, and may come back.
    Lost(String),
    /// The controller will not have this client.
    Refused(Error),
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

    fn end_direct(&self, why: &str) {
        self.jobs.retain(|_, job| {
            // What is kept may go on without us.
            let direct = matches!(job.spec.plan, JobPlan::Direct { .. }) && !job.spec.options.kept;
            if direct {
                job.end(Ended::Failed(Error::ControllerLost(why.to_owned())));
            }
            !direct
        });
    }

    fn resubmit(&mut self, outgoing: &Outgoing) {
        (self.unanswered, self.held) = Default::default();
        // One that is over needs nothing more; only its end was not heard of.
        self.jobs.retain(|_, job| job.spec.options.kept || !job.is_over());
        // The others' commands are still to come, and each job is submitted once.
        let taken = self.jobs.iter().filter(|job| job.is_taken());
        let mut jobs: Vec<_> = taken.map(|job| Arc::clone(&job)).collect();
        jobs.sort_by_key(|job| job.key);
        let (kept, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.spec.options.kept);
        for job in kept {
            job.follow();
            self.unanswered.insert(job.key);
            outgoing.send_ahead(upload::attach(job.key, job.id, job.spec.result_type));
        }
        for job in others {
            self.submit(job, outgoing, true);
        }
    }

    /// The controller has said whether it knows a job that is followed.
    pub(super) fn answered(&mut self, key: u64, outgoing: &Outgoing) {
        if !self.unanswered.remove(&key) || !self.unanswered.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|(job, _)| job.key);
        for (job, again) in held.into_iter().filter(|(job, _)| !job.is_over()) {
            self.submit(job, outgoing, again);
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

    /// The job ends; whether it was under way. No part of it is sent after this.
    fn abort(&self, key: u64) -> bool {
        let Some((_, job)) = self.jobs.remove(&key) else { return false };
        job.end(Ended::Failed(Error::Aborted));
        true
    }

    /// The data of small jobs goes out at once, with them; that of others takes its time beside them.
    pub(super) fn submit(&mut self, job: Arc<Job>, outgoing: &Outgoing, again: bool) {
        if !self.unanswered.is_empty() && !job.spec.options.after.is_empty() {
            return self.held.push((job, again));
        }
        let waits = match job.spec.options.settled() {
            Ok(waits) => waits,
            Err(why) => {
                self.jobs.remove(&job.key);
                let error = Error::Impossible(why.to_owned());
                self.kept.refused(job.key, &error);
                return job.end(Ended::Failed(error));
            }
        };
        outgoing.send_ahead(upload::submission(&job, again, waits));
        if let Some(messages) = upload::small(&job)
            && outgoing.try_send(messages).is_ok()
        {
            return;
        }
        tokio::spawn(upload::data(job, outgoing.clone()));
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
                let error = refusal(&refused, &self.engines);
                self.kept.refused(refused.job, &error);
                if let Some((_, job)) = self.jobs.remove(&refused.job) {
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

/// One attempt. It can be given up at any point.
async fn connect(source: FileSource, engines: Arc<Engines>) -> Result<Link, Over> {
    let file = tokio::task::spawn_blocking(move || source()).await;
    let file = file.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic())).map_err(Over::Lost)?;
    let program = this_program().map_err(Over::Lost)?;
    let host_id = host::id();
    let connected = phalanx_link::connect(&file, &host_id).await.map_err(|e| Over::Lost(e.to_string()))?;
    let (outgoing, messages) = outgoing();
    let peer = v1::Peer {
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        host: host::name(),
        host_id,
        pid: std::process::id(),
    };
    let hello = upload::hello(v1::ClientHello { peer: Some(peer), program: Some(program) });
    outgoing.send_ahead(hello);
    let session = phalanx_link::open_session(connected.channel.clone(), CLIENT_SESSION, messages);
    let mut events: Incoming<ClientEvent> = session.await.map_err(|e| status(&e))?;
    match phalanx_link::first_message(&mut events).await.map_err(|e| status(&e))?.and_then(|e| e.kind) {
        Some(Kind::Welcome(welcome)) => {
            tracing::info!(profile = file.profile, "connected to the controller over {}", connected.route);
            engines.reset(&file.profile, welcome.engines);
        }
        Some(Kind::Goodbye(bye)) => return Err(goodbye(bye)),
        other => return Err(Over::Lost(format!("the controller's first word was {other:?}"))),
    }
    Ok(Link { outgoing, events, channel: connected.channel })
}

fn refusal(refused: &v1::JobRefused, engines: &Engines) -> Error {
    match refused.code() {
        Refusal::NoEngines => Error::NoEngines,
        Refusal::UnknownEngine if engines.ids().is_empty() => Error::NoEngines,
        Refusal::Impossible => Error::Impossible(refused.message.clone()),
        Refusal::UnknownJob => Error::UnknownDependency(refused.message.clone()),
        _ => Error::JobRefused(refused.message.clone()),
    }
}

fn goodbye(bye: v1::Goodbye) -> Over {
    match bye.code() {
        Refusal::Shutdown => Over::Lost(bye.message),
        _ => Over::Refused(Error::Refused(bye.message)),
    }
}

fn status(status: &tonic::Status) -> Over {
    match status.code() {
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => {
            Over::Refused(Error::Refused(status.message().to_owned()))
        }
        _ => Over::Lost(phalanx_proto::lost::reason(status)),
    }
}

#[cfg(test)]
mod tests;
