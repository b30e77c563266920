//! The front door: one task owns the scheduler, tells it what happened and does what it wants done.
//!
//! ```text
//!   sessions ── Event ──▶ inbox ──▶ Driver ── Input ──▶ Scheduler
//!                                     │  ◀── Action ──────┘
//!   peers ◀── outboxes ◀── messages ──┘
//! ```
//!
//! It decides nothing: it translates. Events come from the sessions' bounded [`inbox`](crate::inbox) already
//! parsed; messages go to [`outbox`](crate::outbox)es and are never waited for. What belongs to a job but
//! not to scheduling is kept here: its bytes, its client's number for it, which nodes know it.
//!
//! - `clients`, `nodes`: what each side's events mean; `control`: what clients want of engines;
//! - `actions`, `assign`: what each action sends; `output`: what user code prints;
//! - `roster`, `job`: who is there, what is to be done;
//! - `kept`, `shelf`: jobs that outlive their client; `listing`: what is kept and under way; `explain`: why a job waits;
//! - `history`: what is noted of jobs for later;
//! - `backlog`: what is handled next; `clock`: the scheduler's time; `failures`: the words for what went wrong; `status`: a look from outside.

mod abort;
mod actions;
mod assign;
mod backlog;
mod clients;
mod clock;
mod control;
mod explain;
mod failures;
mod history;
mod job;
mod kept;
mod listing;
mod nodes;
mod output;
mod roster;
mod shelf;
mod status;

use std::collections::{BTreeMap, HashMap};
use std::future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use phalanx_history::Recorder;
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId};
use phalanx_proto::v1::client_event::Kind as ToClient;
use phalanx_proto::v1::node_command::Kind as ToNode;
use phalanx_proto::v1::{ClientEvent, EngineInfo, EngineLeft, EnginesChanged, NodeCommand, Refusal};
use phalanx_scheduler::{Config, Input, Reject, Scheduler};
use prost::Message as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep_until;

use crate::inbox::{Event, Posted};
use crate::limits::Limits;
use crate::outbox::{Load, PeerId, Relief};
use crate::parse::{NodeReport, Refused};
use crate::programs::Library;
use backlog::Backlog;
use clock::Clock;
use control::Controls;
use job::Job;
use kept::Secured;
use roster::{Client, Engine, Node, ProgramKeys};
use shelf::Shelf;

/// Events handled before the peers' connections get their turn, and those that may wait for the next.
const BATCH_EVENTS_MAX: usize = 512;

/// How long an acknowledgement may wait for a message that it can travel with.
const LINGER: Duration = Duration::from_millis(1);

/// Heartbeats that a node sends in the time after which its silence counts as its loss.
const BEATS_PER_TIMEOUT: u32 = 5;

/// Owns the scheduler. See the module's documentation.
pub(crate) struct Driver {
    scheduler: Scheduler,
    clock: Clock,
    inbox: mpsc::Receiver<Posted>,
    backlog: Backlog,
    relief: Arc<Relief>,
    library: Arc<Library>,
    /// None: no history is kept.
    recorder: Option<Recorder>,
    limits: Limits,
    heartbeat: Duration,
    started: Instant,
    /// The same by the wall clock, since the epoch.
    started_at: Duration,
    clients: HashMap<ClientId, Client>,
    nodes: HashMap<NodeId, Node>,
    engines: BTreeMap<EngineId, Engine>,
    jobs: HashMap<JobKey, Job>,
    program_keys: ProgramKeys,
    jobs_made: u64,
    payload_bytes: u64,
    shelf: Shelf,
    /// Programs of kept jobs on their way here, one for each job that waits for its own.
    securing: JoinSet<Secured>,
    /// The report that the scheduler is deciding on.
    reporting: Option<Box<NodeReport>>,
    /// Peers with messages that linger, and until when.
    lingering: Vec<PeerId>,
    linger_until: Option<Instant>,
    /// Engines that clients are still to be told about.
    joined: Vec<EngineInfo>,
    left: Vec<(EngineId, Arc<str>)>,
    controls: Controls,
}

impl Driver {
    pub(crate) fn new(
        config: Config,
        seed: u64,
        limits: Limits,
        inbox: mpsc::Receiver<Posted>,
        relief: Arc<Relief>,
        library: Arc<Library>,
        recorder: Option<Recorder>,
    ) -> Self {
        let started = Instant::now();
        let heartbeat = config.heartbeat_timeout / BEATS_PER_TIMEOUT;
        Self {
            // Two heartbeats are enough for everybody who is there to be heard.
            clock: Clock::new(started, heartbeat * 2),
            scheduler: Scheduler::new(config, seed),
            inbox,
            backlog: Backlog::default(),
            relief,
            library,
            shelf: Shelf::new(limits.kept_bytes_max, limits.kept_age_max),
            securing: JoinSet::new(),
            recorder,
            limits,
            heartbeat,
            started,
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            clients: HashMap::new(),
            nodes: HashMap::new(),
            engines: BTreeMap::new(),
            jobs: HashMap::new(),
            program_keys: ProgramKeys::default(),
            jobs_made: 0,
            payload_bytes: 0,
            reporting: None,
            lingering: Vec::new(),
            linger_until: None,
            joined: Vec::new(),
            left: Vec::new(),
            controls: Controls::default(),
        }
    }

    /// Told when a client wants the controller to end.
    pub(crate) fn stop_wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.controls.stop)
    }

    /// Runs until `shutdown`, then says goodbye to everybody.
    pub(crate) async fn run(mut self, mut shutdown: oneshot::Receiver<()>) {
        let relief = Arc::clone(&self.relief);
        let mut batch = Vec::with_capacity(BATCH_EVENTS_MAX);
        loop {
            let deadline = self.scheduler.poll_timeout();
            let timers =
                self.linger_until.into_iter().chain(self.controls.deadline()).chain(self.shelf.due());
            let put_off = self.backlog.put_off(Instant::now());
            let timers = timers.chain(put_off);
            let wake = deadline.map(|d| self.clock.instant(d)).into_iter().chain(timers).min();
            let room = BATCH_EVENTS_MAX - self.backlog.len();
            let mut secured = None;
            tokio::select! {
                biased;
                _ = &mut shutdown => break,
                received = self.inbox.recv_many(&mut batch, room), if room > 0 => if received == 0 { break },
                () = relief.told() => {}
                Some(done) = self.securing.join_next() => secured = done.ok(),
                // The connections run meanwhile.
                () = yield_now(), if !self.backlog.is_empty() && put_off.is_none() => {}
                () = at(wake) => {}
            }
            if let Some(deadline) = deadline {
                self.clock.woke(deadline, Instant::now());
            }
            self.handle(&mut batch);
            if let Some(secured) = secured {
                self.on_secured(secured);
            }
            self.relieve();
            self.nudge();
            self.tick();
            self.age_shelf();
            self.end_patience();
            self.end_turn();
        }
        self.end_turn();
        self.say_goodbye();
    }

    /// Handles what is short of what has come, then what carries much.
    fn handle(&mut self, batch: &mut Vec<Posted>) {
        let mut went_first = false;
        for posted in batch.drain(..) {
            if let Some(posted) = self.backlog.admit(posted) {
                went_first = true;
                self.on_event(posted.event);
            }
        }
        for posted in self.backlog.turn(went_first, Instant::now()) {
            self.on_event(posted.event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::FromNode { node, said } => self.on_node(node, said),
            Event::FromClient { client, said } => self.on_client(client, said),
            Event::Beat { node, known } => self.on_beat(node, known),
            Event::ClientJoined { client, hello, outbox } => self.on_client_joined(client, *hello, outbox),
            Event::ClientLeft { client } => self.on_client_left(client),
            Event::NodeJoined { node, registration, outbox } => {
                self.on_node_joined(node, *registration, outbox)
            }
            Event::NodeLeft { node, reason } => self.on_node_left(node, reason),
            // The asker may be gone again.
            Event::Status { reply } => drop(reply.send(self.status())),
            Event::Explain { job, reply } => drop(reply.send(self.explain(&job))),
            Event::Abort { jobs, reply } => drop(reply.send(self.abort(&jobs))),
            Event::Jobs { reply } => drop(reply.send(self.list_jobs())),
            Event::Purge { wanted, reply } => drop(reply.send(self.purge(&wanted))),
        }
    }

    /// Passes time, if it is due and nobody's sign of life waits to be handled.
    fn tick(&mut self) {
        let is_due = |driver: &mut Self| {
            let now = driver.clock.at(Instant::now());
            driver.scheduler.poll_timeout().is_some_and(|deadline| deadline <= now)
        };
        if !is_due(self) {
            return;
        }
        for _ in 0..self.inbox.len() {
            let Ok(posted) = self.inbox.try_recv() else { break };
            if let Some(posted) = self.backlog.admit(posted) {
                self.on_event(posted.event);
            }
        }
        while let Some(posted) = self.backlog.pop() {
            self.on_event(posted.event);
        }
        if is_due(self) {
            self.expect(Input::Tick);
            self.settle();
        }
    }

    /// Tells the scheduler something that a peer may have got wrong.
    fn tell(&mut self, input: Input) -> Result<(), Reject> {
        let now = self.clock.at(Instant::now());
        self.scheduler.handle(now, input)
    }

    /// Tells the scheduler something that it cannot refuse, unless we have lost count of each other.
    fn expect(&mut self, input: Input) {
        if let Err(reject) = self.tell(input) {
            tracing::debug!(%reject, "the scheduler did not expect this");
        }
    }

    /// Does everything that the scheduler wants done.
    fn settle(&mut self) {
        while let Some(action) = self.scheduler.poll_action() {
            self.perform(action);
        }
        if !self.joined.is_empty() || !self.left.is_empty() {
            self.announce_engines();
        }
    }

    fn announce_engines(&mut self) {
        let joined = std::mem::take(&mut self.joined);
        let left = std::mem::take(&mut self.left);
        for (engine, reason) in &left {
            self.engines.remove(engine);
            tracing::info!(%engine, %reason, "an engine has left");
        }
        let left = left
            .into_iter()
            .map(|(id, reason)| EngineLeft { id: id.0, reason: reason.to_string() })
            .collect();
        let changed = EnginesChanged { joined, left };
        let bytes = changed.encoded_len();
        for client in self.clients.values() {
            // Before the answer to whoever wanted it.
            client.send_urgently(ToClient::Engines(changed.clone()), bytes);
        }
    }

    /// Peers that read again.
    fn relieve(&mut self) {
        let relieved = self.relief.take();
        if relieved.is_empty() {
            return;
        }
        for peer in relieved {
            match peer {
                PeerId::Client(client)
                    if self.clients.get(&client).is_some_and(|c| c.outbox().is_overfull()) =>
                {
                    self.on_client_load(client, Load::Overfull);
                }
                PeerId::Node(node) if self.nodes.get(&node).is_some_and(|n| n.outbox().is_overfull()) => {
                    self.on_node_load(node, Load::Overfull);
                }
                PeerId::Client(client) => {
                    // It may be under pressure again since that was said.
                    let on = self.clients.get(&client).is_some_and(|c| c.outbox().is_pressed());
                    self.expect(Input::ClientPressure { client, on });
                    self.catch_up(client);
                }
                PeerId::Node(node) => {
                    let on = self.nodes.get(&node).is_some_and(|n| n.outbox().is_pressed());
                    self.expect(Input::NodePressure { node, on });
                }
            }
        }
        self.settle();
    }

    /// A message waits at this peer without having woken it.
    fn linger(&mut self, peer: PeerId) {
        self.lingering.push(peer);
        self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
    }

    /// Sends what has lingered long enough.
    fn nudge(&mut self) {
        if self.linger_until.is_none_or(|until| Instant::now() < until) {
            return;
        }
        self.linger_until = None;
        for peer in self.lingering.drain(..) {
            match peer {
                PeerId::Client(id) => self.clients.get(&id).map(|client| client.outbox().nudge()),
                PeerId::Node(id) => self.nodes.get(&id).map(|node| node.outbox().nudge()),
            };
        }
    }

    fn say_goodbye(&mut self) {
        let refused = match self.controls.stopped_by() {
            None => Refused::new(Refusal::Shutdown, "the controller was stopped; start it again to go on"),
            Some(who) => Refused::new(
                Refusal::Shutdown,
                format!("{who} shut the whole cluster down; start it again to go on"),
            ),
        };
        let goodbye = refused.goodbye();
        for client in self.clients.values() {
            client
                .outbox()
                .end(Some(ClientEvent { kind: Some(ToClient::Goodbye(goodbye.clone())), crowded: false }));
        }
        for node in self.nodes.values() {
            node.outbox().end(Some(NodeCommand { kind: Some(ToNode::Goodbye(goodbye.clone())) }));
        }
    }

    /// An engine, for people.
    fn name(&self, engine: EngineId) -> String {
        match self.engines.get(&engine) {
            Some(known) => {
                format!("engine {engine} on {} (its daemon is process {})", known.host, known.node_pid)
            }
            None => format!("engine {engine}"),
        }
    }
}

/// Sleeps until `instant`, or for good.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => future::pending().await,
    }
}

#[cfg(test)]
mod control_tests;
#[cfg(test)]
mod tests;
