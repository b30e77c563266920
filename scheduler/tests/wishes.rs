//! What clients want of engines: a restart, a leave.

mod common;

use phalanx_proto::ids::EngineId;
use phalanx_scheduler::{Action, ChunkFailure, Input, LossKind, Outcome, Reject};

use common::{Core, MS, direct, fixed, is_finished};

fn restart(engine: u32) -> Input {
    Input::EngineRestarted { engine: EngineId(engine), reason: "a client restarted it".into() }
}

fn leave(engine: u32) -> Input {
    Input::EngineLeaving { engine: EngineId(engine), reason: "a client shut it down".into() }
}

#[test]
fn a_restart_moves_balanced_chunks_on_as_often_as_it_comes_and_blames_none() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    for _ in 0..9 {
        let actions = core.tell(restart(0));
        assert!(actions.iter().any(|a| matches!(a, Action::AttemptLost { .. })), "{actions:?}");
        assert!(!actions.iter().any(|a| matches!(a, Action::Failed { .. })), "{actions:?}");
    }
    core.assigned.drain(..core.assigned.len() - 1);
    assert!(core.explain(1, 0) != phalanx_scheduler::Explanation::UnknownJob);
}

#[test]
fn a_restart_ends_every_direct_call_that_came_before_it_and_none_that_comes_after() {
    let mut core = Core::new(&[2]);
    // More than an engine holds at a time: some are still queued here.
    for job in 1..=100 {
        core.submit(job, 1, direct(&[0]));
    }
    core.submit(200, 1, direct(&[1]));
    let actions = core.tell(restart(0));
    let failed = actions.iter().filter(|action| match action {
        Action::Failed { engine, failure: ChunkFailure::WorkerLost { loss, .. }, .. } => {
            *engine == EngineId(0)
                && loss.kind == LossKind::Stopped
                && &*loss.message == "a client restarted it"
        }
        _ => false,
    });
    assert_eq!(failed.count(), 100);
    core.assigned.retain(|(_, engine, _)| engine.0 != 0);
    core.submit(300, 1, direct(&[0]));
    let runs = core.finish(MS);
    assert_eq!(runs.iter().map(|(_, run)| run.job.0).collect::<Vec<_>>(), [200, 300]);
}

#[test]
fn an_engine_that_leaves_is_gone_at_once_and_its_work_goes_on_elsewhere() {
    let mut core = Core::new(&[2]);
    core.submit(1, 4, fixed(1));
    core.submit(2, 2, direct(&[0, 1]));
    let actions = core.tell(leave(0));
    assert!(
        actions.iter().any(|a| matches!(a, Action::EngineGone { engine: EngineId(0), .. })),
        "{actions:?}"
    );
    let lost = |a: &Action| {
        matches!(a, Action::Failed { engine: EngineId(0), failure: ChunkFailure::EngineLost { .. }, .. })
    };
    assert_eq!(actions.iter().filter(|a| lost(a)).count(), 1, "{actions:?}");
    core.assigned.retain(|(_, engine, _)| engine.0 != 0);
    let mut all = Vec::new();
    while !core.assigned.is_empty() {
        all.extend(core.report(0, MS, &[]));
    }
    assert_eq!(all.iter().filter(|a| matches!(a, Action::Finished { .. })).count(), 2);
    assert!(is_finished(&all, Outcome::Completed));
    assert_eq!(core.try_tell(leave(0)), Err(Reject::UnknownEngine(EngineId(0))));
    assert_eq!(core.try_tell(restart(0)), Err(Reject::UnknownEngine(EngineId(0))));
}

#[test]
fn a_node_whose_last_engine_leaves_is_given_nothing_and_its_jobs_wait_for_others() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    core.tell(leave(0));
    core.assigned.clear();
    core.tell(Input::Heartbeat { node: phalanx_proto::ids::NodeId(0) });
    let joined = Input::NodeJoined {
        node: phalanx_proto::ids::NodeId(7),
        engines: 1,
        wanted: vec![EngineId(0)],
        tags: vec![],
    };
    let actions = core.tell(joined);
    assert!(actions.iter().any(|a| matches!(a, Action::Assign { engine: EngineId(1), .. })), "{actions:?}");
    core.tell(Input::NodeLost { node: phalanx_proto::ids::NodeId(0), reason: "it has ended".into() });
    assert_eq!(core.finish(MS).iter().map(|(_, run)| run.count).sum::<u32>(), 2);
}
