//! What waits behind a chunk that runs for ever goes to engines that have nothing to do, however short it was expected to be.

mod common;

use std::collections::VecDeque;
use std::time::Duration;

use common::{Core, MS, fixed};
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::place::Place;
use phalanx_scheduler::{Action, Chunking, Config, Input, JobSpec, Plan, Scheduler, Timestamp};

const JOB: JobKey = JobKey(1);
const NODE: NodeId = NodeId(1);
/// Works like the other until it has one of the later chunks: in that it hangs, with what it was given behind it.
const STUCK: EngineId = EngineId(0);
const ELEMENTS: u64 = 400;

struct World {
    core: Scheduler,
    now: Timestamp,
    /// What each engine was given, in order.
    queues: [VecDeque<Run>; 2],
    stuck: bool,
    done: u64,
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
                Action::Assign { engine, run, .. } => self.queues[engine.0 as usize].push_back(run),
                Action::Recall { engine, job, first, count, attempt, .. } => {
                    self.forget(engine, first);
                    self.tell(Input::Returned {
                        node: NODE,
                        engine,
                        job,
                        first,
                        count,
                        attempt,
                        refused: false,
                    });
                }
                _ => {}
            }
        }
    }

    /// A recall takes the tail of one run, or all of it.
    fn forget(&mut self, engine: EngineId, first: u64) {
        let queue = &mut self.queues[engine.0 as usize];
        let at =
            queue.iter().position(|run| run.chunks().contains(&first)).expect("it holds what is recalled");
        let kept = (first - queue[at].first) as u32;
        assert!(at > 0 || kept > 0, "what runs is never recalled");
        queue[at].count = kept;
        queue.retain(|run| run.count > 0);
    }

    /// An engine does the first run it has, a microsecond a chunk; false when it has none, or hangs.
    fn work(&mut self, engine: EngineId) -> bool {
        let queue = &mut self.queues[engine.0 as usize];
        let Some(&Run { first, count, attempt, .. }) = queue.front() else { return false };
        let held: u32 = queue.iter().map(|run| run.count).sum();
        self.stuck |= engine == STUCK && first >= ELEMENTS / 2 && held > 1;
        if engine == STUCK && self.stuck {
            return false;
        }
        queue.pop_front();
        let busy = Duration::from_micros(u64::from(count));
        self.now = self.now.after(busy);
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
        self.done += u64::from(count);
        self.act();
        true
    }
}

#[test]
fn a_short_queue_behind_an_endless_chunk_moves_on() {
    let core = Scheduler::new(Config::default(), 1);
    let mut world =
        World { core, now: Timestamp(1_000_000), queues: Default::default(), stuck: false, done: 0 };
    let plan = Plan::Balanced { chunking: Chunking::Fixed(1), remaining: vec![] };
    let spec = JobSpec::new(ProgramKey(1), ELEMENTS, plan);
    world.tell(Input::ClientJoined { client: ClientId(1) });
    world.tell(Input::NodeJoined { node: NODE, engines: 2, wanted: vec![], tags: vec![] });
    world.tell(Input::Submit { client: ClientId(1), job: JOB, spec });
    world.tell(Input::Supplied { job: JOB, elements: ELEMENTS });
    world.act();
    for _ in 0..20 {
        while world.work(STUCK) | world.work(EngineId(1)) {}
        if world.done == ELEMENTS - 1 {
            assert!(world.stuck, "an engine hung while others worked");
            return;
        }
        let due = world.core.poll_timeout().expect("something is due");
        assert!(due > world.now, "a tick that is due at once would be due for ever");
        world.now = due;
        world.tell(Input::Heartbeat { node: NODE });
        world.tell(Input::Tick);
        world.act();
    }
    panic!(
        "{} of {} chunks are done, stuck: {}, held: {:?}",
        world.done,
        ELEMENTS - 1,
        world.stuck,
        world.queues
    );
}

/// A call that runs before what was there first, and for long: what was there can still go elsewhere.
#[test]
fn what_an_urgent_chunk_holds_up_is_asked_for_when_that_is_begun() {
    let mut core = Core::new(&[1]);
    core.submit_as(1, 1, 1, 10, fixed(5));
    let urgent = core.submit_as(2, 2, 1, 1, fixed(1));
    assert!(urgent.iter().any(|a| matches!(a, Action::Assign { urgent: true, .. })), "{urgent:?}");
    let joined = Input::NodeJoined { node: NodeId(1), engines: 1, wanted: Vec::new(), tags: Vec::new() };
    let asked = |actions: &[Action]| -> Vec<(u64, u64)> {
        let recall = |action: &Action| match action {
            Action::Recall { job, first, .. } => Some((job.0, *first)),
            _ => None,
        };
        actions.iter().filter_map(recall).collect()
    };
    let mut recalled = asked(&core.tell(joined));
    for _ in 0..20 {
        while let Some((job, first)) = recalled.pop() {
            let (node, engine, job) = (NodeId(0), EngineId(0), JobKey(job));
            if job == JobKey(1) {
                assert_eq!(first, 1, "the first chunk is under way");
                return;
            }
            let begun = Input::Begun { node, engine, job, first, count: 1, attempt: 1 };
            recalled.extend(asked(&core.tell(begun)));
        }
        core.now = core.core.poll_timeout().expect("something is due");
        for node in [0, 1] {
            recalled.extend(asked(&core.tell(Input::Heartbeat { node: NodeId(node) })));
        }
        recalled.extend(asked(&core.tell(Input::Tick)));
    }
    panic!("an engine is idle, and a chunk waits for another one");
}

/// Behind what may go elsewhere is something that may not.
#[test]
fn what_may_go_elsewhere_does_whatever_is_queued_behind_it() {
    let mut core = Core::new(&[1]);
    let place = Place { targets: Some(vec![EngineId(0)]), ..Place::default() };
    let (anywhere, bound) = (JobKey(1), JobKey(2));
    core.submit(1, 400, fixed(1));
    let spec = JobSpec { place, ..JobSpec::new(ProgramKey(1), 400, fixed(1)) };
    core.tell(Input::Submit { client: ClientId(1), job: bound, spec });
    core.tell(Input::Supplied { job: bound, elements: 400 });
    // Until their elements are known to be short, and so some of both are held, the bound ones last.
    let is_so = |core: &Core| {
        let of = |at: Option<&(NodeId, EngineId, Run)>| at.map(|(.., run)| run.job);
        let before_last = core.assigned.len().saturating_sub(2);
        (of(core.assigned.get(before_last)), of(core.assigned.last())) == (Some(anywhere), Some(bound))
            && core.assigned.len() > 1
    };
    while !is_so(&core) {
        let count = core.assigned.first().expect("both are not over").2.count;
        core.report(0, Duration::from_micros(10) * count, &[]);
    }
    let joined = Input::NodeJoined { node: NodeId(1), engines: 1, wanted: vec![], tags: vec![] };
    let mut actions = core.tell(joined);
    for _ in 0..20 {
        let recalled = |a: &Action| matches!(a, Action::Recall { job, .. } if *job == anywhere);
        let is_wrong = |a: &Action| matches!(a, Action::Recall { job, .. } if *job == bound);
        assert!(!actions.iter().any(is_wrong), "{actions:?}");
        if actions.iter().any(recalled) {
            return;
        }
        // The other engine does what is not assigned yet; this one hangs.
        while let Some(at) = core.assigned.iter().position(|(node, ..)| *node == NodeId(1)) {
            let count = core.assigned[at].2.count;
            core.report(at, Duration::from_micros(10) * count, &[]);
        }
        core.now = core.core.poll_timeout().expect("something is due");
        actions = core.tell(Input::Heartbeat { node: NodeId(0) });
        actions.extend(core.tell(Input::Heartbeat { node: NodeId(1) }));
        actions.extend(core.tell(Input::Tick));
    }
    panic!("an engine is idle, and a chunk waits for another one");
}

/// One engine is stopped and answers nothing; another one has something to give.
#[test]
fn an_engine_that_does_not_answer_keeps_none_from_being_asked() {
    let mut core = Core::new(&[1]);
    let join = |core: &mut Core, node: u64| {
        core.tell(Input::NodeJoined { node: NodeId(node), engines: 1, wanted: vec![], tags: vec![] })
    };
    let asked_of = |actions: &[Action], wanted: u64| {
        actions.iter().any(|a| matches!(a, Action::Recall { node, .. } if *node == NodeId(wanted)))
    };
    core.submit(1, 2, fixed(1));
    let asked = join(&mut core, 1);
    assert!(asked_of(&asked, 0), "{asked:?}");
    join(&mut core, 2);
    core.submit(2, 4, fixed(1));
    // The idle one has done all its work, and the third is at its first chunk for long.
    while let Some(at) = core.assigned.iter().position(|(node, ..)| *node == NodeId(1)) {
        core.report(at, MS, &[]);
    }
    assert!(core.assigned.iter().any(|(node, ..)| *node == NodeId(2)), "{:?}", core.assigned);
    for _ in 0..20 {
        core.now = core.now.after(MS * 100);
        for node in 0..3 {
            let actions = core.tell(Input::Heartbeat { node: NodeId(node) });
            if asked_of(&actions, 2) {
                return;
            }
        }
    }
    panic!("an engine is idle, and a chunk waits for another one");
}
