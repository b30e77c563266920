//! What a chunk costs the core, with few engines and with many. Run it optimised:
//! `cargo run --release -p phalanx-scheduler --example cost`.
//!
//! `sched_ns_per_chunk_P`: one decision per chunk, with P engines. Chunks are long, so every report is of
//! one chunk and every assignment too. `sched_runs_ns_per_chunk_P`: short chunks, reported as they were assigned.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{Action, Chunking, Config, Input, JobSpec, Plan, Scheduler, Timestamp};

const ENGINES_PER_NODE: u32 = 100;

/// A core with a job, and what was assigned and not reported.
struct Bench {
    core: Scheduler,
    assigned: VecDeque<(NodeId, EngineId, Run)>,
}

impl Bench {
    fn new(engines: u32, chunks: u64) -> Self {
        let mut bench = Self { core: Scheduler::new(Config::default(), 1), assigned: VecDeque::new() };
        for node in 0..engines.div_ceil(ENGINES_PER_NODE) {
            let engines = ENGINES_PER_NODE.min(engines - node * ENGINES_PER_NODE);
            bench.tell(Input::NodeJoined {
                node: NodeId(node.into()),
                engines,
                wanted: Vec::new(),
                tags: Vec::new(),
            });
        }
        let (client, job) = (ClientId(1), JobKey(1));
        bench.tell(Input::ClientJoined { client });
        let plan = Plan::Balanced { chunking: Chunking::Fixed(1), remaining: Vec::new() };
        let spec = JobSpec::new(ProgramKey(1), chunks, plan);
        bench.tell(Input::Submit { client, job, spec });
        bench.tell(Input::Supplied { job, elements: chunks });
        bench
    }

    fn tell(&mut self, input: Input) {
        self.core.handle(Timestamp(0), input).expect("the inputs are honest");
        while let Some(action) = self.core.poll_action() {
            if let Action::Assign { node, engine, run, .. } = action {
                self.assigned.push_back((node, engine, run));
            }
            black_box(&action);
        }
    }

    /// Reports everything that is assigned, in order, and what is assigned then; the chunks.
    fn run(&mut self, busy_per_chunk: Duration, chunks_max: u64) -> u64 {
        let mut chunks = 0;
        while chunks < chunks_max
            && let Some((node, engine, run)) = self.assigned.pop_front()
        {
            let Run { job, first, count, attempt, .. } = run;
            let busy = busy_per_chunk * count;
            self.tell(Input::Report { node, engine, job, first, count, attempt, busy, failed: Vec::new() });
            chunks += u64::from(count);
        }
        chunks
    }
}

#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this measures, from outside")]
fn ns_per_chunk(engines: u32, busy: Duration, chunks: u64) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let mut bench = Bench::new(engines, 4 * chunks);
        bench.run(busy, chunks);
        let start = std::time::Instant::now();
        let done = bench.run(busy, chunks);
        best = best.min(start.elapsed().as_nanos() as f64 / done as f64);
    }
    best
}

fn main() {
    for engines in [2, 10, 1_000, 10_000] {
        let single = ns_per_chunk(engines, Duration::from_millis(5), 500_000);
        println!("sched_ns_per_chunk_{engines} {single:.1}");
    }
    for engines in [2, 10, 1_000, 10_000] {
        let runs = ns_per_chunk(engines, Duration::from_nanos(500), 5_000_000);
        println!("sched_runs_ns_per_chunk_{engines} {runs:.2}");
    }
}
