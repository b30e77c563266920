//! What the controller costs, beside bare tonic doing the same in the same run:
//!
//! ```text
//! cargo run --release -p phalanx-controller --example relay_cost [DIRECTORY OF A RUNNING CONTROLLER'S PROFILE]
//! ```
//!
//! Controller, client and node each have a thread with a runtime of its own, and talk over the
//! profile's Unix socket. The node runs nothing: it sends small payloads back as results, in reports of as many
//! chunks as the job's label says. Chunks have one element; each has its attempt, its timing and its result,
//! and the client counts them.

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phalanx_controller::{Controller, ControllerConfig};
use phalanx_link::connect;
use phalanx_profile::{ConnectionFile, Profile, Role};
use phalanx_proto::limits::PART_BYTES;
use phalanx_proto::v1::client_event::Kind as Event;
use phalanx_proto::v1::client_message::Kind as Say;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::cluster_server::{Cluster, ClusterServer};
use phalanx_proto::v1::node_command::Kind as Command;
use phalanx_proto::v1::node_message::Kind as NodeSay;
use phalanx_proto::v1::nodes_client::NodesClient;
use phalanx_proto::v1::{
    AbortReply, AbortRequest, Assign, BalancedPlan, ClientEvent, ClientHello, ClientMessage, DirectPlan,
    ExplainReply, ExplainRequest, HistoryReply, HistoryRequest, JobsReply, JobsRequest, NodeMessage, Peer,
    Program, ProgramPiece, ProgramStored, PurgeReply, PurgeRequest, Register, Report, ReportPart, Segment,
    StatusReply, StatusRequest, Submit, submit,
};
use phalanx_proto::version::PROTOCOL_VERSION;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Answer<T> = Result<Response<T>, Status>;

const ELEMENTS: u64 = 1_000_000;
const CALLS: usize = 2_000;
const SCATTER_BYTES: usize = 64 << 20;
const ROUNDS: usize = 5;

fn main() -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let bare = directory.path().join("bare.sock");
    let running = std::env::args().nth(1);
    let profile = Profile::at(running.as_ref().map_or(directory.path().join("cost"), Into::into))?;
    let controller = running.is_none().then(|| start_controller(&profile)).transpose()?;
    let (_keep, bare_server) = start_bare(&bare)?;
    let engines = start_node(&profile)?;
    runtime()?.block_on(measure(&profile, &bare, engines))?;
    drop((controller, bare_server));
    Ok(())
}

async fn measure(profile: &Profile, bare: &Path, engines: Vec<u32>) -> Outcome<()> {
    let mut client = Client::join(profile).await?;
    let mut reference = ClusterClient::new(bare_channel(bare).await?).max_decoding_message_size(16 << 20);
    let mut job = 0;
    for chunks_per_report in [4_096, 64, 1] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            job += 1;
            times.push(client.map(job, chunks_per_report).await?);
        }
        println!("chunks_per_s_by_{chunks_per_report} {:.0}", ELEMENTS as f64 / median(times).as_secs_f64());
    }
    let apply = client.apply(100, engines[0]).await?;
    let mut unary = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        reference.status(StatusRequest {}).await?;
        unary.push(start.elapsed());
    }
    println!("apply_us {:.0}", median(apply).as_secs_f64() * 1e6);
    println!("bare_unary_us {:.0}", median(unary).as_secs_f64() * 1e6);
    let mut scatter = Vec::new();
    let mut echo = Vec::new();
    for round in 0..ROUNDS {
        scatter.push(client.scatter(100_000 + round as u64, &engines).await?);
        echo.push(echo_once(&mut reference).await?);
    }
    let rate = |times: Vec<Duration>| (SCATTER_BYTES >> 20) as f64 / median(times).as_secs_f64();
    println!("scatter_mib_per_s {:.0}", rate(scatter));
    println!("bare_echo_mib_per_s {:.0}", rate(echo));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs `work` on a thread and runtime of its own; gives what it says when it is ready.
fn on_thread<T: Send + 'static, F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce(oneshot::Sender<T>) -> F + Send + 'static,
) -> Outcome<(T, thread::JoinHandle<()>)> {
    let (ready, is_ready) = oneshot::channel();
    let named = thread::Builder::new().name(name.to_owned());
    let handle = named.spawn(move || runtime().expect("a runtime").block_on(work(ready)))?;
    Ok((is_ready.blocking_recv()?, handle))
}

fn start_controller(profile: &Profile) -> Outcome<(oneshot::Sender<()>, thread::JoinHandle<()>)> {
    let profile = profile.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let ((), handle) = on_thread("controller", |ready| async move {
        let controller = Controller::start(ControllerConfig::local(profile)).await.expect("a controller");
        let _ = ready.send(());
        let _ = stopped.await;
        controller.shutdown().await;
    })?;
    Ok((stop, handle))
}

async fn channel(profile: &Profile) -> Outcome<Channel> {
    let file = ConnectionFile::load(profile.client_file(), Role::Client)?;
    Ok(connect(&file, &phalanx_proto::host::id()).await?.channel)
}

fn peer() -> Option<Peer> {
    Some(Peer { protocol: PROTOCOL_VERSION, host: "here".into(), host_id: "here".into(), ..Peer::default() })
}

/// A node of two engines.
fn start_node(profile: &Profile) -> Outcome<Vec<u32>> {
    let profile = profile.clone();
    let (engines, _) = on_thread("node", |ready| async move {
        run_node(&profile, ready).await.expect("a node");
    })?;
    Ok(engines)
}

async fn run_node(profile: &Profile, ready: oneshot::Sender<Vec<u32>>) -> Outcome<()> {
    let mut nodes = NodesClient::new(channel(profile).await?).max_decoding_message_size(16 << 20);
    let (says, said) = mpsc::channel(1024);
    says.send(node_message(NodeSay::Register(Register { peer: peer(), engines: 2, ..Register::default() })))
        .await?;
    let mut hears = nodes.session(ReceiverStream::new(said)).await?.into_inner();
    let mut ready = Some(ready);
    let mut chunks_per_report = u32::MAX;
    // Heartbeats, so that a long run is not taken for a death.
    let (beats, beaten) = mpsc::channel(1);
    let _acks = nodes.heartbeat(ReceiverStream::new(beaten)).await?;
    while let Some(command) = hears.next().await {
        match command?.kind {
            Some(Command::Registered(registered)) => {
                let node = registered.node;
                let beats = beats.clone();
                tokio::spawn(async move {
                    let mut rhythm = tokio::time::interval(Duration::from_secs(1));
                    for sequence in 0.. {
                        rhythm.tick().await;
                        if beats.send(phalanx_proto::v1::Beat { node, sequence }).await.is_err() {
                            return;
                        }
                    }
                });
                ready.take().map(|ready| ready.send(registered.engines));
            }
            Some(Command::Open(open)) => chunks_per_report = open.label.parse().unwrap_or(u32::MAX),
            Some(Command::Assign(assign)) => {
                for report in reports(&assign, chunks_per_report) {
                    says.send(node_message(NodeSay::Report(report))).await?;
                }
            }
            Some(Command::Goodbye(_)) => break,
            _ => {}
        }
    }
    Ok(())
}

fn node_message(kind: NodeSay) -> NodeMessage {
    NodeMessage { kind: Some(kind) }
}

/// Sends small payloads back as they came, and of large ones only that they are done.
fn reports(assign: &Assign, chunks_per_report: u32) -> impl Iterator<Item = Report> + '_ {
    let is_small = assign.data.len() < PART_BYTES / 4;
    (0..assign.chunk_count).step_by(chunks_per_report as usize).map(move |skipped| {
        let chunk_count = chunks_per_report.min(assign.chunk_count - skipped);
        let chunk_bytes = 8 * assign.chunk_len as usize;
        let from = skipped as usize * chunk_bytes;
        let to = from + chunk_count as usize * chunk_bytes;
        Report {
            job: assign.job,
            engine: assign.engine,
            first_chunk: assign.first_chunk + u64::from(skipped),
            chunk_count,
            attempt: assign.attempt,
            chunk_len: assign.chunk_len,
            timings: vec![0; 2 * chunk_count as usize + 8].into(),
            stride: if is_small { 8 } else { 0 },
            data: if is_small { assign.data.slice(from..to) } else { Bytes::new() },
            busy_ns: u64::from(chunk_count) * 100,
            ..Report::default()
        }
    })
}

struct Client {
    says: mpsc::Sender<ClientMessage>,
    hears: Streaming<ClientEvent>,
}

impl Client {
    async fn join(profile: &Profile) -> Outcome<Self> {
        let mut cluster = ClusterClient::new(channel(profile).await?).max_decoding_message_size(16 << 20);
        let (says, said) = mpsc::channel(64);
        let program = Some(Program { hash: vec![0; 32].into(), size: 1, ..Program::default() });
        says.send(ClientMessage { kind: Some(Say::Hello(ClientHello { peer: peer(), program })) }).await?;
        let hears = cluster.session(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { says, hears })
    }

    async fn say(&self, kind: Say) -> Outcome<()> {
        Ok(self.says.send(ClientMessage { kind: Some(kind) }).await?)
    }

    async fn submit(&self, job: u64, label: &str, elements: u64, plan: submit::Plan) -> Outcome<()> {
        let (id, label) = (u128::from(job).to_be_bytes().to_vec().into(), label.to_owned());
        let submit = Submit { job, id, label, elements, stride: 8, plan: Some(plan), ..Submit::default() };
        self.say(Say::Submit(submit)).await
    }

    /// Waits for the end; there must have been results of so many chunks.
    async fn until_finished(&mut self, chunks: u64) -> Outcome<()> {
        let mut reported = 0;
        while let Some(event) = self.hears.next().await {
            match event?.kind {
                Some(Event::Report(report)) => reported += u64::from(report.chunk_count),
                Some(Event::Finished(_)) if reported == chunks => return Ok(()),
                Some(Event::Finished(_)) => return Err(format!("{reported} of {chunks} chunks").into()),
                Some(Event::Goodbye(goodbye)) => return Err(goodbye.message.into()),
                Some(Event::Failed(failed)) => return Err(failed.message.into()),
                _ => {}
            }
        }
        Err("the session ended".into())
    }

    async fn map(&mut self, job: u64, chunks_per_report: u32) -> Outcome<Duration> {
        let start = Instant::now();
        let plan = submit::Plan::Balanced(BalancedPlan { chunksize: 1, ..BalancedPlan::default() });
        self.submit(job, &chunks_per_report.to_string(), ELEMENTS, plan).await?;
        let mut left = ELEMENTS as usize * 8;
        while left > 0 {
            let bytes = left.min(PART_BYTES);
            self.say(Say::Segment(Segment { job, data: vec![1; bytes].into(), ..Segment::default() }))
                .await?;
            left -= bytes;
        }
        self.until_finished(ELEMENTS).await?;
        Ok(start.elapsed())
    }

    async fn apply(&mut self, first_job: u64, engine: u32) -> Outcome<Vec<Duration>> {
        let mut times = Vec::with_capacity(CALLS);
        for job in first_job..first_job + CALLS as u64 {
            let start = Instant::now();
            self.submit(job, "", 1, submit::Plan::Direct(DirectPlan { targets: vec![engine] })).await?;
            self.say(Say::Segment(Segment { job, data: vec![1; 8].into(), ..Segment::default() })).await?;
            self.until_finished(1).await?;
            times.push(start.elapsed());
        }
        Ok(times)
    }

    async fn scatter(&mut self, job: u64, engines: &[u32]) -> Outcome<Duration> {
        let segment = Bytes::from(vec![1; PART_BYTES]);
        let start = Instant::now();
        let plan = submit::Plan::Direct(DirectPlan { targets: engines.to_vec() });
        self.submit(job, "", SCATTER_BYTES as u64 / 8, plan).await?;
        for _ in 0..SCATTER_BYTES / PART_BYTES {
            self.say(Say::Segment(Segment { job, data: segment.clone(), ..Segment::default() })).await?;
        }
        self.until_finished(engines.len() as u64).await?;
        Ok(start.elapsed())
    }
}

/// Bare tonic: a unary call that says nothing, and a stream that sends everything back.
struct Bare;

#[tonic::async_trait]
impl Cluster for Bare {
    type SessionStream = ReceiverStream<Result<ClientEvent, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut inbound = request.into_inner();
        let (events, stream) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbound.message().await {
                let Some(Say::Segment(segment)) = message.kind else { continue };
                let part = ReportPart { data: segment.data, ..ReportPart::default() };
                if events
                    .send(Ok(ClientEvent { kind: Some(Event::Part(part)), crowded: false }))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn upload_program(&self, _: Request<Streaming<ProgramPiece>>) -> Answer<ProgramStored> {
        not_measured()
    }
    async fn explain(&self, _: Request<ExplainRequest>) -> Answer<ExplainReply> {
        not_measured()
    }
    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusReply> {
        Ok(Response::new(StatusReply::default()))
    }

    async fn jobs(&self, _: Request<JobsRequest>) -> Answer<JobsReply> {
        not_measured()
    }
    async fn abort(&self, _: Request<AbortRequest>) -> Answer<AbortReply> {
        not_measured()
    }
    async fn purge(&self, _: Request<PurgeRequest>) -> Answer<PurgeReply> {
        not_measured()
    }
    async fn history(&self, _: Request<HistoryRequest>) -> Answer<HistoryReply> {
        not_measured()
    }
}

fn not_measured<T>() -> Answer<T> {
    Err(Status::unimplemented("not measured"))
}

fn start_bare(path: &Path) -> Outcome<((), thread::JoinHandle<()>)> {
    let path = path.to_owned();
    on_thread("bare", |ready| async move {
        let listener = UnixListener::bind(path).expect("a socket");
        let _ = ready.send(());
        let service = ClusterServer::new(Bare).max_decoding_message_size(16 << 20);
        let server = Server::builder()
            .initial_stream_window_size(16 << 20)
            .initial_connection_window_size(32 << 20)
            .max_frame_size(1 << 20)
            .add_service(service);
        server.serve_with_incoming(UnixListenerStream::new(listener)).await.expect("a server");
    })
}

async fn bare_channel(path: &Path) -> Outcome<Channel> {
    let path = path.to_owned();
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://bare")
        .initial_stream_window_size(16 << 20)
        .initial_connection_window_size(32 << 20);
    Ok(endpoint.connect_with_connector(connector).await?)
}

async fn echo_once(bare: &mut ClusterClient<Channel>) -> Outcome<Duration> {
    let segment = Bytes::from(vec![1; PART_BYTES]);
    let messages = (0..SCATTER_BYTES / PART_BYTES).map(move |_| {
        let segment = Segment { data: segment.clone(), ..Segment::default() };
        ClientMessage { kind: Some(Say::Segment(segment)) }
    });
    let start = Instant::now();
    let mut back = bare.session(tokio_stream::iter(messages)).await?.into_inner();
    let mut bytes = 0;
    while bytes < SCATTER_BYTES {
        let event = back.message().await?.ok_or("the echo ended early")?;
        if let Some(Event::Part(part)) = event.kind {
            bytes += part.data.len();
        }
    }
    Ok(start.elapsed())
}
