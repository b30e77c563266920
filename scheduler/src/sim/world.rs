//! The world around the core: nodes, clients and the network, with a clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId};

use super::model::{Broken, Model, PAST_JOBS_MAX, RECALL_TIMEOUT_NS, RETURN_TIMEOUT_NS, ensure};
use super::rng::Rng;
use super::streams::SimStream;
use super::worker::Worker;
use super::{Options, Summary};
use crate::{Action, Config, Input, JobSpec, Outcome, Scheduler, Timestamp};

/// Something that will happen.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A message of a node arrives, if its session lasts.
    FromNode(NodeId, Input),
    /// The session is over for the core.
    SessionEnds(NodeId),
    /// A command arrives at its node.
    ToNode(NodeId, Command),
    /// A chunk has been run.
    ChunkDone { node: NodeId, engine: EngineId, generation: u64 },
    /// A cancelled chunk has had its time.
    GraceOver { node: NodeId, engine: EngineId, generation: u64 },
    /// A node gives a sign of life, and again later.
    Beat(NodeId),
    /// A node that was lost registers anew.
    Rejoin { engines: u32, wanted: Vec<EngineId> },
    /// A stopped node goes on.
    Continue(NodeId),
    /// A client does something.
    Client(ClientId),
    /// A stream does something.
    Stream(ClientId),
    /// Something goes wrong.
    Fault,
}

/// What the core wants of a node.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Assign { engine: EngineId, task: super::worker::Task, epoch: u32 },
    Recall { engine: EngineId, job: JobKey, first: u64, count: u32, attempt: u32 },
    Cancel { engine: EngineId, job: JobKey },
    Restart { engine: EngineId },
    Leave { engine: EngineId },
}

/// A node.
#[derive(Debug)]
pub(super) struct SimNode {
    pub(super) workers: Vec<Worker>,
    /// Stopped like with SIGSTOP: what happens meanwhile waits here.
    pub(super) stopped: Option<Vec<Event>>,
    /// When its last message and its last command arrive: a connection keeps the order.
    pub(super) up: u64,
    pub(super) down: u64,
    /// When its last urgent command arrives.
    pub(super) urgent: u64,
    /// Programs that do not run here.
    pub(super) unable: Option<u64>,
    /// Jobs of which nothing is to be started: what was sent before may still come.
    pub(super) cancelled: BTreeSet<JobKey>,
    /// The core has ended the session, or it is cut; the node itself may not know.
    pub(super) cut: bool,
}

/// A client.
#[derive(Debug, Default)]
pub(super) struct SimClient {
    pub(super) jobs: Vec<JobKey>,
    pub(super) left: u64,
    pub(super) pressed: bool,
}

/// How a job's elements behave.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) seed: u64,
    pub(super) element_ns: u64,
    /// One element in so many fails, so many times.
    pub(super) fails_one_in: u64,
    pub(super) fails_times: u32,
    /// One element in so many ends its worker.
    pub(super) kills_one_in: u64,
    /// One element in so many runs for longer than it may.
    pub(super) overruns_one_in: u64,
    /// What comes of one chunk in so many, by its first element, is more than a report holds.
    pub(super) untold_one_in: u64,
    /// On one engine in so many its condition is not met.
    pub(super) refuses_one_in: u64,
}

/// Everything.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: u64,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    order: u64,
    pub(super) core: Scheduler,
    pub(super) model: Model,
    pub(super) nodes: BTreeMap<NodeId, SimNode>,
    pub(super) clients: BTreeMap<ClientId, SimClient>,
    pub(super) streams: BTreeMap<ClientId, SimStream>,
    pub(super) natures: BTreeMap<JobKey, Nature>,
    pub(super) specs: BTreeMap<JobKey, JobSpec>,
    epochs: BTreeMap<EngineId, u32>,
    pub(super) names: u64,
    pub(super) healed: bool,
    pub(super) summary: Summary,
    pub(super) trace: Option<String>,
    check_every: u64,
    /// How often elements were tried, to know whether they fail again.
    pub(super) tries: BTreeMap<(JobKey, u64), u32>,
    pub(super) used: BTreeSet<EngineId>,
    /// The workers, engine and epoch, that have begun chunks of jobs.
    started: BTreeMap<JobKey, BTreeSet<(EngineId, u32)>>,
    /// Messages that were delivered, to be repeated.
    pub(super) said: Vec<Input>,
}

impl World {
    pub(super) fn new(seed: u64, options: &Options) -> Self {
        let config = Config {
            heartbeat_timeout: std::time::Duration::from_millis(20),
            recall_timeout: std::time::Duration::from_nanos(RECALL_TIMEOUT_NS),
            window_chunks_max: 8,
            past_jobs_max: PAST_JOBS_MAX,
            return_timeout: std::time::Duration::from_nanos(RETURN_TIMEOUT_NS),
            ..Config::default()
        };
        let mut core = Scheduler::new(config.clone(), seed);
        core.bug = options.bug;
        Self {
            rng: Rng::new(seed),
            now: 0,
            events: BTreeMap::new(),
            order: 0,
            core,
            model: Model::new(config.crash_limit),
            nodes: BTreeMap::new(),
            clients: BTreeMap::new(),
            streams: BTreeMap::new(),
            natures: BTreeMap::new(),
            specs: BTreeMap::new(),
            epochs: BTreeMap::new(),
            names: 0,
            healed: false,
            summary: Summary::default(),
            trace: options.trace.then(String::new),
            check_every: options.check_every.max(1),
            tries: BTreeMap::new(),
            used: BTreeSet::new(),
            started: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.insert((time.max(self.now), self.order), event);
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    pub(super) fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// The next thing happens. False when nothing is left to happen.
    pub(super) fn step(&mut self) -> Result<bool, Broken> {
        self.summary.steps += 1;
        let next = self.events.first_key_value().map(|((time, _), _)| *time);
        let due = self.core.poll_timeout().map(|t| t.0);
        // What is pending comes before the passing of time.
        if let Some(due) = due.filter(|due| next.is_none_or(|next| *due < next)) {
            self.now = self.now.max(due);
            self.tell(Input::Tick)?;
            return Ok(true);
        }
        let Some(((time, _), event)) = self.events.pop_first() else { return Ok(false) };
        self.now = time;
        self.happen(event)?;
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::FromNode(node, input) => {
                if self.said.len() < 32 {
                    self.said.push(input.clone());
                } else {
                    let at = self.rng.below(32) as usize;
                    self.said[at] = input.clone();
                }
                if let Input::WorkerLost { engine, .. } = &input
                    && self.model.is_welcome(&input) == Some(true)
                {
                    *self.epochs.entry(*engine).or_default() += 1;
                }
                let _ = node;
                self.tell(input).map(drop)
            }
            Event::SessionEnds(node) => {
                self.tell(Input::NodeLost { node, reason: Arc::from("its connection was cut") }).map(drop)
            }
            Event::Fault => self.fault(),
            Event::Client(client) => self.client_acts(client),
            Event::Stream(client) => self.stream_acts(client),
            Event::Rejoin { engines, wanted } => self.join(engines, wanted),
            Event::Continue(node) => {
                let backlog = self.nodes.get_mut(&node).and_then(|n| n.stopped.take()).unwrap_or_default();
                for event in backlog {
                    self.after(0, event);
                }
                Ok(())
            }
            Event::Beat(node) => self.at_node(node, event.clone(), |world| world.beat(node)),
            Event::ToNode(node, ref command) => {
                let command = command.clone();
                self.at_node(node, event.clone(), |world| {
                    world.obey(node, command);
                    Ok(())
                })
            }
            Event::ChunkDone { node, engine, generation } => self.at_node(node, event.clone(), |world| {
                world.chunk_done(node, engine, generation);
                Ok(())
            }),
            Event::GraceOver { node, engine, generation } => self.at_node(node, event.clone(), |world| {
                world.grace_over(node, engine, generation);
                Ok(())
            }),
        }
    }

    /// Does something at a node, now or when it goes on; nothing if it is no more.
    fn at_node(
        &mut self,
        node: NodeId,
        event: Event,
        act: impl FnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        match self.nodes.get_mut(&node) {
            None => Ok(()),
            Some(SimNode { stopped: Some(backlog), .. }) => {
                backlog.push(event);
                Ok(())
            }
            Some(_) => act(self),
        }
    }

    /// Tells the core, and checks all that comes of it. Whether the input was accepted.
    pub(super) fn tell(&mut self, input: Input) -> Result<bool, Broken> {
        self.model.now = self.now;
        let expected = self.model.is_welcome(&input);
        let result = self.core.handle(Timestamp(self.now), input.clone());
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "{:>12} {input:?} -> {result:?}", self.now);
        }
        if expected.is_some_and(|expected| expected != result.is_ok()) {
            return Err(format!("{input:?} gave {result:?}"));
        }
        if result.is_ok() {
            self.model.accept(&input);
            self.pass_on(&input);
        }
        while let Some(action) = self.core.poll_action() {
            if let Some(trace) = &mut self.trace {
                let _ = writeln!(trace, "             {action:?}");
            }
            if result.is_err() {
                return Err(format!("{input:?} was refused, and led to {action:?}"));
            }
            self.model.follow(&input, &action)?;
            self.check_expiry(&action)?;
            self.perform(action);
        }
        self.model.settle(matches!(input, Input::Tick))?;
        if self.summary.steps.is_multiple_of(self.check_every) {
            self.core.check_invariants().map_err(|violation| violation.to_string())?;
        }
        Ok(result.is_ok())
    }

    /// A worker begins a chunk: one, perhaps, whose end was decided and who has not heard of it.
    pub(super) fn note_started(&mut self, job: JobKey, engine: EngineId, epoch: u32) {
        self.started.entry(job).or_default().insert((engine, epoch));
    }

    /// No job ends for having waited of which a worker that is still there has begun something, unless it was asked and did not answer.
    fn check_expiry(&self, action: &Action) -> Result<(), Broken> {
        let Action::Finished { job, outcome: Outcome::Expired(_), .. } = action else { return Ok(()) };
        let is_there = |(engine, epoch): &&(EngineId, u32)| {
            let of_node = self.model.engines.get(engine).and_then(|node| self.nodes.get(node));
            of_node.is_some() && self.epochs.get(engine).copied().unwrap_or(0) == *epoch
        };
        let begun = self.started.get(job).and_then(|workers| workers.iter().find(is_there));
        let asked = self.model.jobs[job].begin_by.unwrap_or_default();
        let answered = self.now < asked + RECALL_TIMEOUT_NS;
        ensure(begun.is_none() || !answered, || format!("{job} expired, and {begun:?} had begun it"))
    }

    /// What the driver does with a client's wish, once the core agrees.
    fn pass_on(&mut self, input: &Input) {
        let (engine, command) = match *input {
            Input::EngineRestarted { engine, .. } => (engine, Command::Restart { engine }),
            Input::EngineLeaving { engine, .. } => (engine, Command::Leave { engine }),
            _ => return,
        };
        *self.epochs.entry(engine).or_default() += 1;
        if let Some(node) = self.model.engines.get(&engine).copied() {
            self.urgently(node, command);
        }
    }

    /// What the driver does.
    fn perform(&mut self, action: Action) {
        match action {
            Action::Assign { node, engine, run, only, urgent } => {
                self.summary.assigned += u64::from(run.count);
                self.summary.urgent += u64::from(urgent);
                let epoch = self.epochs.get(&engine).copied().unwrap_or(0);
                let task = super::worker::Task { run, only, urgent };
                self.command(node, Command::Assign { engine, task, epoch });
            }
            Action::Recall { node, engine, job, first, count, attempt } => {
                self.summary.recalled += u64::from(count);
                self.command(node, Command::Recall { engine, job, first, count, attempt });
            }
            Action::CancelOn { node, engine, job } => self.urgently(node, Command::Cancel { engine, job }),
            Action::Registered { node, engines } => {
                self.used.extend(engines.iter().copied());
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.workers = engines.into_iter().map(Worker::new).collect();
                }
            }
            Action::Expired { node } | Action::Drained { node } => self.session_is_over(node, &action),
            Action::AttemptLost { run, .. } => self.summary.lost += u64::from(run.count),
            Action::Failed { .. } => self.summary.failed += 1,
            Action::Finished { .. } => self.summary.finished += 1,
            Action::Accepted { .. } | Action::EngineGone { .. } => {}
        }
    }

    /// The node hears that its session is over; until then it goes on.
    fn session_is_over(&mut self, id: NodeId, why: &Action) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.cut = true;
        let wanted: Vec<EngineId> = node.workers.iter().map(|w| w.engine).collect();
        let delay = self.rng.between(1, 3_000_000);
        if matches!(why, Action::Expired { .. }) && !wanted.is_empty() {
            self.after(delay, Event::Rejoin { engines: wanted.len() as u32, wanted });
        } else {
            self.after(delay, Event::SessionEnds(id));
        }
    }
}
