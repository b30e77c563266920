//! A faultless world, to compare lengths of chunks: how long a job takes, in virtual time.
//!
//! The costs are of the size that was measured with the bare prototype of the whole pipeline: a message
//! takes [`DELAY_NS`] each way, an engine spends [`CHUNK_NS`] on a chunk besides running it, and the
//! controller [`MESSAGE_NS`] on every message.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};

use super::rng::Rng;
use crate::{Action, Chunking, Config, Input, JobSpec, Plan, Scheduler, Timestamp};

const DELAY_NS: u64 = 80_000;
const CHUNK_NS: u64 = 1_000;
const MESSAGE_NS: u64 = 1_500;

/// Where the daemons and the client have no cores of their own, a report costs its engine this much: measured on two cores
/// with two engines, all processes together.
const SHARED_REPORT_NS: u64 = 120_000;

/// Chunks are reported together until they make up this much.
const BATCH_NS: u64 = 50_000;

/// How elements' times are distributed. Their mean is about one, in the unit that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the distributions")]
pub enum Times {
    Constant,
    Uniform,
    LogNormal,
    Pareto,
    Ascending,
    Descending,
}

impl Times {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Constant, Self::Uniform, Self::LogNormal, Self::Pareto, Self::Ascending, Self::Descending];

    /// `n` times around `mean_ns`.
    #[must_use]
    pub fn draw(self, n: u64, mean_ns: f64, seed: u64) -> Vec<u64> {
        let mut rng = Rng::new(seed);
        let mut normal = move || {
            let (u, v) = (rng.unit().max(1e-12), rng.unit());
            (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        let mut rng = Rng::new(seed ^ 1);
        let mut time = |i: u64| match self {
            Self::Constant => 1.0,
            Self::Uniform => 2.0 * rng.unit(),
            Self::LogNormal => (normal() - 0.5).exp(),
            // Shape 1.5, scale 1/3.
            Self::Pareto => rng.unit().max(1e-6).powf(-1.0 / 1.5) / 3.0,
            Self::Ascending => 2.0 * (i as f64 + 0.5) / n as f64,
            Self::Descending => 2.0 * ((n - i) as f64 - 0.5) / n as f64,
        };
        (0..n).map(|i| ((time(i) * mean_ns) as u64).max(1)).collect()
    }
}

#[derive(Debug)]
enum Event {
    /// A run arrives at an engine.
    Run(u32, Run),
    /// Chunks are asked back from an engine.
    Recall(u32, u64, u32, u32),
    /// An engine has run a chunk.
    Done(u32),
    /// A message arrives at the core.
    Core(Input),
}

#[derive(Debug, Default)]
struct Engine {
    queue: VecDeque<Run>,
    running: Option<Run>,
    unsent: Option<(Run, u64)>,
    /// Time that reports have cost it and no chunk has paid for yet.
    owed_ns: u64,
}

struct World<'a> {
    core: Scheduler,
    times: &'a [u64],
    engines: Vec<Engine>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    now: u64,
    /// When the controller has dealt with what it knows of.
    core_free: u64,
    /// What a report costs the engine that sends it.
    report_ns: u64,
}

/// How long, in nanoseconds, a job takes on so many engines.
///
/// # Panics
/// When the core refuses honest inputs, or does not end the job.
#[must_use]
pub fn makespan(engines: u32, times: &[u64], chunking: Chunking) -> u64 {
    simulate(engines, times, chunking, 0)
}

/// The same on a machine that has one core for each engine and none besides: every report is paid for with the engines' time.
///
/// # Panics
/// As [`makespan`].
#[must_use]
pub fn makespan_on_shared_cores(engines: u32, times: &[u64], chunking: Chunking) -> u64 {
    simulate(engines, times, chunking, SHARED_REPORT_NS)
}

fn simulate(engines: u32, times: &[u64], chunking: Chunking, report_ns: u64) -> u64 {
    let mut world = World {
        core: Scheduler::new(Config::default(), 1),
        times,
        engines: (0..engines).map(|_| Engine::default()).collect(),
        events: BTreeMap::new(),
        order: 0,
        now: 0,
        core_free: 0,
        report_ns,
    };
    let (client, job, elements) = (ClientId(1), JobKey(1), times.len() as u64);
    let plan = Plan::Balanced { chunking, remaining: Vec::new() };
    let spec = JobSpec::new(ProgramKey(1), elements, plan);
    let mut finished =
        world.tell(Input::NodeJoined { node: NodeId(1), engines, wanted: Vec::new(), tags: Vec::new() });
    finished |= world.tell(Input::ClientJoined { client });
    finished |= world.tell(Input::Submit { client, job, spec });
    finished |= world.tell(Input::Supplied { job, elements });
    while !finished {
        let ((time, _), event) =
            world.events.pop_first().expect("a job that has not ended has something to come");
        world.now = time;
        finished = world.happen(event);
    }
    world.now
}

impl World<'_> {
    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.insert((time, self.order), event);
    }

    /// Whether the job has ended.
    fn tell(&mut self, input: Input) -> bool {
        self.core_free = self.core_free.max(self.now) + MESSAGE_NS;
        self.core.handle(Timestamp(self.now), input).expect("this world is honest");
        let mut finished = false;
        while let Some(action) = self.core.poll_action() {
            self.core_free += MESSAGE_NS;
            let time = self.core_free + DELAY_NS;
            match action {
                Action::Assign { engine, run, .. } => self.at(time, Event::Run(engine.0, run)),
                Action::Recall { engine, first, count, attempt, .. } => {
                    self.at(time, Event::Recall(engine.0, first, count, attempt));
                }
                Action::Finished { .. } => finished = true,
                _ => {}
            }
        }
        finished
    }

    fn happen(&mut self, event: Event) -> bool {
        match event {
            Event::Core(input) => return self.tell(input),
            Event::Run(at, run) => {
                self.engines[at as usize].queue.push_back(run);
                self.go_on(at);
            }
            Event::Recall(at, first, count, attempt) => self.recall(at, first, count, attempt),
            Event::Done(at) => {
                let engine = &mut self.engines[at as usize];
                let run = engine.running.take().expect("only a chunk that runs is done");
                let busy = busy(self.times, &run);
                match &mut engine.unsent {
                    Some((unsent, total)) if joins(unsent, &run) => {
                        unsent.count += 1;
                        *total += busy;
                    }
                    _ => {
                        self.send(at);
                        self.engines[at as usize].unsent = Some((run, busy));
                    }
                }
                let engine = &self.engines[at as usize];
                let is_full = engine.unsent.is_some_and(|(_, busy)| busy >= BATCH_NS);
                if is_full || engine.queue.is_empty() {
                    self.send(at);
                }
                self.go_on(at);
            }
        }
        false
    }

    fn go_on(&mut self, at: u32) {
        let engine = &mut self.engines[at as usize];
        if engine.running.is_some() {
            return;
        }
        let Some(front) = engine.queue.front_mut() else { return };
        let chunk = Run { count: 1, ..*front };
        front.first += 1;
        front.element_first += u64::from(front.chunk_len);
        front.count -= 1;
        if front.count == 0 {
            engine.queue.pop_front();
        }
        engine.running = Some(chunk);
        let owed = std::mem::take(&mut engine.owed_ns);
        let ends = self.now + CHUNK_NS + owed + busy(self.times, &chunk);
        self.at(ends, Event::Done(at));
    }

    fn send(&mut self, at: u32) {
        let engine = &mut self.engines[at as usize];
        let Some((run, busy)) = engine.unsent.take() else { return };
        engine.owed_ns += self.report_ns;
        let Run { job, first, count, attempt, .. } = run;
        let (node, engine, busy) = (NodeId(1), EngineId(at), Duration::from_nanos(busy));
        let report = Input::Report { node, engine, job, first, count, attempt, busy, failed: Vec::new() };
        self.at(self.now + DELAY_NS, Event::Core(report));
    }

    fn recall(&mut self, at: u32, first: u64, count: u32, attempt: u32) {
        let mut back = Vec::new();
        self.engines[at as usize].queue.retain_mut(|run| {
            let low = run.first.max(first);
            if run.attempt == attempt
                && low < (run.first + u64::from(run.count)).min(first + u64::from(count))
            {
                let keep = (low - run.first) as u32;
                back.push((run.job, low, run.count - keep));
                run.count = keep;
            }
            run.count > 0
        });
        for (job, first, count) in back {
            let (node, engine) = (NodeId(1), EngineId(at));
            let returned = Input::Returned { node, engine, job, first, count, attempt, refused: false };
            self.at(self.now + DELAY_NS, Event::Core(returned));
        }
    }
}

fn busy(times: &[u64], run: &Run) -> u64 {
    let elements = run.elements();
    times[elements.start as usize..elements.end as usize].iter().sum()
}

fn joins(before: &Run, next: &Run) -> bool {
    (before.attempt, before.chunk_len) == (next.attempt, next.chunk_len)
        && before.first + u64::from(before.count) == next.first
        && before.elements().end == next.element_first
}
