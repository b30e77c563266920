//! The front door of the core.
//!
//! ```text
//!              Input                                               Action
//!   driver ──────────▶ handle ──▶ one duty ──▶ refill / feed ──▶ ───────────▶ driver
//!                                   │              │  (assign)
//!                 clients   joined, lost, pressed  │
//!                 jobs      submitted, supplied,   ├─ fair     whose turn it is
//!                           cancelled, ended       ├─ urgent   what need not wait behind others' work
//!                                                  ├─ direct   what may run nowhere else
//!                 nodes     joined, silent, lost,  ├─ job      what is left of a job
//!                           draining, pressed      │           (cutter, ledger, pace)
//!                 reports   results, returns       ├─ held     what an engine has
//!                 losses    workers and engines    ├─ classes  where it may go (place)
//!                 waits     jobs after jobs        └─ recall   taking back what waits too long
//!                 wishes    restart, leave            (load)
//! ```
//!
//! Each duty is a file of `impl Scheduler`; what they share is here. A duty changes what it must and
//! then lets the engines concerned [`refill`](Scheduler::refill); [`feed`](Scheduler::feed) finds engines
//! for work that has turned up. Nothing scans all engines or all jobs for a single chunk.
//!
//! | what happens | where the decision is |
//! |---|---|
//! | who is next, how much it gets | `assign.rs` |
//! | what need not wait behind what others have queued | `urgent.rs` |
//! | how long an automatic chunk is | `pace.rs` |
//! | what an idle engine takes from a busy one | `recall.rs` |
//! | when a job has waited for too long | `queue_limit.rs` |
//! | what a lost engine or worker means for its chunks | `losses.rs` |
//! | which engines will do for a job | `classes.rs` |
//! | whether a job may begin | `waits.rs`, `dependency.rs` |
//! | why a chunk waits | `explain.rs` |
//! | what must always hold | `invariants.rs` |

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use phalanx_proto::ids::{ClientId, JobKey, NodeId, ProgramKey};

use crate::action::Action;
use crate::classes::Class;
use crate::config::Config;
use crate::dependency::Past;
use crate::engine::{Client, Engine, Node, Program};
use crate::engine_ids::EngineIds;
use crate::fair::Fair;
use crate::input::Input;
use crate::job::Job;
use crate::load::Load;
use crate::reject::Reject;
use crate::slab::Slab;
use crate::time::Timestamp;

/// Decides what runs where. See the module's documentation, and [`Input`] and [`Action`].
///
/// After every [`handle`](Self::handle), [`poll_action`](Self::poll_action) is to be called until it has no more; at
/// [`poll_timeout`](Self::poll_timeout), once everything that is pending was handled, [`Input::Tick`] is due.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
    pub(crate) clients: Slab<Client>,
    pub(crate) client_slots: BTreeMap<ClientId, u32>,
    pub(crate) nodes: Slab<Node>,
    pub(crate) node_slots: BTreeMap<NodeId, u32>,
    /// When nodes will have been silent for too long.
    pub(crate) deadlines: BTreeSet<(Timestamp, u32)>,
    pub(crate) engines: Slab<Engine>,
    pub(crate) ids: EngineIds,
    /// Engines that may be given work.
    pub(crate) open_engines: u64,
    pub(crate) jobs: Slab<Job>,
    pub(crate) job_slots: BTreeMap<JobKey, u32>,
    /// Until when something of jobs must have been begun.
    pub(crate) begin_by: BTreeSet<(Timestamp, u32)>,
    pub(crate) programs: Slab<Program>,
    pub(crate) program_slots: BTreeMap<ProgramKey, u32>,
    /// Jobs by where they may go.
    pub(crate) classes: Slab<Class>,
    /// Jobs that have ended, for those that wait for them.
    pub(crate) past: Past,
    /// Jobs of which one that they wait for has ended.
    pub(crate) reviews: BTreeSet<JobKey>,
    /// Jobs that may have lost their last engine: to be looked at.
    pub(crate) stranded: BTreeSet<JobKey>,
    pub(crate) fair: Fair,
    /// Until when engines may come back that jobs are bound to.
    pub(crate) returns: BTreeSet<(Timestamp, JobKey)>,
    /// Engines that hold nothing, by rank.
    pub(crate) idle: BTreeSet<(u64, u32)>,
    /// Engines by what could be recalled from them.
    pub(crate) load: Load,
    /// When to look again whether an idle engine can take what waits behind a chunk that runs for long.
    pub(crate) stalled: Option<Timestamp>,
    /// When programs are looked at of which no node that is left can run them.
    pub(crate) unrunnable: Option<Timestamp>,
    /// When to look again whether a client that was ahead can be served at once.
    pub(crate) look_again: Option<Timestamp>,
    /// Engines from which chunks have been recalled and not come back yet, by since when.
    pub(crate) recalls: BTreeSet<(Timestamp, u32)>,
    /// Engines that are to look for work when the input has been dealt with.
    pub(crate) unblocked: Vec<u32>,
    pub(crate) actions: VecDeque<Action>,
    #[cfg(any(test, feature = "sim"))]
    pub(crate) bug: Option<crate::bug::Bug>,
}

impl Scheduler {
    /// A core that knows nobody yet. `seed` decides what is left to chance: which of several idle engines is first.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let past_jobs_max = config.past_jobs_max;
        Self {
            config,
            seed,
            now: Timestamp::default(),
            clients: Slab::default(),
            client_slots: BTreeMap::new(),
            nodes: Slab::default(),
            node_slots: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            engines: Slab::default(),
            ids: EngineIds::default(),
            open_engines: 0,
            jobs: Slab::default(),
            job_slots: BTreeMap::new(),
            begin_by: BTreeSet::new(),
            programs: Slab::default(),
            program_slots: BTreeMap::new(),
            classes: Slab::default(),
            past: Past::new(past_jobs_max),
            reviews: BTreeSet::new(),
            stranded: BTreeSet::new(),
            returns: BTreeSet::new(),
            fair: Fair::default(),
            idle: BTreeSet::new(),
            load: Load::default(),
            stalled: None,
            unrunnable: None,
            look_again: None,
            recalls: BTreeSet::new(),
            unblocked: Vec::new(),
            actions: VecDeque::new(),
            #[cfg(any(test, feature = "sim"))]
            bug: None,
        }
    }

    /// Something happened. What is to be done about it is then polled.
    ///
    /// # Errors
    /// What was wrong with the input; nothing has changed then.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<(), Reject> {
        self.now = self.now.max(now);
        let result = self.dispatch(input);
        self.follow_up();
        self.stalled = None;
        self.rebalance();
        result
    }

    /// What an input leads to beyond itself: jobs that may begin or can never go on, engines that were waiting behind what has ended.
    fn follow_up(&mut self) {
        while !(self.reviews.is_empty() && self.stranded.is_empty() && self.unblocked.is_empty()) {
            self.end_stranded();
            if self.review() {
                self.feed();
            }
            while let Some(engine) = self.unblocked.pop() {
                if self.engines.get_mut(engine).is_some() {
                    self.refill(engine);
                }
            }
        }
    }

    fn dispatch(&mut self, input: Input) -> Result<(), Reject> {
        match input {
            Input::Report { node, engine, job, first, count, attempt, busy, failed } => {
                let at = self.engine_of(node, engine)?;
                self.on_report(at, job, first, count, attempt, busy, &failed)
            }
            Input::Returned { node, engine, job, first, count, attempt, refused } => {
                let at = self.engine_of(node, engine)?;
                self.on_returned(at, job, first, count, attempt, refused)
            }
            Input::Untold { node, engine, job, index, attempt, message } => {
                let at = self.engine_of(node, engine)?;
                self.on_untold(at, job, index, attempt, message)
            }
            Input::Begun { node, engine, job, first, count, attempt } => {
                let at = self.engine_of(node, engine)?;
                self.on_begun(at, job, first, count, attempt)
            }
            Input::WorkerLost { node, engine, loss, running } => {
                let at = self.engine_of(node, engine)?;
                self.on_worker_lost(at, &loss, running);
                Ok(())
            }
            Input::Heartbeat { node } => self.on_heartbeat(node),
            Input::Supplied { job, elements } => self.on_supplied(job, elements),
            Input::Submit { client, job, spec } => self.on_submit(client, job, spec),
            Input::Cancel { client, job } => self.on_cancel(client, job),
            Input::ClientJoined { client } => self.on_client_joined(client),
            Input::ClientLost { client } => self.on_client_lost(client),
            Input::ClientPressure { client, on } => self.on_client_pressure(client, on),
            Input::NodeJoined { node, engines, wanted, tags } => {
                self.on_node_joined(node, engines, &wanted, &tags)
            }
            Input::NodePressure { node, on } => self.on_node_pressure(node, on),
            Input::NodeDraining { node } => self.on_node_draining(node),
            Input::NodeLost { node, reason } => self.on_node_lost(node, &reason),
            Input::EngineRestarted { engine, reason } => self.on_engine_restarted(engine, &reason),
            Input::EngineLeaving { engine, reason } => self.on_engine_leaving(engine, &reason),
            Input::Tick => {
                self.on_tick();
                Ok(())
            }
        }
    }

    /// The next thing to do; their order is the order of doing.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let silent = self.deadlines.first().map(|(deadline, _)| *deadline);
        let waiting = self.begin_by.first().map(|(deadline, _)| *deadline);
        let returning = self.returns.first().map(|(until, _)| *until);
        silent
            .into_iter()
            .chain(waiting)
            .chain(returning)
            .chain(self.stalled)
            .chain(self.look_again)
            .chain(self.unrunnable)
            .min()
    }
}
