//! What the core does, case by case.

mod common;

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{
    Action, ChunkFailure, Chunking, Explanation, Input, JobSpec, LossKind, Outcome, Plan, Reject, Waiting,
};

use common::{Core, MS, direct, fixed, is_finished, running};

#[test]
fn a_million_short_chunks_take_few_messages() {
    let mut core = Core::new(&[2]);
    core.submit(1, 1_000_000, fixed(1));
    let runs = core.finish(Duration::from_nanos(500));
    let chunks: u64 = runs.iter().map(|(_, run)| u64::from(run.count)).sum();
    assert_eq!(chunks, 1_000_000);
    assert!(runs.len() < 2_000, "{} runs", runs.len());
}

#[test]
fn long_chunks_are_assigned_one_ahead() {
    let mut core = Core::new(&[2]);
    core.submit(1, 100, fixed(1));
    for _ in 0..40 {
        assert!(core.assigned.len() <= 4, "{:?}", core.assigned);
        core.report(0, MS * 50, &[]);
    }
}

#[test]
fn an_idle_engine_takes_from_a_busy_one() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    let actions =
        core.tell(Input::NodeJoined { node: NodeId(9), engines: 1, wanted: Vec::new(), tags: Vec::new() });
    let (first, attempt) = (1, 1);
    let recall =
        Action::Recall { node: NodeId(0), engine: EngineId(0), job: JobKey(1), first, count: 1, attempt };
    assert!(actions.contains(&recall), "{actions:?}");
    assert!(matches!(core.explain(1, 1), Explanation::Queued { recalled: true, .. }));
    let (node, engine, job) = (NodeId(0), EngineId(0), JobKey(1));
    core.tell(Input::Returned { node, engine, job, first, count: 1, attempt, refused: false });
    let (_, engine, run) = core.assigned.last().unwrap();
    assert_eq!((engine.0, run.first, run.attempt), (1, 1, 1), "it was not begun there");
    let late =
        Input::Report { node, engine: EngineId(0), job, first, count: 1, attempt, busy: MS, failed: vec![] };
    assert!(matches!(core.try_tell(late), Err(Reject::WrongOwner { .. } | Reject::StaleAttempt { .. })));
}

#[test]
fn clients_share_by_work() {
    let mut core = Core::new(&[4]);
    core.submit_as(1, 1, 1, 4_000, fixed(1));
    core.submit_as(2, 2, 1, 4_000, fixed(1));
    let mut work = [0u32; 3];
    for _ in 0..600 {
        let job = core.assigned[0].2.job.0 as usize;
        let busy = if job == 1 { 9 } else { 1 } * core.assigned[0].2.count;
        work[job] += busy;
        core.report(0, MS * busy, &[]);
    }
    let share = f64::from(work[1]) / f64::from(work[1] + work[2]);
    assert!((0.4..0.6).contains(&share), "{work:?}");
}

#[test]
fn another_program_gets_its_turn() {
    let mut core = Core::new(&[1]);
    core.submit_as(1, 1, 1, 10_000, fixed(1));
    core.submit_as(2, 2, 2, 10, fixed(1));
    let mut reports = 0;
    while core.assigned[0].2.job != JobKey(2) {
        core.report(0, MS * 5, &[]);
        reports += 1;
        assert!(reports < 30, "the second program waits for ever");
    }
}

#[test]
fn a_direct_chunk_goes_before_what_is_not_assigned_yet() {
    let mut core = Core::new(&[1]);
    core.submit(1, 1_000, fixed(1));
    core.submit(2, 1, direct(&[0]));
    let place = core.assigned.iter().position(|(_, _, run)| run.job == JobKey(2));
    assert_eq!(place, Some(core.assigned.len() - 1), "it is assigned at once, behind the window");
}

#[test]
fn failed_elements_are_tried_again_alone() {
    let mut core = Core::new(&[1, 1]);
    core.submit(1, 10, fixed(5));
    let actions = core.report(0, MS, &[1, 3]);
    assert!(matches!(actions[0], Action::Accepted { retrying: true, .. }), "{actions:?}");
    let only = actions.iter().find_map(|action| match action {
        Action::Assign { only: Some(only), run, .. } => Some((only.to_vec(), run.attempt)),
        _ => None,
    });
    assert_eq!(only, Some((vec![1, 3], 2)));
    let again = core.assigned.iter().position(|(_, _, run)| run.attempt == 2).unwrap();
    let (node, engine, run) = core.assigned[again];
    let strange = Input::Report {
        node,
        engine,
        job: run.job,
        first: run.first,
        count: 1,
        attempt: 2,
        busy: MS,
        failed: vec![0],
    };
    assert!(matches!(core.try_tell(strange), Err(Reject::Malformed(_))));
    core.report(again, MS, &[3]);
    assert_eq!(core.core.job_status(JobKey(1)).map(|s| (s.elements_done, s.elements_failed)), Some((4, 1)));
    assert!(is_finished(&core.report(0, MS, &[]), Outcome::Completed));
}

#[test]
fn direct_chunks_fail_with_their_worker_and_their_engine() {
    let mut core = Core::new(&[2]);
    core.submit(1, 2, direct(&[0, 1]));
    core.submit(2, 2, direct(&[1, 0]));
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 1, None));
    let running: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::Failed { run, failure: ChunkFailure::WorkerLost { was_running, .. }, .. } => {
                Some((run.job.0, *was_running))
            }
            _ => None,
        })
        .collect();
    assert_eq!(running, [(1, true), (2, false)]);
    let actions = core.tell(Input::NodeLost { node: NodeId(0), reason: Arc::from("cut") });
    let lost = |a: &&Action| matches!(a, Action::Failed { failure: ChunkFailure::EngineLost { .. }, .. });
    assert_eq!(actions.iter().filter(lost).count(), 2, "{actions:?}");
    let gone = JobSpec::new(ProgramKey(1), 1, direct(&[0]));
    let submit = Input::Submit { client: ClientId(1), job: JobKey(3), spec: gone };
    assert_eq!(core.try_tell(submit), Err(Reject::UnknownEngine(EngineId(0))));
}

#[test]
fn a_program_that_starts_nowhere_fails_its_jobs() {
    let mut core = Core::new(&[1, 1]);
    core.submit(1, 1_000_000, fixed(1));
    let actions = core.worker_lost(0, LossKind::CannotStart, None);
    assert!(!is_finished(&actions, Outcome::Completed), "the other node may be able");
    assert!(core.assigned.iter().all(|(node, _, _)| *node == NodeId(1)), "{:?}", core.assigned);
    let actions = core.worker_lost(1, LossKind::CannotStart, None);
    assert!(is_finished(&actions, Outcome::Completed));
    let failed: u64 = actions
        .iter()
        .filter_map(|a| match a {
            Action::Failed { run, failure: ChunkFailure::CannotStart { .. }, .. } => {
                Some(u64::from(run.count))
            }
            _ => None,
        })
        .sum();
    assert_eq!(failed, 1_000_000);
}

#[test]
fn a_cancelled_job_ends_at_once_and_its_engine_when_it_says_so() {
    let mut core = Core::new(&[1]);
    core.submit(1, 100, fixed(1));
    let actions = core.tell(Input::Cancel { client: ClientId(1), job: JobKey(1) });
    assert!(
        matches!(actions[0], Action::CancelOn { .. }) && is_finished(&actions, Outcome::Cancelled),
        "{actions:?}"
    );
    core.submit(2, 1, direct(&[0]));
    assert_eq!(core.explain(2, 0), Explanation::Waiting(Waiting::BehindCancelled { engine: EngineId(0) }));
    let (_, _, run) = core.assigned[0];
    let actions = core.report(0, MS, &[]);
    assert!(matches!(actions[..], [Action::Assign { .. }]), "a late report is taken in silence: {actions:?}");
    let repeated = Input::Report {
        node: NodeId(0),
        engine: EngineId(0),
        job: run.job,
        first: run.first,
        count: run.count,
        attempt: run.attempt,
        busy: MS,
        failed: vec![],
    };
    assert_eq!(core.try_tell(repeated), Err(Reject::UnknownJob(JobKey(1))));
    assert!(core.assigned.iter().any(|(_, _, run)| run.job == JobKey(2)));
}

#[test]
fn a_silent_node_is_given_up_and_its_chunks_go_on() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3, fixed(1));
    core.now = core.core.poll_timeout().unwrap();
    core.tell(Input::NodeJoined {
        node: NodeId(5),
        engines: 1,
        wanted: vec![EngineId(0), EngineId(77)],
        tags: Vec::new(),
    });
    let actions = core.tell(Input::Tick);
    assert!(actions.contains(&Action::Expired { node: NodeId(0) }));
    assert!(actions.iter().any(|a| matches!(a, Action::EngineGone { engine: EngineId(0), .. })));
    assert!(core.assigned.iter().any(|(node, engine, run)| (node.0, engine.0, run.attempt) == (5, 1, 2)));
    assert_eq!(core.try_tell(Input::Heartbeat { node: NodeId(0) }), Err(Reject::UnknownNode(NodeId(0))));
    let actions = core.tell(Input::NodeJoined {
        node: NodeId(6),
        engines: 2,
        wanted: vec![EngineId(0), EngineId(77)],
        tags: Vec::new(),
    });
    let granted = Action::Registered { node: NodeId(6), engines: vec![EngineId(2), EngineId(77)] };
    assert_eq!(actions[0], granted, "an id that was lost is not granted again; one that nobody had is");
}

#[test]
fn a_leaving_node_finishes_what_it_runs() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3, fixed(1));
    core.submit(2, 1, direct(&[0]));
    let actions = core.tell(Input::NodeDraining { node: NodeId(0) });
    assert!(actions.iter().any(|a| matches!(a, Action::Recall { first: 1, .. })), "{actions:?}");
    let (node, engine, job) = (NodeId(0), EngineId(0), JobKey(1));
    core.tell(Input::Report { node, engine, job, first: 0, count: 1, attempt: 1, busy: MS, failed: vec![] });
    core.tell(Input::Returned { node, engine, job, first: 1, count: 1, attempt: 1, refused: false });
    core.assigned.retain(|(_, _, run)| run.job == JobKey(2));
    let actions = core.report(0, MS, &[]);
    assert!(actions.contains(&Action::Drained { node }), "{actions:?}");
    assert_eq!(core.explain(1, 1), Explanation::Waiting(Waiting::NoOpenEngines));
}

#[test]
fn pressure_holds_work_back() {
    let mut core = Core::new(&[1]);
    core.tell(Input::ClientPressure { client: ClientId(1), on: true });
    assert_eq!(core.submit(1, 5, fixed(1)), []);
    assert_eq!(core.explain(1, 0), Explanation::Waiting(Waiting::ClientPressure));
    core.tell(Input::NodePressure { node: NodeId(0), on: true });
    assert_eq!(core.tell(Input::ClientPressure { client: ClientId(1), on: false }), []);
    let actions = core.tell(Input::NodePressure { node: NodeId(0), on: false });
    assert!(matches!(actions[..], [Action::Assign { run: Run { count: 2, .. }, .. }]), "{actions:?}");
    assert_eq!(core.explain(1, 0), Explanation::Running { engine: EngineId(0), attempt: 1 });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut core = Core::new(&[2]);
    let submit = |elements, plan| Input::Submit {
        client: ClientId(1),
        job: JobKey(1),
        spec: JobSpec::new(ProgramKey(1), elements, plan),
    };
    let auto = |remaining| Plan::Balanced { chunking: Chunking::Auto, remaining };
    for (elements, plan) in [
        (5, fixed(0)),
        (1 << 60, fixed(1)),
        (1 << 40, fixed(u64::MAX)),
        (5, direct(&[])),
        (5, direct(&[1, 1])),
        (5, auto(vec![3..4, 1..2])),
        (5, auto(vec![1..2, 4..9])),
    ] {
        let refused = core.try_tell(submit(elements, plan));
        assert!(matches!(refused, Err(Reject::Malformed(_) | Reject::Limit { .. })), "{refused:?}");
    }
    assert!(is_finished(&core.submit(1, 0, fixed(3)), Outcome::Completed));
    let supplied = core.try_tell(Input::Supplied { job: JobKey(1), elements: 1 });
    assert_eq!(supplied, Err(Reject::UnknownJob(JobKey(1))));
    let runs = core.submit(2, 1, direct(&[0, 1]));
    assert_eq!(runs.len(), 1, "a chunk without elements is done as it is: {runs:?}");
}

#[test]
fn an_urgent_job_goes_before_the_clients_others_even_in_another_program() {
    let mut core = Core::new(&[1]);
    core.submit(1, 100, fixed(1));
    for (job, program) in [(2, 1), (3, 9)] {
        let spec = JobSpec { priority: job, ..JobSpec::new(ProgramKey(program), 2, fixed(1)) };
        core.tell(Input::Submit { client: ClientId(1), job: JobKey(job as u64), spec });
        core.tell(Input::Supplied { job: JobKey(job as u64), elements: 2 });
    }
    let mut order: Vec<u64> = core.finish(5 * MS).iter().map(|(_, run)| run.job.0).collect();
    order.dedup();
    assert_eq!(order, [1, 3, 2, 1]);
}
