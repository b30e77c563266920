//! The thread that holds the connection.

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
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::drive::Drive;
use super::upload::{self, Outgoing};
use super::{Command, Engines, FileSource};
use crate::error::Error;
use crate::job::{Ended, Job, JobPlan};
use crate::program::this_program;

/// Messages that wait for the connection; when it is full, uploads wait.
const OUTGOING_MAX: usize = 32;
/// Between two attempts to reach a controller that went away.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// How long a controller that went away is waited for before jobs that need it fail.
const PATIENCE: Duration = Duration::from_secs(120);

struct Io {
    source: FileSource,
    commands: mpsc::UnboundedReceiver<Command>,
    jobs: Arc<DashMap<u64, Arc<Job>>>,
    engines: Arc<Engines>,
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
    jobs: Arc<DashMap<u64, Arc<Job>>>,
    engines: Arc<Engines>,
    tell: SyncSender<Result<(), Error>>,
) -> std::io::Result<JoinHandle<()>> {
    let io = Io { source, commands, jobs, engines, last_words: broken() };
    std::thread::Builder::new().name("phalanx-client".into()).spawn(move || {
        drive.run(io.run(tell)).unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
    })
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
                    self.end_direct(&why);
                }
            }
            link = match self.reconnect().await {
                Ok(link) => link,
                Err(e) => return e,
            };
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
                        job.end(Ended::Failed(Error::ControllerLost("it is not back yet".to_owned())));
                        self.jobs.remove(&job.key);
                    }
                }
                Some(Command::Cancel(job)) => {
                    self.jobs.remove(&job);
                }
            }
        }
    }

    fn end_direct(&self, why: &str) {
        self.jobs.retain(|_, job| {
            let direct = matches!(job.spec.plan, JobPlan::Direct { .. });
            if direct {
                job.end(Ended::Failed(Error::ControllerLost(why.to_owned())));
            }
            !direct
        });
    }

    fn resubmit(&self, outgoing: &Outgoing) {
        // The others' commands are still to come, and each job is submitted once.
        let taken = self.jobs.iter().filter(|job| job.is_taken());
        let mut jobs: Vec<_> = taken.map(|job| Arc::clone(&job)).collect();
        jobs.sort_by_key(|job| job.key);
        for job in jobs {
            tokio::spawn(upload::submit(job, outgoing.clone(), true));
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
                        if !job.is_over() {
                            submit(job, &link.outgoing);
                        }
                    }
                    Some(Command::Cancel(job)) => {
                        self.jobs.remove(&job);
                        let outgoing = link.outgoing.clone();
                        tokio::spawn(async move { outgoing.send(upload::cancel(job)).await });
                    }
                },
                event = link.events.message() => match event {
                    Ok(Some(ClientEvent { kind: Some(event) })) => {
                        if let Err(over) = self.on_event(event, &link.channel) {
                            return over;
                        }
                    }
                    Ok(Some(ClientEvent { kind: None })) => {}
                    Ok(None) => return Over::Lost("the controller closed it".to_owned()),
                    Err(e) => return status(&e),
                },
            }
        }
    }

    fn on_event(&self, event: Kind, channel: &Channel) -> Result<(), Over> {
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
            }
            Kind::Refused(refused) => {
                if let Some((_, job)) = self.jobs.remove(&refused.job) {
                    job.end(Ended::Failed(refusal(&refused, &self.engines)));
                }
            }
            Kind::Engines(change) => self.engines.change(change),
            Kind::NeedProgram(_) => drop(tokio::spawn(upload::program(channel.clone()))),
            Kind::Goodbye(bye) => return Err(goodbye(bye)),
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
    let (outgoing, messages) = mpsc::channel(OUTGOING_MAX);
    let peer = v1::Peer {
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        host: host::name(),
        host_id,
        pid: std::process::id(),
    };
    let hello = upload::hello(v1::ClientHello { peer: Some(peer), program: Some(program) });
    outgoing.send(hello).await.map_err(|_| Over::Lost("it was closed at once".to_owned()))?;
    let messages = ReceiverStream::new(messages);
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

/// Small jobs go out at once, in one piece; others take their time beside them.
fn submit(job: Arc<Job>, outgoing: &Outgoing) {
    if let Some(messages) = upload::small(&job, false)
        && let Ok(permits) = outgoing.try_reserve_many(messages.len())
    {
        permits.zip(messages).for_each(|(permit, message)| permit.send(message));
        return;
    }
    tokio::spawn(upload::submit(job, outgoing.clone(), false));
}

fn refusal(refused: &v1::JobRefused, engines: &Engines) -> Error {
    match refused.code() {
        Refusal::NoEngines => Error::NoEngines,
        Refusal::UnknownEngine if engines.ids().is_empty() => Error::NoEngines,
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
mod tests {
    use super::*;
    use crate::job::JobSpec;
    use crate::worker::Function;

    fn job(key: u64) -> Arc<Job> {
        let spec = JobSpec {
            function: Function { entry: 0, label: "f", own_worker: false },
            elements: crate::codec::Elements::default(),
            context: bytes::Bytes::new(),
            plan: JobPlan::Balanced { chunksize: 1 },
            options: crate::job::JobOptions::default(),
            numbers: None,
        };
        Arc::new(Job::new(key, spec))
    }

    /// Nobody waits for ever for a connection that is gone, be it by a fault of ours.
    #[test]
    fn a_connection_that_breaks_down_ends_its_jobs() {
        let job = job(1);
        let (jobs, engines) = (Arc::new(DashMap::from_iter([(1, Arc::clone(&job))])), Arc::default());
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let (commands, inbox) = mpsc::unbounded_channel();
        let source: FileSource = Arc::new(|| panic!("the test wants it"));
        let drive = Arc::new(Drive::new().unwrap());
        let thread = spawn(drive, source, inbox, Arc::clone(&jobs), Arc::clone(&engines), tell).unwrap();
        assert!(thread.join().is_err(), "the panic is not hidden");
        assert!(told.recv().is_err() && commands.send(Command::Close).is_err() && jobs.is_empty());
        let Some(Ended::Failed(error)) = job.lock().ended.clone() else { panic!("it has ended") };
        assert!(error.to_string().contains("a fault of this library"), "{error}");
        assert!(matches!(engines.wait_for(1, Duration::from_secs(60)), Err(Error::Closed)));
    }

    /// A second submission would be taken for nonsense, and end the client.
    #[tokio::test]
    async fn a_job_whose_command_is_still_to_come_is_not_submitted_again() {
        let jobs = Arc::new(DashMap::from_iter([1, 2, 3].map(|key| (key, job(key)))));
        [1, 3].iter().for_each(|key| jobs.get(key).unwrap().take());
        let (_commands, inbox) = mpsc::unbounded_channel();
        let source: FileSource = Arc::new(|| Err("nobody asks".to_owned()));
        let io = Io { source, commands: inbox, jobs, engines: Arc::default(), last_words: broken() };
        let (outgoing, mut sent) = mpsc::channel(8);
        io.resubmit(&outgoing);
        drop(outgoing);
        let mut submitted = Vec::new();
        while let Some(message) = sent.recv().await {
            if let Some(v1::client_message::Kind::Submit(submit)) = message.kind {
                submitted.push(submit.job);
            }
        }
        assert_eq!(submitted, [1, 3]);
    }
}
