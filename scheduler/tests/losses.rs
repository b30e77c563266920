//! What becomes of chunks whose workers are lost.

mod common;

use phalanx_proto::ids::{EngineId, JobKey, NodeId};
use phalanx_scheduler::{Action, ChunkFailure, Config, Explanation, Input, LossKind, Outcome};

use common::{Core, MS, direct, fixed, is_finished, running};

#[test]
fn a_chunk_that_ends_its_workers_is_quarantined_and_its_neighbours_are_not() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    for attempt in 1..3 {
        let actions = core.worker_lost(0, LossKind::Died, running(1, 0, attempt, None));
        assert!(actions.iter().any(|a| matches!(a, Action::AttemptLost { .. })), "{actions:?}");
    }
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 3, None));
    let quarantined = actions.iter().any(|a| match a {
        Action::Failed { run, failure: ChunkFailure::Quarantined { engines, .. }, .. } => {
            run.first == 0 && engines.len() == 3
        }
        _ => false,
    });
    assert!(quarantined, "{actions:?}");
    let runs = core.finish(MS);
    assert_eq!(runs.len(), 1, "the other chunk goes on: {runs:?}");
    assert_eq!(core.explain(1, 0), Explanation::UnknownJob);
}

#[test]
fn a_worker_that_was_stopped_is_nobodys_fault() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    for attempt in 1..9 {
        let actions = core.worker_lost(0, LossKind::Stopped, running(1, 0, attempt, None));
        assert!(!actions.iter().any(|a| matches!(a, Action::Failed { .. })), "{actions:?}");
    }
}

/// The elements that failed alone, and why.
fn alone(actions: &[Action]) -> Vec<(u32, &ChunkFailure)> {
    let mut failed = Vec::new();
    for action in actions {
        if let Action::Failed { offset: Some(offset), failure, .. } = action {
            failed.push((*offset, failure));
        }
    }
    failed
}

/// Of what was assigned last: its attempt, and which elements of the chunk it is.
fn last_assigned(actions: &[Action]) -> (u32, Option<Vec<u32>>) {
    let of = |action: &Action| match action {
        Action::Assign { run, only, .. } => Some((run.attempt, only.as_deref().map(<[u32]>::to_vec))),
        _ => None,
    };
    actions.iter().rev().find_map(of).expect("something was assigned")
}

#[test]
fn an_element_that_ends_its_workers_is_quarantined_and_its_chunk_goes_on_without_it() {
    let mut core = Core::new(&[1]);
    core.submit(1, 4, fixed(4));
    for attempt in 1..3 {
        let actions = core.worker_lost(0, LossKind::Died, running(1, 0, attempt, Some(2)));
        assert!(alone(&actions).is_empty(), "{actions:?}");
    }
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 3, Some(2)));
    let failed = alone(&actions);
    let [(2, ChunkFailure::Quarantined { engines, .. })] = failed[..] else { panic!("{failed:?}") };
    assert_eq!(engines, &[EngineId(0); 3]);
    assert_eq!(last_assigned(&actions), (4, Some(vec![0, 1, 3])));
    // Another one: its place is that among those that are left.
    for attempt in 4..6 {
        core.worker_lost(0, LossKind::Died, running(1, 0, attempt, Some(2)));
    }
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 6, Some(2)));
    assert_eq!(alone(&actions)[0].0, 3);
    let actions = core.report(0, MS, &[]);
    assert!(is_finished(&actions, Outcome::Completed), "{actions:?}");
}

#[test]
fn the_last_element_of_a_chunk_takes_the_chunk_with_it() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(2));
    let mut actions = Vec::new();
    for attempt in 1..=6 {
        actions = core.worker_lost(0, LossKind::Died, running(1, 0, attempt, Some(0)));
    }
    assert!(alone(&actions).is_empty() && is_finished(&actions, Outcome::Completed), "{actions:?}");
}

#[test]
fn a_chunk_of_which_every_element_ends_its_worker_is_given_up() {
    let mut core = Core::new(&[1]);
    core.submit(1, 1000, fixed(1000));
    let mut attempt = 0;
    loop {
        attempt += 1;
        let actions = core.worker_lost(0, LossKind::Died, running(1, 0, attempt, Some(attempt)));
        if is_finished(&actions, Outcome::Completed) {
            break;
        }
    }
    assert_eq!(attempt, 12, "four times what an element may cost");
}

#[test]
fn an_element_that_runs_too_long_has_failed_as_often_as_its_job_allows() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3, fixed(3));
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 1, Some(1)));
    assert!(alone(&actions).is_empty(), "it may be tried once more: {actions:?}");
    assert_eq!(last_assigned(&actions), (2, None));
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 2, Some(1)));
    assert!(matches!(alone(&actions)[..], [(1, ChunkFailure::Overran { .. })]), "{actions:?}");
    assert_eq!(last_assigned(&actions), (3, Some(vec![0, 2])));
    let actions = core.report(0, MS, &[]);
    assert!(is_finished(&actions, Outcome::Completed), "{actions:?}");
}

#[test]
fn every_element_that_runs_too_long_is_tried_as_often() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3, fixed(3));
    for attempt in 1..=2 {
        core.worker_lost(0, LossKind::Overran, running(1, 0, attempt, Some(0)));
    }
    // Now it is the next one's turn, which has a second try as well.
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 3, Some(0)));
    assert!(alone(&actions).is_empty(), "{actions:?}");
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 4, Some(0)));
    assert_eq!(alone(&actions)[0].0, 1);
    // What ran too long does not use up the tries of functions that return errors.
    let actions = core.report(0, MS, &[2]);
    assert_eq!(last_assigned(&actions), (6, Some(vec![2])));
}

#[test]
fn a_place_that_cannot_be_is_no_place() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3, fixed(3));
    core.worker_lost(0, LossKind::Overran, running(1, 0, 1, Some(3)));
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 2, Some(u32::MAX)));
    let whole =
        |a: &Action| matches!(a, Action::Failed { offset: None, failure: ChunkFailure::Overran { .. }, .. });
    assert!(actions.iter().any(whole) && is_finished(&actions, Outcome::Completed), "{actions:?}");
}

#[test]
fn a_direct_call_that_runs_too_long_fails_at_once_and_says_so() {
    let mut core = Core::new(&[1]);
    core.submit(1, 1, direct(&[0]));
    core.submit(2, 1, direct(&[0]));
    let actions = core.worker_lost(0, LossKind::Overran, running(1, 0, 1, Some(0)));
    let why: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::Failed { run, failure, .. } => {
                Some((run.job.0, matches!(failure, ChunkFailure::Overran { .. })))
            }
            _ => None,
        })
        .collect();
    assert_eq!(why, [(1, true), (2, false)], "the other lost its namespace");
}

/// Node 0 cannot run the program, and node 1 can.
fn one_that_cannot() -> Core {
    let mut core = Core::new(&[1, 1]);
    core.submit(1, 20, fixed(1));
    core.worker_lost(0, LossKind::CannotStart, None);
    assert!(core.core.job_status(JobKey(1)).is_some(), "it goes on at the other node");
    core
}

#[test]
fn a_node_that_alone_can_run_a_program_may_come_back() {
    let mut core = one_that_cannot();
    core.assigned.clear();
    core.tell(Input::NodeLost { node: NodeId(1), reason: "its connection was cut".into() });
    assert!(core.core.job_status(JobKey(1)).is_some(), "it waits for that node");
    core.tell(Input::NodeJoined { node: NodeId(5), engines: 1, wanted: vec![], tags: vec![] });
    core.finish(MS);
    assert!(core.core.job_status(JobKey(1)).is_none());

    let mut core = one_that_cannot();
    core.tell(Input::NodeLost { node: NodeId(1), reason: "its connection was cut".into() });
    for _ in 0..10 {
        core.tell(Input::Heartbeat { node: NodeId(0) });
        core.now = core.now.after(Config::default().return_timeout / 10);
    }
    assert!(core.core.poll_timeout().is_some_and(|due| due <= core.now));
    let actions = core.tell(Input::Tick);
    assert!(is_finished(&actions, Outcome::Completed), "{actions:?}");
    let cannot = |a: &Action| matches!(a, Action::Failed { failure: ChunkFailure::CannotStart { .. }, .. });
    assert!(actions.iter().any(cannot), "{actions:?}");
}

/// A direct call keeps the program known, and with it what was held against it.
#[test]
fn a_job_that_no_node_can_run_fails_when_it_is_submitted() {
    let mut core = Core::new(&[2]);
    core.submit(1, 1, direct(&[1]));
    core.submit(2, 4, fixed(1));
    core.worker_lost(0, LossKind::CannotStart, None);
    assert!(core.core.job_status(JobKey(2)).is_none() && core.core.job_status(JobKey(1)).is_some());
    let actions = core.submit_unsupplied(3, 4, fixed(1));
    assert!(is_finished(&actions, Outcome::Completed), "{actions:?}");
}

#[test]
fn a_chunk_of_which_nothing_can_be_told_fails_once_and_its_engine_goes_on() {
    let mut core = Core::new(&[1]);
    core.submit(1, 4, fixed(2));
    let (node, engine, run) = core.assigned[0];
    let untold = |attempt| Input::Untold {
        node,
        engine,
        job: run.job,
        index: run.first,
        attempt,
        message: "too much".into(),
    };
    assert!(core.try_tell(untold(9)).is_err(), "another attempt");
    let actions = core.tell(untold(run.attempt));
    let failed = actions.iter().filter(|action| {
        matches!(action, Action::Failed { run, offset: None, failure: ChunkFailure::Untold { .. }, .. } if run.first == 0)
    });
    assert_eq!(failed.count(), 1, "{actions:?}");
    assert!(core.try_tell(untold(run.attempt)).is_err(), "it has ended");
    core.assigned.retain(|(.., held)| (held.first, held.count) != (0, 1));
    core.assigned.iter_mut().for_each(|(.., held)| {
        if held.first == 0 {
            (held.first, held.count, held.element_first) = (1, held.count - 1, 2);
        }
    });
    core.finish(MS);
    assert_eq!(core.explain(1, 1), Explanation::UnknownJob, "the rest was done");
}

/// The offsets of those that are left would be more than a message holds.
#[test]
fn an_element_of_a_chunk_of_millions_that_ends_its_workers_takes_the_chunk_with_it() {
    let mut core = Core::new(&[1]);
    core.submit(1, 3_000_000, fixed(3_000_000));
    for attempt in 1..3 {
        core.worker_lost(0, LossKind::Died, running(1, 0, attempt, Some(5)));
    }
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 3, Some(5)));
    let whole = |a: &Action| matches!(a, Action::Failed { offset: None, .. });
    assert!(actions.iter().any(whole), "{actions:?}");
}

/// Its worker cannot so much as read it.
#[test]
fn a_chunk_that_ends_its_workers_before_it_is_begun_is_quarantined_too() {
    let mut core = Core::new(&[2]);
    core.submit(1, 1, fixed(1));
    for attempt in 1..=3 {
        let (_, engine, run) = core.assigned[0];
        assert_eq!(run.attempt, attempt, "it is tried again");
        let actions = core.worker_lost(engine.0, LossKind::Died, None);
        let quarantined = |a: &Action| matches!(a, Action::Failed { failure: ChunkFailure::Quarantined { engines, .. }, .. } if engines.len() == 3);
        assert_eq!(actions.iter().any(quarantined), attempt == 3, "{actions:?}");
    }
    assert_eq!(core.explain(1, 0), Explanation::UnknownJob);
}
