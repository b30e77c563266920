//! What the scheduler core costs per chunk, with few engines and with many: it should not depend on how many there are.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{Action, Chunking, Config, Input, JobSpec, Plan, Scheduler, Timestamp};

use crate::arguments::Arguments;
use crate::catalogue::{CORE_10, CORE_10K, CORE_RATIO};
use crate::error::Error;
use crate::figures::Figures;

const ENGINES_PER_NODE: u32 = 100;
const CLIENT: ClientId = ClientId(1);
const JOB: JobKey = JobKey(1);
/// Chunks so long that an engine holds two: every chunk is assigned and reported by itself, which costs most.
const BUSY: Duration = Duration::from_millis(5);

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let chunks = if arguments.quick { 100_000 } else { 400_000 };
    cost_ns(10, chunks / 10)?;
    for _ in 0..arguments.rounds() {
        let (few, many) = (cost_ns(10, chunks)?, cost_ns(10_000, chunks)?);
        figures.record(&CORE_10, few);
        figures.record(&CORE_10K, many);
        figures.record(&CORE_RATIO, many / few);
    }
    Ok(())
}

/// Nanoseconds per chunk: assigning it, and everything that its report brings about.
fn cost_ns(engines: u32, chunks: u64) -> Result<f64, Error> {
    let mut world = World::new(engines);
    world.join(engines)?;
    let started = Instant::now();
    let reported = world.run(chunks)?;
    let took = started.elapsed();
    if reported != chunks {
        return Err(Error::Wrong("the scheduler core"));
    }
    Ok(took.as_nanos() as f64 / chunks as f64)
}

/// Engines that report their chunks in the order in which they were assigned.
struct World {
    core: Scheduler,
    now: u64,
    /// Between one engine's report and the next's.
    step: u64,
    assigned: VecDeque<(NodeId, EngineId, Run)>,
    registered: usize,
    finished: bool,
}

impl World {
    fn new(engines: u32) -> Self {
        Self {
            core: Scheduler::new(Config::default(), 1),
            now: 0,
            step: BUSY.as_nanos() as u64 / u64::from(engines),
            assigned: VecDeque::new(),
            registered: 0,
            finished: false,
        }
    }

    fn join(&mut self, engines: u32) -> Result<(), Error> {
        for first in (0..engines).step_by(ENGINES_PER_NODE as usize) {
            let here = ENGINES_PER_NODE.min(engines - first);
            self.handle(Input::NodeJoined {
                node: NodeId(u64::from(first)),
                engines: here,
                wanted: Vec::new(),
                tags: Vec::new(),
            })?;
        }
        self.handle(Input::ClientJoined { client: CLIENT })?;
        if self.registered == engines as usize { Ok(()) } else { Err(Error::Wrong("registering engines")) }
    }

    /// Runs a job to its end; how many chunks were reported.
    fn run(&mut self, chunks: u64) -> Result<u64, Error> {
        let plan = Plan::Balanced { chunking: Chunking::Fixed(1), remaining: Vec::new() };
        let spec = JobSpec::new(ProgramKey(1), chunks, plan);
        self.handle(Input::Submit { client: CLIENT, job: JOB, spec })?;
        self.handle(Input::Supplied { job: JOB, elements: chunks })?;
        let mut reported = 0;
        while let Some((node, engine, run)) = self.assigned.pop_front() {
            self.now += self.step;
            reported += u64::from(run.count);
            self.handle(Input::Report {
                node,
                engine,
                job: run.job,
                first: run.first,
                count: run.count,
                attempt: run.attempt,
                busy: BUSY * run.count,
                failed: Vec::new(),
            })?;
        }
        if self.finished { Ok(reported) } else { Err(Error::Wrong("a job's end in the scheduler core")) }
    }

    fn handle(&mut self, input: Input) -> Result<(), Error> {
        self.core.handle(Timestamp(self.now), input).map_err(|e| Error::Core(e.to_string()))?;
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Assign { node, engine, run, .. } => self.assigned.push_back((node, engine, run)),
                Action::Registered { engines, .. } => self.registered += engines.len(),
                Action::Finished { .. } => self.finished = true,
                // Chunks are in their engines' hands as soon as they are assigned: none comes back.
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_reported_whatever_the_number_of_engines() {
        for engines in [1, 10, 250] {
            let mut world = World::new(engines);
            world.join(engines).unwrap();
            assert_eq!(world.run(5_000).unwrap(), 5_000);
        }
    }
}
