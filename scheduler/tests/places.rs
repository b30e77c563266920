//! Where chunks may go, and what must be over before: case by case.

mod common;

use std::sync::Arc;

use common::{Core, MS, fixed, is_finished};
use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey};
use phalanx_scheduler::place::{Need, Place, Tags};
use phalanx_scheduler::{
    Action, Config, Dependency, Explanation, Impossible, Input, JobSpec, Outcome, Reject, Waiting,
};

fn spec(elements: u64) -> JobSpec {
    JobSpec::new(ProgramKey(1), elements, fixed(1))
}

fn after(jobs: &[u64]) -> Vec<Dependency> {
    vec![Dependency::on(jobs.iter().map(|key| JobKey(*key)).collect())]
}

fn needing(need: &str) -> Place {
    Place { needs: vec![Need::parse(need).expect("a need")], ..Place::default() }
}

fn bound_to(ids: &[u32]) -> Place {
    Place { targets: Some(ids.iter().map(|id| EngineId(*id)).collect()), ..Place::default() }
}

impl Core {
    fn try_submit(&mut self, job: u64, spec: JobSpec) -> Result<Vec<Action>, Reject> {
        let (key, elements) = (JobKey(job), spec.elements);
        let mut actions = self.try_tell(Input::Submit { client: ClientId(1), job: key, spec })?;
        if !actions.iter().any(|action| matches!(action, Action::Finished { job, .. } if *job == key)) {
            actions.extend(self.tell(Input::Supplied { job: key, elements }));
        }
        Ok(actions)
    }

    /// A node of one engine with this tag.
    fn join(&mut self, node: u64, tag: &str) {
        let tags = vec![Tags::from([(Arc::from(tag), Arc::from("0"))])];
        self.tell(Input::NodeJoined { node: NodeId(node), engines: 1, wanted: Vec::new(), tags });
    }

    fn engines(&self) -> Vec<u32> {
        self.assigned.iter().map(|(_, engine, _)| engine.0).collect()
    }
}

#[test]
fn a_job_begins_when_those_before_it_have_succeeded() {
    let mut core = Core::new(&[2]);
    core.submit(1, 1, fixed(1));
    let waiting = JobSpec { after: after(&[1]), ..spec(1) };
    core.try_submit(2, waiting.clone()).unwrap();
    core.try_submit(3, JobSpec { after: after(&[2]), ..spec(1) }).unwrap();
    assert_eq!(core.explain(2, 0), Explanation::Waiting(Waiting::After { jobs: vec![JobKey(1)] }));
    assert_eq!(core.assigned.len(), 1, "an engine idles");
    core.report(0, MS, &[]);
    assert_eq!(core.assigned[0].2.job, JobKey(2));
    core.report(0, MS, &[]);
    assert_eq!(core.assigned[0].2.job, JobKey(3));
    core.finish(MS);
    // They are over already.
    core.try_submit(4, JobSpec { after: after(&[1, 3]), ..spec(1) }).unwrap();
    assert_eq!(core.assigned.len(), 1);
}

#[test]
fn a_failure_before_makes_all_that_follow_impossible_at_once() {
    let mut core = Core::new(&[1]);
    core.submit(1, 1, fixed(1));
    core.try_submit(2, JobSpec { after: after(&[1]), ..spec(1) }).unwrap();
    core.try_submit(3, JobSpec { after: after(&[2]), ..spec(1) }).unwrap();
    let cleanup = Dependency { success: false, failure: true, ..Dependency::on(vec![JobKey(1)]) };
    core.try_submit(4, JobSpec { after: vec![cleanup], ..spec(1) }).unwrap();
    let actions = core.tell(Input::Cancel { client: ClientId(1), job: JobKey(1) });
    for (job, before) in [(2, 1), (3, 2)] {
        let outcome = Outcome::Impossible(Impossible::Dependency { job: JobKey(before), succeeded: false });
        let ended = Action::Finished { client: ClientId(1), job: JobKey(job), outcome };
        assert!(actions.contains(&ended), "{actions:?}");
    }
    // What cleans up after a failure runs, when the engine has answered for the cancelled chunk.
    core.report(0, MS, &[]);
    assert_eq!(core.assigned[0].2.job, JobKey(4));
    let refused = core.try_submit(5, JobSpec { after: after(&[1]), ..spec(1) });
    assert!(matches!(refused, Err(Reject::Impossible(Impossible::Dependency { .. }))), "{refused:?}");
}

#[test]
fn what_nobody_knows_cannot_be_waited_for_nor_can_oneself() {
    let mut core = Core::new(&[1]);
    let refused = core.try_submit(1, JobSpec { after: after(&[9]), ..spec(1) });
    assert_eq!(refused.unwrap_err(), Reject::UnknownDependency(JobKey(9)));
    let refused = core.try_submit(1, JobSpec { after: after(&[1]), ..spec(1) });
    assert_eq!(refused.unwrap_err(), Reject::Malformed("a job that waits for itself"));
    let nothing = Dependency { success: false, ..Dependency::on(Vec::new()) };
    assert!(core.try_submit(1, JobSpec { after: vec![nothing], ..spec(1) }).is_err());
    let direct = JobSpec { after: after(&[]), ..JobSpec::new(ProgramKey(1), 1, common::direct(&[0])) };
    assert!(core.try_submit(1, direct).is_err());
}

#[test]
fn chunks_go_only_to_engines_that_have_what_they_need_and_others_are_not_held_up() {
    let mut core = Core::new(&[2]);
    core.join(7, "gpu");
    core.try_submit(1, JobSpec { place: needing("gpu"), ..spec(50) }).unwrap();
    core.try_submit(2, spec(50)).unwrap();
    let on = |core: &Core, job: u64| {
        let of_it = core.assigned.iter().filter(|(_, _, run)| run.job == JobKey(job));
        of_it.map(|(_, engine, _)| engine.0).collect::<Vec<_>>()
    };
    assert!(on(&core, 1).iter().all(|engine| *engine == 2) && !on(&core, 1).is_empty());
    assert!(on(&core, 2).contains(&0) && on(&core, 2).contains(&1));
    let (mut bound, mut free) = (0, 0);
    while let Some((_, engine, run)) = core.assigned.first().copied() {
        core.report(0, MS * run.count, &[]);
        if run.job == JobKey(1) {
            assert_eq!(engine, EngineId(2));
            bound += run.count;
        } else {
            free += u32::from(engine != EngineId(2)) * run.count;
        }
    }
    assert!(bound == 50 && free > 25, "{free} of the other job's went elsewhere");
}

#[test]
fn an_engine_that_is_at_work_gets_a_chunk_ahead_of_a_job_that_is_bound_to_it_too() {
    let mut core = Core::new(&[2]);
    core.try_submit(1, JobSpec { place: bound_to(&[0]), ..spec(1) }).unwrap();
    core.try_submit(2, JobSpec { place: bound_to(&[0]), ..spec(1) }).unwrap();
    assert_eq!(core.engines(), [0, 0]);
}

#[test]
fn what_no_engine_has_is_refused_unless_it_is_waited_for() {
    let mut core = Core::new(&[1]);
    let refused = core.try_submit(1, JobSpec { place: needing("gpu"), ..spec(1) });
    assert_eq!(refused.unwrap_err(), Reject::Impossible(Impossible::Needs));
    let patient = Place { patient: true, ..needing("gpu") };
    core.try_submit(2, JobSpec { place: patient, ..spec(1) }).unwrap();
    let needs = vec![Need::parse("gpu").unwrap()];
    assert_eq!(core.explain(2, 0), Explanation::Waiting(Waiting::Needs { needs }));
    core.join(7, "gpu");
    assert_eq!(core.engines(), [1]);
}

#[test]
fn a_job_bound_to_engines_ends_with_the_last_of_them() {
    let mut core = Core::new(&[1, 1, 1]);
    core.try_submit(1, JobSpec { place: bound_to(&[0, 1]), ..spec(60) }).unwrap();
    assert!(core.engines().iter().all(|engine| *engine < 2));
    let lost = |node| Input::NodeLost { node: NodeId(node), reason: "its connection was cut".into() };
    let actions = core.tell(lost(0));
    assert!(!actions.iter().any(|action| matches!(action, Action::Finished { .. })));
    let actions = core.tell(lost(1));
    assert!(is_finished(&actions, Outcome::Impossible(Impossible::Targets)), "{actions:?}");
    let refused = core.try_submit(2, JobSpec { place: bound_to(&[0, 1]), ..spec(1) });
    assert_eq!(refused.unwrap_err(), Reject::UnknownEngine(EngineId(0)));
}

#[test]
fn who_follows_goes_where_the_others_ran() {
    let mut core = Core::new(&[4]);
    core.try_submit(1, JobSpec { place: bound_to(&[1, 2]), ..spec(40) }).unwrap();
    core.try_submit(2, JobSpec { place: bound_to(&[2, 3]), ..spec(40) }).unwrap();
    let follow = Dependency { follow: true, ..Dependency::on(vec![JobKey(1), JobKey(2)]) };
    core.try_submit(3, JobSpec { after: vec![follow.clone()], ..spec(40) }).unwrap();
    let ran = core.finish(MS);
    let on: Vec<u32> = ran.iter().filter(|(_, run)| run.job == JobKey(3)).map(|(e, _)| e.0).collect();
    assert!(!on.is_empty() && on.iter().all(|engine| *engine == 2), "{on:?}");
    // Nowhere did both of these run.
    core.try_submit(4, JobSpec { place: bound_to(&[0]), ..spec(1) }).unwrap();
    core.finish(MS);
    let jobs = vec![JobKey(2), JobKey(4)];
    let actions = core.try_submit(5, JobSpec { after: vec![Dependency { jobs, ..follow }], ..spec(1) });
    assert!(is_finished(&actions.unwrap(), Outcome::Impossible(Impossible::Follow)));
}

#[test]
fn an_engine_on_which_the_condition_is_not_met_gets_no_more_of_the_job() {
    let mut core = Core::new(&[2]);
    let conditional = Place { conditional: true, ..Place::default() };
    core.try_submit(1, JobSpec { place: conditional.clone(), ..spec(30) }).unwrap();
    let refuse = |core: &mut Core, at: usize| {
        let (node, engine, run) = core.assigned.remove(at);
        let (job, first, count, attempt) = (run.job, run.first, run.count, run.attempt);
        core.tell(Input::Returned { node, engine, job, first, count, attempt, refused: true })
    };
    while let Some(at) = core.assigned.iter().position(|(_, engine, _)| engine.0 == 0) {
        refuse(&mut core, at);
    }
    let ran = core.finish(MS);
    assert!(ran.iter().all(|(engine, _)| engine.0 == 1));
    assert_eq!(ran.iter().map(|(_, run)| run.count).sum::<u32>(), 30);

    core.try_submit(2, JobSpec { place: conditional, ..spec(1) }).unwrap();
    assert!(!is_finished(
        &refuse(&mut core, 0),
        Outcome::Impossible(Impossible::Condition { engines: 1, was_met: false })
    ));
    let actions = refuse(&mut core, 0);
    assert!(
        is_finished(&actions, Outcome::Impossible(Impossible::Condition { engines: 2, was_met: false })),
        "{actions:?}"
    );
    // Where it was met on an engine that is gone, that is said.
    let mut half = Core::new(&[1, 1]);
    let conditional = Place { conditional: true, ..Place::default() };
    half.try_submit(1, JobSpec { place: conditional, ..spec(30) }).unwrap();
    while let Some(at) = half.assigned.iter().position(|(_, engine, _)| engine.0 == 0) {
        refuse(&mut half, at);
    }
    half.report(0, MS, &[]);
    let actions = half.tell(Input::NodeLost { node: NodeId(1), reason: "gone".into() });
    let why = Impossible::Condition { engines: 1, was_met: true };
    assert!(is_finished(&actions, Outcome::Impossible(why)), "{actions:?}");
    assert!(why.to_string().contains("only on engines that are gone"), "{why}");
    // Only a job with a condition can be refused.
    core.try_submit(3, spec(1)).unwrap();
    let (node, engine, run) = core.assigned[0];
    let (job, first, count, attempt) = (run.job, run.first, run.count, run.attempt);
    let lie = core.try_tell(Input::Returned { node, engine, job, first, count, attempt, refused: true });
    assert!(matches!(lie, Err(Reject::Malformed(_))), "{lie:?}");
}

#[test]
fn a_job_that_was_submitted_again_waits_for_its_engines_for_a_while() {
    let returning = Place { returning: true, ..bound_to(&[3]) };
    let lone = || JobSpec { place: returning.clone(), ..spec(2) };
    let mut core = Core::new(&[1]);
    let refused = core.try_submit(1, JobSpec { place: bound_to(&[3]), ..spec(2) });
    assert!(matches!(refused, Err(Reject::UnknownEngine(EngineId(3)))), "{refused:?}");
    core.try_submit(2, lone()).unwrap();
    assert_eq!(core.explain(2, 0), Explanation::Waiting(Waiting::Absent));
    let (node, wanted) = (NodeId(5), vec![EngineId(3)]);
    core.tell(Input::NodeJoined { node, engines: 1, wanted, tags: Vec::new() });
    assert_eq!(core.engines(), [3, 3]);

    let mut core = Core::new(&[1]);
    core.try_submit(2, lone()).unwrap();
    let timeout = Config::default().return_timeout;
    assert!(core.core.poll_timeout().is_some_and(|due| due <= core.now.after(timeout)));
    for _ in 0..6 {
        core.tell(Input::Heartbeat { node: NodeId(0) });
        core.now = core.now.after(timeout / 7);
    }
    assert!(!core.tell(Input::Tick).iter().any(|action| matches!(action, Action::Finished { .. })));
    core.tell(Input::Heartbeat { node: NodeId(0) });
    core.now = core.now.after(timeout / 6);
    let actions = core.tell(Input::Tick);
    let outcome = Outcome::Impossible(Impossible::Targets);
    let finished = Action::Finished { client: ClientId(1), job: JobKey(2), outcome };
    assert!(actions.contains(&finished), "{actions:?}");
}
