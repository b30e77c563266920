//! A call of one client does not wait behind the work that another has queued, and gets no more than its share for it.

mod common;

use std::collections::VecDeque;
use std::time::Duration;

use common::{Core, MS, direct, fixed, running};
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, Run};
use phalanx_scheduler::{Action, Chunking, Config, Input, JobSpec, LossKind, Plan, Scheduler, Timestamp};

const AUTO: Plan = Plan::Balanced { chunking: Chunking::Auto, remaining: Vec::new() };

/// What was assigned: engine, job, chunks, and whether it goes before what is queued.
fn assigned(actions: &[Action]) -> Vec<(u32, u64, u32, bool)> {
    let of = |action: &Action| match action {
        Action::Assign { engine, run, urgent, .. } => Some((engine.0, run.job.0, run.count, *urgent)),
        _ => None,
    };
    actions.iter().filter_map(of).collect()
}

/// Two engines whose windows are full of client 1's job 1, some rounds of which were reported.
fn busy(plan: Plan) -> Core {
    let mut core = Core::new(&[2]);
    core.submit_as(1, 1, 1, 1_000_000, plan);
    for _ in 0..20 {
        let (_, _, run) = core.assigned[0];
        core.report(0, Duration::from_micros(10) * run.count * run.chunk_len, &[]);
    }
    core
}

#[test]
fn a_call_goes_before_what_another_client_has_queued() {
    for plan in [AUTO, fixed(1), fixed(100)] {
        let mut core = busy(plan);
        let call = assigned(&core.submit_as(2, 2, 1, 1, AUTO));
        assert!(matches!(call[..], [(_, 2, 1, true)]), "{call:?}");
        let call = assigned(&core.submit_as(2, 3, 1, 2, direct(&[0, 1])));
        assert_eq!(call, [(0, 3, 1, true), (1, 3, 1, true)]);
    }
}

#[test]
fn calls_one_after_the_other_meet_one_engine_and_calls_at_once_are_spread() {
    let mut core = busy(AUTO);
    let call = |core: &mut Core, job| match assigned(&core.submit_as(2, job, 1, 1, AUTO))[..] {
        [(engine, _, 1, true)] => engine,
        ref other => panic!("{other:?}"),
    };
    let first = call(&mut core, 10);
    for job in 11..15 {
        let at = core.assigned.iter().position(|(_, _, run)| run.job.0 == job - 1).unwrap();
        core.report(at, Duration::from_micros(1), &[]);
        assert_eq!(call(&mut core, job), first);
    }
    // The last one has not ended yet.
    let at_once: Vec<u32> = (15..20).map(|job| call(&mut core, job)).collect();
    let other = 1 - first;
    assert_eq!(at_once[0], other);
    let to_other = at_once.iter().filter(|engine| **engine == other).count();
    assert_eq!(to_other, 3, "of six under way: {at_once:?}");
}

#[test]
fn a_call_to_engines_that_have_nothing_else_to_do_is_nothing_special() {
    let mut core = Core::new(&[2]);
    assert_eq!(assigned(&core.submit_as(2, 1, 1, 1, direct(&[0]))), [(0, 1, 1, false)]);
    let balanced = assigned(&core.submit_as(2, 2, 1, 1, AUTO));
    assert!(matches!(balanced[..], [(1, 2, 1, false)]), "{balanced:?}");
}

#[test]
fn an_engine_has_a_queue_when_it_holds_more_than_it_can_run() {
    for plan in [AUTO, fixed(1), fixed(100)] {
        let core = busy(plan);
        assert!(core.core.has_queue(EngineId(0)) && core.core.has_queue(EngineId(1)));
    }
    let mut core = Core::new(&[1]);
    assert!(!core.core.has_queue(EngineId(0)) && !core.core.has_queue(EngineId(7)));
    core.submit_as(1, 1, 1, 1, direct(&[0]));
    assert!(!core.core.has_queue(EngineId(0)), "it runs what it holds");
    core.submit_as(2, 2, 1, 1, direct(&[0]));
    assert!(core.core.has_queue(EngineId(0)));
}

/// What a client asked for first is done first, whatever it asks for next.
#[test]
fn the_order_of_one_clients_calls_on_an_engine_never_changes() {
    let mut core = busy(AUTO);
    assert!(assigned(&core.submit_as(1, 2, 1, 1, AUTO)).is_empty(), "its client's own work is in front");
    assert_eq!(assigned(&core.submit_as(1, 3, 1, 1, direct(&[0]))), [(0, 3, 1, false)]);
    // The other client's calls overtake that, and one of them does not overtake another.
    let first = assigned(&core.submit_as(2, 4, 1, 1, direct(&[0])));
    let second = assigned(&core.submit_as(2, 5, 1, 1, direct(&[0])));
    assert_eq!((first, second), (vec![(0, 4, 1, true)], vec![(0, 5, 1, true)]));
}

#[test]
fn an_engine_holds_few_urgent_chunks_and_a_client_that_had_more_than_its_share_waits() {
    let mut core = busy(AUTO);
    let mut urgent = 0;
    for call in 0..10 {
        let given = assigned(&core.submit_as(2, 10 + call, 1, 1, direct(&[0])));
        urgent += given.iter().filter(|(.., urgent)| *urgent).count();
    }
    assert_eq!(urgent, 4);
    // Ten seconds' worth of work puts it far ahead of the other client.
    while let Some(at) = core.assigned.iter().position(|(_, _, run)| run.job.0 >= 10) {
        core.report(at, 1_000 * MS, &[]);
    }
    let late = assigned(&core.submit_as(2, 30, 1, 1, direct(&[0])));
    assert_eq!(late, [(0, 30, 1, false)], "a direct call is sent, but in its turn");
    assert!(assigned(&core.submit_as(2, 31, 1, 1, AUTO)).is_empty(), "and a balanced one waits");
}

/// A chunk that takes much longer than was expected is not charged before it is reported: its time counts all the same.
#[test]
fn a_client_waits_until_the_others_running_chunk_has_had_as_much() {
    let mut core = Core::new(&[1]);
    core.submit_as(1, 1, 1, 10, fixed(5));
    assert!(assigned(&core.submit_as(2, 2, 1, 1, AUTO))[0].3);
    core.now = core.now.after(100 * MS);
    let at = core.assigned.iter().position(|(_, _, run)| run.job.0 == 2).unwrap();
    core.report(at, 100 * MS, &[]);
    assert!(assigned(&core.submit_as(2, 3, 1, 1, AUTO)).is_empty(), "it has had all the time there was");
    while core.now < Timestamp(100_000_000).after(70 * MS) {
        core.now = core.core.poll_timeout().unwrap();
        assert!(assigned(&core.tell(Input::Tick)).is_empty());
    }
    core.now = core.now.after(30 * MS);
    assert_eq!(assigned(&core.tell(Input::Tick)), [(0, 3, 1, true)]);
}

/// It was urgent before it was lost, and is again.
#[test]
fn a_call_that_was_lost_with_its_worker_does_not_wait_behind_what_was_lost_with_it() {
    let mut core = Core::new(&[1]);
    core.submit_as(1, 1, 1, 10, fixed(5));
    core.now = core.now.after(2_000 * MS);
    assert!(assigned(&core.submit_as(2, 2, 1, 1, direct(&[0])))[0].3);
    core.worker_lost(0, LossKind::Died, running(2, 0, 1, Some(0)));
    core.now = core.now.after(MS);
    assert!(assigned(&core.submit_as(2, 3, 1, 1, AUTO))[0].3);
    core.now = core.now.after(MS);
    let again = assigned(&core.worker_lost(0, LossKind::Died, running(3, 0, 1, Some(0))));
    let call = again.iter().position(|(_, job, ..)| *job == 3).expect("it goes on at once");
    assert!(call == 0 || again[call].3, "{again:?}");
}

/// Of such a chunk nothing is known, and it may take minutes: it came later, and has nothing urgent about it.
#[test]
fn a_chunk_of_many_elements_does_not_go_before_a_call() {
    let mut core = Core::new(&[1]);
    core.submit_as(1, 1, 1, 1, direct(&[0]));
    let chunk = assigned(&core.submit_as(2, 2, 1, 16_000, fixed(8_000)));
    assert_eq!(chunk[0], (0, 2, 1, false), "{chunk:?}");
}

#[test]
fn a_call_does_not_bind_itself_to_an_engine_that_runs_long_elements() {
    let mut core = Core::new(&[2]);
    core.submit_as(1, 1, 1, 1_000, fixed(1));
    for _ in 0..4 {
        core.report(0, 50 * MS, &[]);
    }
    core.now = core.now.after(50 * MS);
    assert!(assigned(&core.submit_as(2, 2, 1, 1, AUTO)).is_empty(), "the next to report takes it");
    let next = assigned(&core.report(0, 50 * MS, &[]));
    assert!(next.contains(&(0, 2, 1, true)), "{next:?}");
}

/// Nothing is known of a call that runs, and between its elements there is nothing: what waits behind it may wait for ever.
#[test]
fn a_call_does_not_bind_itself_to_an_engine_whose_call_may_never_end() {
    let mut core = Core::new(&[2]);
    core.submit_as(1, 1, 1, 1, direct(&[1]));
    core.now = core.now.after(50 * MS);
    for call in 2..12 {
        core.submit_as(2, call, 1, 1, AUTO);
    }
    let bound = core.assigned.iter().filter(|(_, engine, _)| engine.0 == 1).count();
    assert!(bound <= 2, "{:?}", core.assigned);
}

/// An engine as far as sharing goes: what is urgent is run first; one chunk at a time.
#[derive(Default)]
struct Engine {
    queue: VecDeque<(Run, bool)>,
}

/// Two clients whose elements take as long; the first has one job of many, the second calls one at a time, `ahead` at once. The work
/// that each got, in nanoseconds, after `steps` chunks.
fn share(ahead: u64, plan: &Plan, steps: usize) -> [u64; 2] {
    const ELEMENT_NS: u64 = 100_000;
    let mut core = Scheduler::new(Config::default(), 3);
    let mut engines = [Engine::default(), Engine::default()];
    let (mut now, mut got, mut names) = ([0; 2], [0; 2], 1);
    let tell = |core: &mut Scheduler, engines: &mut [Engine; 2], now: u64, input: Input| {
        core.handle(Timestamp(now), input).expect("the inputs are honest");
        core.check_invariants().expect("what must hold holds");
        while let Some(action) = core.poll_action() {
            if let Action::Assign { engine, run, urgent, .. } = action {
                let queue = &mut engines[engine.0 as usize].queue;
                let before = if urgent { queue.iter().take_while(|q| q.1).count() } else { queue.len() };
                queue.insert(before, (run, urgent));
            }
        }
    };
    for client in [1, 2] {
        tell(&mut core, &mut engines, 0, Input::ClientJoined { client: ClientId(client) });
    }
    tell(
        &mut core,
        &mut engines,
        0,
        Input::NodeJoined { node: NodeId(0), engines: 2, wanted: Vec::new(), tags: Vec::new() },
    );
    let submit = |core: &mut Scheduler, engines: &mut [Engine; 2], now, client, job, elements, plan: Plan| {
        let (client, job) = (ClientId(client), JobKey(job));
        let spec = JobSpec::new(phalanx_proto::ids::ProgramKey(1), elements, plan);
        tell(core, engines, now, Input::Submit { client, job, spec });
        tell(core, engines, now, Input::Supplied { job, elements });
    };
    submit(&mut core, &mut engines, 0, 1, 1, 1_000_000, AUTO);
    for _ in 0..ahead {
        names += 1;
        submit(&mut core, &mut engines, 0, 2, names, 1, plan.clone());
    }
    for _ in 0..steps {
        let at = usize::from(now[1] < now[0]);
        let (run, _) = engines[at].queue.pop_front().expect("there is always work");
        let one = Run { count: 1, ..run };
        if run.count > 1 {
            let (first, element_first) = (run.first + 1, run.element_first + u64::from(run.chunk_len));
            engines[at].queue.push_front((Run { first, element_first, count: run.count - 1, ..run }, false));
        }
        let busy = ELEMENT_NS * u64::from(run.chunk_len);
        now[at] += busy;
        let client = usize::from(run.job.0 > 1);
        got[client] += busy;
        let time = now[0].min(now[1]);
        let report = Input::Report {
            node: NodeId(0),
            engine: phalanx_proto::ids::EngineId(at as u32),
            job: one.job,
            first: one.first,
            count: 1,
            attempt: one.attempt,
            busy: Duration::from_nanos(busy),
            failed: Vec::new(),
        };
        tell(&mut core, &mut engines, time, report);
        if client == 1 {
            names += 1;
            submit(&mut core, &mut engines, time, 2, names, 1, plan.clone());
        }
    }
    got
}

/// The bound of the lead, a window on each engine, and a chunk: it does not grow with time.
#[test]
fn a_client_of_many_single_calls_gets_its_share_and_no_more() {
    for ahead in [8, 40] {
        for steps in [500, 4_000] {
            let got = share(ahead, &AUTO, steps);
            let difference = got[0].abs_diff(got[1]);
            assert!(difference <= 100_000_000, "{ahead} at once, {steps} steps: {got:?} ns");
        }
    }
}

/// On one engine only, a client can have no more than half of it beside one that uses both.
#[test]
fn a_client_of_many_direct_calls_leaves_the_other_its_share() {
    let got = share(8, &direct(&[0]), 3_000);
    assert!(got[0] >= got[1], "{got:?} ns");
}
