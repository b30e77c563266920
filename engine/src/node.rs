//! The front door: a node registers its engines, serves them, and comes back when the controller does.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use phalanx_link::ConnectError;
use phalanx_profile::{ConnectionError, ConnectionFile, Role};
use phalanx_programs::{Store, StoreError};
use phalanx_proto::host;
use phalanx_proto::stream::{Incoming, NODE_SESSION};
use phalanx_proto::v1::{self, Refusal, node_command, node_message::Kind};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION, target};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::config::{Connection, NodeConfig};
use crate::heartbeat::Heartbeat;
use crate::outbound::{OUTBOUND_MESSAGES_MAX, message};
use crate::program::Programs;
use crate::session::{Session, events};
use crate::slot::Predecessors;
use crate::worker::{Event, WorkerContext};

/// Between two attempts to reach the controller, at first and at most.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// At the end of a session its workers are waited for, this long.
const WORKERS_END_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a node cannot serve.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The connection file is no good.
    #[error(transparent)]
    File(#[from] ConnectionError),
    /// The controller cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The controller will not have this node.
    #[error("the controller refuses this node: {0}")]
    Refused(String),
    /// The connection ended.
    #[error("the connection to the controller was lost: {0}")]
    Lost(String),
    /// No place for programs.
    #[error(transparent)]
    Programs(#[from] StoreError),
    /// The system lacks something.
    #[error("the node cannot start: {0}")]
    System(#[from] std::io::Error),
}

impl NodeError {
    /// Whether trying again may help.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Lost(_) | Self::File(ConnectionError::Missing { .. }))
    }
}

/// What is said of workers that a session has ended with.
const RESTARTED: &str = "it was ended when the engine lost its controller, which may have been restarted; engines begin anew then";

/// What a node is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Serve,
    /// Finish what runs, then end.
    Drain,
    /// End now.
    Stop,
}

/// What a node tells: the ids of its engines while it is registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Standing {
    engines: Vec<u32>,
}

/// A node that is serving, or trying to. Dropping the task that runs it ends its workers.
#[derive(Debug)]
pub struct Node {
    wish: watch::Sender<Wish>,
    standing: watch::Receiver<Standing>,
}

impl Node {
    /// A node and the future that runs it. The future ends when the node was drained or stopped, when the controller refuses it, or,
    /// without [`NodeConfig::reconnect`], when the connection is lost.
    pub fn new(config: NodeConfig) -> (Self, impl Future<Output = Result<(), NodeError>> + Send) {
        let (wish, wishes) = watch::channel(Wish::Serve);
        let (tell, standing) = watch::channel(Standing::default());
        let run = run(Arc::new(config), wishes, tell);
        (Self { wish, standing }, run)
    }

    /// Asks it to leave: running chunks finish, queued ones are handed back.
    pub fn drain(&self) {
        self.wish.send_replace(Wish::Drain);
    }

    /// Asks it to end now: workers are ended, whatever they run.
    pub fn stop(&self) {
        self.wish.send_replace(Wish::Stop);
    }

    /// Waits until it is registered: the ids of its engines. `None` when it has ended.
    pub async fn registered(&self) -> Option<Vec<u32>> {
        let mut standing = self.standing.clone();
        let engines = standing.wait_for(|s| !s.engines.is_empty()).await.ok()?.engines.clone();
        Some(engines)
    }
}

async fn run(
    config: Arc<NodeConfig>,
    mut wishes: watch::Receiver<Wish>,
    tell: watch::Sender<Standing>,
) -> Result<(), NodeError> {
    let dir = config.programs_dir.clone();
    let store = Arc::new(Store::open(&dir, config.programs_bytes_max)?);
    let mut seats = Seats::new(config.engines);
    let mut backoff = BACKOFF_MIN;
    let mut trouble = Trouble::default();
    loop {
        let outcome = serve(&config, &store, &mut seats, &mut wishes, &tell).await;
        let was_registered = !tell.borrow().engines.is_empty();
        tell.send_replace(Standing::default());
        match outcome {
            Ok(()) => return Ok(()),
            Err(e) if !config.reconnect || !e.may_pass() => return Err(e),
            Err(_) if *wishes.borrow() != Wish::Serve => return Ok(()),
            Err(e) => trouble.tell(&e.to_string()),
        }
        if was_registered {
            backoff = BACKOFF_MIN;
        }
        if tokio::time::timeout(backoff, asked_to_leave(&mut wishes, false)).await.is_ok() {
            return Ok(());
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// What was said of a controller that cannot be reached: the same thing once a minute at most.
#[derive(Default)]
struct Trouble {
    said: Option<(String, Instant)>,
}

/// How often the same trouble is logged as a warning.
const TROUBLE_EVERY: Duration = Duration::from_secs(60);

impl Trouble {
    fn tell(&mut self, text: &str) {
        if self.said.as_ref().is_some_and(|(said, when)| said == text && when.elapsed() < TROUBLE_EVERY) {
            tracing::debug!("{text}; trying again");
            return;
        }
        tracing::warn!("{text}; trying again");
        self.said = Some((text.to_owned(), Instant::now()));
    }
}

/// The engines of a node that no client has shut down: those do not come back with the controller.
struct Seats {
    /// Their places among all that the node was started with, by which their tags are found.
    places: Vec<usize>,
    /// Their ids, when the node was registered before.
    ids: Vec<u32>,
    /// What became of their workers when the last session ended, by their places.
    before: HashMap<usize, Predecessors>,
}

impl Seats {
    fn new(engines: u32) -> Self {
        Self { places: (0..engines as usize).collect(), ids: Vec::new(), before: HashMap::new() }
    }

    /// Each engine's id, and its place.
    fn iter(&self) -> impl Iterator<Item = (u32, usize)> {
        self.ids.iter().copied().zip(self.places.iter().copied())
    }

    /// Only these are left.
    fn keep(&mut self, left: &[u32]) {
        let kept: Vec<(u32, usize)> = self.iter().filter(|(id, _)| left.contains(id)).collect();
        (self.ids, self.places) = kept.into_iter().unzip();
    }
}

/// One session, from connecting to its end.
async fn serve(
    config: &Arc<NodeConfig>,
    store: &Arc<Store>,
    seats: &mut Seats,
    wishes: &mut watch::Receiver<Wish>,
    tell: &watch::Sender<Standing>,
) -> Result<(), NodeError> {
    let file = match &config.connection {
        Connection::Path(path) => ConnectionFile::load(path, Role::Engine)?,
        Connection::File(file) => (**file).clone(),
    };
    let host_id = host::id();
    let connected = phalanx_link::connect(&file, &host_id).await?;
    let (outbound, messages) = mpsc::channel(OUTBOUND_MESSAGES_MAX);
    let register = message(Kind::Register(registration(config, seats, &host_id)));
    outbound.send(register).await.map_err(|_| NodeError::Lost("before it began".to_owned()))?;
    let messages = ReceiverStream::new(messages);
    let session = phalanx_link::open_session(connected.channel.clone(), NODE_SESSION, messages);
    let mut commands = session.await.map_err(|e| refused_or_lost(&e))?;
    let registered = await_registered(&mut commands).await?;
    tracing::info!(engines = ?registered.engines, "registered with the controller over {}", connected.route);
    seats.ids.clone_from(&registered.engines);

    let every = Duration::from_millis(u64::from(registered.heartbeat_ms).max(10));
    let heartbeat = Heartbeat::start(file, host_id.clone(), registered.node, every)?;
    let (tx, workers_events) = events();
    let programs = Arc::new(Programs::new(Arc::clone(store), host_id, connected.channel));
    let (alive, mut all_gone) = mpsc::channel(1);
    let ctx = WorkerContext {
        config: Arc::clone(config),
        programs,
        outbound: outbound.clone(),
        events: tx,
        _alive: alive,
    };
    let mut before = std::mem::take(&mut seats.before);
    let engines = seats.iter().map(|(id, place)| (id, place, before.remove(&place).unwrap_or_default()));
    let mut session = Session::new(ctx, engines);
    tell.send_replace(Standing { engines: registered.engines });
    let outcome = attend(&mut session, commands, workers_events, &outbound, &heartbeat, wishes).await;
    let left: Vec<u32> = session.engines().collect();
    seats.keep(&left);
    seats.before = session.leave_behind(RESTARTED);
    drop(session);
    // The session is gone and with it the workers' last frames; nobody shall outlive it.
    if tokio::time::timeout(WORKERS_END_TIMEOUT, all_gone.recv()).await.is_err() {
        tracing::warn!("a worker does not end; it is left to the system");
    }
    outcome
}

/// The session's loop.
async fn attend(
    session: &mut Session,
    mut commands: Incoming<v1::NodeCommand>,
    mut events: mpsc::Receiver<Event>,
    outbound: &mpsc::Sender<v1::NodeMessage>,
    heartbeat: &Heartbeat,
    wishes: &mut watch::Receiver<Wish>,
) -> Result<(), NodeError> {
    let lost = |why: &str| NodeError::Lost(why.to_owned());
    let mut draining = false;
    loop {
        tokio::select! {
            command = commands.message() => {
                let command = command.map_err(|e| refused_or_lost(&e))?.ok_or_else(|| lost("the controller closed it"))?;
                match command.kind {
                    Some(node_command::Kind::Goodbye(bye)) => return Err(goodbye(&bye)),
                    Some(node_command::Kind::Drained(_)) => return Ok(()),
                    _ => session.command(command).await.map_err(|e| NodeError::Lost(e.to_string()))?,
                }
                if session.engines().next().is_none() {
                    tracing::info!("all engines were shut down by a client");
                    return Ok(());
                }
            }
            Some(event) = events.recv() => {
                if let Some(message) = session.event(event) {
                    outbound.send(message).await.map_err(|_| lost("the controller closed it"))?;
                }
            }
            () = heartbeat.lost() => return Err(lost("the controller does not answer heartbeats, or has given this node up")),
            wish = asked_to_leave(wishes, draining) => {
                if wish == Wish::Stop {
                    return Ok(());
                }
                draining = true;
                let leaving = message(Kind::Draining(v1::Draining {}));
                outbound.send(leaving).await.map_err(|_| lost("the controller closed it"))?;
            }
        }
    }
}

/// Waits for a wish to leave, or, when `draining` already, for the wish to end at once. Dropping the handle is that too.
async fn asked_to_leave(wishes: &mut watch::Receiver<Wish>, draining: bool) -> Wish {
    let news = |wish: &Wish| *wish == Wish::Stop || (*wish == Wish::Drain && !draining);
    wishes.wait_for(news).await.map_or(Wish::Stop, |wish| *wish)
}

fn registration(config: &NodeConfig, seats: &Seats, host_id: &str) -> v1::Register {
    let peer = v1::Peer {
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        host: host::name(),
        host_id: host_id.to_owned(),
        pid: std::process::id(),
    };
    v1::Register {
        peer: Some(peer),
        engines: u32::try_from(seats.places.len()).unwrap_or(u32::MAX),
        wanted: seats.ids.clone(),
        target: target(),
        tags: config.tags.to_wire(&seats.places),
    }
}

async fn await_registered(commands: &mut Incoming<v1::NodeCommand>) -> Result<v1::Registered, NodeError> {
    let first = phalanx_link::first_message(commands).await.map_err(|e| refused_or_lost(&e))?;
    match first.and_then(|c| c.kind) {
        Some(node_command::Kind::Registered(registered)) => Ok(registered),
        Some(node_command::Kind::Goodbye(bye)) => Err(goodbye(&bye)),
        Some(other) => Err(NodeError::Lost(format!("its first word was {other:?}"))),
        None => Err(NodeError::Lost("it closed the connection at once".to_owned())),
    }
}

fn goodbye(bye: &v1::Goodbye) -> NodeError {
    match bye.code() {
        Refusal::Shutdown | Refusal::Expired => NodeError::Lost(bye.message.clone()),
        _ => NodeError::Refused(bye.message.clone()),
    }
}

fn refused_or_lost(status: &tonic::Status) -> NodeError {
    match status.code() {
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => {
            NodeError::Refused(status.message().to_owned())
        }
        _ => NodeError::Lost(phalanx_proto::lost::reason(status)),
    }
}
