//! Jobs that end when nothing of them was begun in time.

mod common;

use common::{Core, MS, direct, fixed, is_finished, running};
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey};
use phalanx_scheduler::place::Need;
use phalanx_scheduler::{
    Action, Chunking, Config, Dependency, Explanation, Input, JobSpec, LossKind, Outcome, Place, Plan,
    Unbegun, Waiting,
};

const NODE: NodeId = NodeId(0);
const ENGINE: EngineId = EngineId(0);
const LATE: JobKey = JobKey(2);

/// One engine that runs job 1, one long chunk, and a job of `elements` with a queue limit of 10 ms.
fn behind_a_long_one(elements: u64, plan: Plan) -> Core {
    let mut core = Core::new(&[1]);
    core.submit(1, 1, fixed(1));
    submit(&mut core, elements, plan);
    core
}

fn submit(core: &mut Core, elements: u64, plan: Plan) {
    let spec = JobSpec { queue_limit: Some(10 * MS), ..JobSpec::new(ProgramKey(1), elements, plan) };
    core.tell(Input::Submit { client: ClientId(1), job: LATE, spec });
    core.tell(Input::Supplied { job: LATE, elements });
}

/// The deadline has come: what is recalled of the job.
fn at_the_deadline(core: &mut Core) -> Vec<(u64, u32)> {
    core.now = core.now.after(10 * MS);
    let actions = core.tell(Input::Tick);
    let recall = |action: &Action| match action {
        Action::Recall { job: LATE, first, count, .. } => Some((*first, *count)),
        _ => None,
    };
    actions.iter().filter_map(recall).collect()
}

fn returned(first: u64, count: u32) -> Input {
    Input::Returned { node: NODE, engine: ENGINE, job: LATE, first, count, attempt: 1, refused: false }
}

fn begun(first: u64, count: u32) -> Input {
    Input::Begun { node: NODE, engine: ENGINE, job: LATE, first, count, attempt: 1 }
}

fn is_there(core: &Core) -> bool {
    core.core.job_status(LATE).is_some()
}

#[test]
fn a_job_that_nobody_was_given_ends_at_its_deadline() {
    let mut core = Core::new(&[1]);
    core.submit(1, 5, fixed(1));
    submit(&mut core, 3, fixed(1));
    assert_eq!(core.core.poll_timeout(), Some(core.now.after(10 * MS)));
    core.now = core.now.after(10 * MS);
    let actions = core.tell(Input::Tick);
    let outcome = Outcome::Expired(Unbegun::Busy);
    assert_eq!(actions, [Action::Finished { client: ClientId(1), job: LATE, outcome }]);
}

#[test]
fn what_waits_on_an_engine_is_handed_back_and_the_job_ends() {
    let mut core = behind_a_long_one(3, fixed(1));
    assert!(matches!(core.explain(2, 0), Explanation::Queued { behind: 1, .. }), "{:?}", core.explain(2, 0));
    assert_eq!(core.core.explain_job(LATE).unwrap().running[0].behind, 1);
    assert_eq!(at_the_deadline(&mut core), [(0, 1)]);
    assert!(is_there(&core), "it may have been begun");
    assert!(matches!(core.explain(2, 0), Explanation::Queued { recalled: true, .. }), "it is asked for once");
    assert_eq!(core.explain(2, 1), Explanation::Waiting(Waiting::Overdue));
    let actions = core.tell(returned(0, 1));
    assert!(is_finished(&actions, Outcome::Expired(Unbegun::Busy)), "{actions:?}");
    assert!(!actions.iter().any(|action| matches!(action, Action::Assign { .. })), "{actions:?}");
    // The other job goes on.
    core.assigned.retain(|(_, _, run)| run.job == JobKey(1));
    assert!(is_finished(&core.report(0, MS, &[]), Outcome::Completed));
}

#[test]
fn what_was_begun_goes_on() {
    let mut core = behind_a_long_one(3, fixed(1));
    assert!(is_finished(&core.report(0, MS, &[]), Outcome::Completed), "the long one ends just before");
    let recalled = at_the_deadline(&mut core);
    assert_eq!(recalled[0], (0, 1), "whether it was begun is not known: {recalled:?}");
    for (first, count) in &recalled[1..] {
        core.tell(returned(*first, *count));
    }
    core.assigned.retain(|(_, _, run)| run.first == 0);
    assert!(is_there(&core));
    let actions = core.tell(begun(0, 1));
    let next = actions.iter().find_map(|action| match action {
        Action::Assign { run, .. } => Some((run.job, run.first, run.attempt)),
        _ => None,
    });
    assert_eq!(next, Some((LATE, 1, 1)), "its other chunks are given out again: {actions:?}");
    core.now = core.now.after(1_000 * MS);
    assert_eq!(core.core.poll_timeout().filter(|due| *due <= core.now), None);
    core.finish(MS);
    assert!(!is_there(&core));
}

#[test]
fn a_report_says_that_it_was_begun() {
    let mut core = behind_a_long_one(1, fixed(1));
    core.report(0, MS, &[]);
    assert_eq!(at_the_deadline(&mut core), [(0, 1)]);
    assert!(is_finished(&core.report(0, MS, &[]), Outcome::Completed));
}

#[test]
fn an_engine_that_says_nothing_holds_it_no_longer() {
    let mut core = behind_a_long_one(1, fixed(1));
    at_the_deadline(&mut core);
    let timeout = Config::default().recall_timeout;
    assert_eq!(core.core.poll_timeout().map(|due| due <= core.now.after(timeout)), Some(true));
    core.now = core.now.after(timeout);
    let actions = core.tell(Input::Tick);
    assert!(is_finished(&actions, Outcome::Expired(Unbegun::Busy)), "{actions:?}");
    assert!(actions.contains(&Action::CancelOn { node: NODE, engine: ENGINE, job: LATE }), "{actions:?}");
}

#[test]
fn it_holds_for_a_direct_call_too() {
    let mut core = behind_a_long_one(1, direct(&[0]));
    assert_eq!(at_the_deadline(&mut core), [(0, 1)]);
    assert!(is_finished(&core.tell(returned(0, 1)), Outcome::Expired(Unbegun::Busy)));
    let mut core = behind_a_long_one(1, direct(&[0]));
    at_the_deadline(&mut core);
    core.tell(begun(0, 1));
    core.finish(MS);
    assert!(!is_there(&core));
}

#[test]
fn a_lost_worker_had_begun_what_it_ran_and_nothing_else() {
    let mut core = behind_a_long_one(1, fixed(1));
    at_the_deadline(&mut core);
    let actions = core.worker_lost(0, LossKind::Died, running(1, 0, 1, Some(0)));
    assert!(is_finished(&actions, Outcome::Expired(Unbegun::Busy)), "{actions:?}");
    let mut core = behind_a_long_one(1, fixed(1));
    core.report(0, MS, &[]);
    at_the_deadline(&mut core);
    let actions = core.worker_lost(0, LossKind::Died, running(2, 0, 1, Some(0)));
    assert!(is_there(&core), "{actions:?}");
    core.finish(MS);
    assert!(!is_there(&core));
}

#[test]
fn what_an_engine_has_begun_is_asked_back_no_more_and_what_comes_behind_it_is() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    let actions = core.tell(Input::NodeJoined { node: NodeId(9), engines: 1, wanted: vec![], tags: vec![] });
    assert!(actions.iter().any(|action| matches!(action, Action::Recall { first: 1, .. })), "{actions:?}");
    // The first ends, and the second is under way when it is asked for.
    let (job, attempt) = (JobKey(1), 1);
    let (busy, failed) = (MS, Vec::new());
    core.tell(Input::Report { node: NODE, engine: ENGINE, job, first: 0, count: 1, attempt, busy, failed });
    let begun = |first| Input::Begun { node: NODE, engine: ENGINE, job, first, count: 1, attempt };
    core.tell(begun(1));
    assert!(core.try_tell(begun(0)).is_err(), "it was reported");
    // It runs for long; what is given to its engine behind it is not stuck there.
    core.tell(Input::NodeLost { node: NodeId(9), reason: "it is gone".into() });
    core.submit(3, 1, fixed(1));
    let actions = core.tell(Input::NodeJoined { node: NodeId(8), engines: 1, wanted: vec![], tags: vec![] });
    assert!(actions.iter().any(|a| matches!(a, Action::Recall { job: JobKey(3), .. })), "{actions:?}");
}

#[test]
fn what_it_waited_for_is_said() {
    let limited =
        |elements| JobSpec { queue_limit: Some(10 * MS), ..JobSpec::new(ProgramKey(1), elements, fixed(1)) };
    let mut core = Core::new(&[1]);
    core.submit(1, 1, fixed(1));
    let after = vec![Dependency::on(vec![JobKey(1)])];
    let needs = vec![Need::parse("gpu").unwrap()];
    let place = Place { needs, patient: true, ..Place::default() };
    let absent = Place { targets: Some(vec![EngineId(7)]), returning: true, ..Place::default() };
    let auto = Plan::Balanced { chunking: Chunking::Auto, remaining: vec![] };
    let specs = [
        (JobSpec { after, ..limited(1) }, Unbegun::After),
        (JobSpec { place, ..limited(1) }, Unbegun::Needs),
        (limited(1), Unbegun::Busy),
        (limited(2), Unbegun::NotSupplied),
        (JobSpec { plan: auto, ..limited(2) }, Unbegun::NotSupplied),
        (JobSpec { place: absent, ..limited(1) }, Unbegun::Absent),
    ];
    for (key, (spec, _)) in (10..).zip(&specs) {
        core.tell(Input::Submit { client: ClientId(1), job: JobKey(key), spec: spec.clone() });
        core.tell(Input::Supplied { job: JobKey(key), elements: u64::from(spec.elements == 1) });
    }
    core.now = core.now.after(10 * MS);
    let mut actions = core.tell(Input::Tick);
    actions.extend(core.tell(Input::Returned {
        node: NODE,
        engine: ENGINE,
        job: JobKey(12),
        first: 0,
        count: 1,
        attempt: 1,
        refused: false,
    }));
    for (key, (_, why)) in (10..).zip(&specs) {
        let outcome = Outcome::Expired(*why);
        let finished = Action::Finished { client: ClientId(1), job: JobKey(key), outcome };
        assert!(actions.contains(&finished), "{why}: {actions:?}");
    }
}

#[test]
fn what_a_restart_ends_had_begun() {
    let mut core = behind_a_long_one(3, fixed(1));
    core.report(0, MS, &[]);
    core.tell(Input::EngineRestarted { engine: ENGINE, reason: "a client wanted it".into() });
    core.assigned.retain(|(_, _, run)| run.attempt > 1 || run.first > 1);
    // Another job keeps it from going on in time.
    assert_eq!(at_the_deadline(&mut core), [], "it has begun, and has no deadline any more");
    assert!(is_there(&core));
}
