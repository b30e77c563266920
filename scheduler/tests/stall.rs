//! What waits behind a chunk that runs for ever goes to engines that have nothing to do, however short it was expected to be.

use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{Action, Chunking, Config, Input, JobSpec, Plan, Scheduler, Timestamp};

const JOB: JobKey = JobKey(1);
const NODE: NodeId = NodeId(1);
/// Hangs in the first chunk that it gets.
const STUCK: EngineId = EngineId(0);

struct World {
    core: Scheduler,
    now: Timestamp,
    /// What the engine that works was given.
    queue: Vec<Run>,
    done: u32,
}

impl World {
    fn tell(&mut self, input: Input) {
        self.core.handle(self.now, input).expect("the world tells the truth");
        self.core.check_invariants().expect("invariants hold");
    }

    /// Does what the core wants; a recall is answered at once, by all that was asked for.
    fn act(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Assign { engine, run, .. } if engine != STUCK => self.queue.push(run),
                Action::Recall { engine, job, first, count, attempt, .. } => {
                    assert_eq!(engine, STUCK);
                    self.tell(Input::Returned { node: NODE, engine, job, first, count, attempt });
                }
                _ => {}
            }
        }
    }

    /// The engine that works does all it has, a microsecond each.
    fn work(&mut self) {
        while let Some(run) = self.queue.pop() {
            let (first, count, attempt) = (run.first, run.count, run.attempt);
            let busy = Duration::from_micros(u64::from(count));
            self.now = self.now.after(busy);
            let engine = EngineId(1);
            self.tell(Input::Report {
                node: NODE,
                engine,
                job: JOB,
                first,
                count,
                attempt,
                busy,
                failed: vec![],
            });
            self.done += count;
            self.act();
        }
    }
}

#[test]
fn a_short_queue_behind_an_endless_chunk_moves_on() {
    let core = Scheduler::new(Config::default(), 1);
    let mut world = World { core, now: Timestamp(1_000_000), queue: Vec::new(), done: 0 };
    let plan = Plan::Balanced { chunking: Chunking::Fixed(1), remaining: vec![] };
    let spec = JobSpec { program: ProgramKey(1), elements: 10, plan, retries: 0 };
    world.tell(Input::ClientJoined { client: ClientId(1) });
    world.tell(Input::NodeJoined { node: NODE, engines: 2, wanted: vec![] });
    world.tell(Input::Submit { client: ClientId(1), job: JOB, spec });
    world.tell(Input::Supplied { job: JOB, elements: 10 });
    world.act();
    for _ in 0..20 {
        world.work();
        if world.done == 9 {
            return;
        }
        let due = world.core.poll_timeout().expect("something is due");
        assert!(due > world.now, "a tick that is due at once would be due for ever");
        world.now = due;
        world.tell(Input::Heartbeat { node: NODE });
        world.tell(Input::Tick);
        world.act();
    }
    panic!("{} of 9 chunks are done", world.done);
}
