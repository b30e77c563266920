//! What the core does, case by case.

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ChunkId, ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{
    Action, ChunkFailure, Chunking, Config, Explanation, Input, JobSpec, Loss, LossKind, Outcome, Plan,
    Reject, Scheduler, Timestamp, Waiting,
};

const MS: Duration = Duration::from_millis(1);

/// A core with one client, whose invariants are checked after every input.
struct Core {
    core: Scheduler,
    now: Timestamp,
    /// What was assigned and not reported, in order.
    assigned: Vec<(NodeId, EngineId, Run)>,
}

impl Core {
    fn new(nodes: &[u32]) -> Self {
        let mut core =
            Self { core: Scheduler::new(Config::default(), 1), now: Timestamp(0), assigned: Vec::new() };
        for client in [1, 2] {
            core.tell(Input::ClientJoined { client: ClientId(client) });
        }
        for (node, engines) in nodes.iter().enumerate() {
            core.tell(Input::NodeJoined { node: NodeId(node as u64), engines: *engines, wanted: Vec::new() });
        }
        core
    }

    fn try_tell(&mut self, input: Input) -> Result<Vec<Action>, Reject> {
        let result = self.core.handle(self.now, input);
        self.core.check_invariants().expect("what must hold holds");
        let actions: Vec<_> = std::iter::from_fn(|| self.core.poll_action()).collect();
        for action in &actions {
            if let Action::Assign { node, engine, run, .. } = action {
                self.assigned.push((*node, *engine, *run));
            }
        }
        result.map(|()| actions)
    }

    fn tell(&mut self, input: Input) -> Vec<Action> {
        self.try_tell(input).expect("the input makes sense")
    }

    fn submit_as(&mut self, client: u64, job: u64, program: u64, elements: u64, plan: Plan) -> Vec<Action> {
        let (client, job) = (ClientId(client), JobKey(job));
        let spec = JobSpec { program: ProgramKey(program), elements, plan, retries: 1 };
        let mut actions = self.tell(Input::Submit { client, job, spec });
        if elements > 0 {
            actions.extend(self.tell(Input::Supplied { job, elements }));
        }
        actions
    }

    fn submit(&mut self, job: u64, elements: u64, plan: Plan) -> Vec<Action> {
        self.submit_as(1, job, 1, elements, plan)
    }

    fn report(&mut self, at: usize, busy: Duration, failed: &[u32]) -> Vec<Action> {
        let (node, engine, run) = self.assigned.remove(at);
        let Run { job, first, count, attempt, .. } = run;
        self.tell(Input::Report { node, engine, job, first, count, attempt, busy, failed: failed.to_vec() })
    }

    /// Reports everything, each chunk having taken so long; the runs in their order.
    fn finish(&mut self, busy: Duration) -> Vec<(EngineId, Run)> {
        let mut runs = Vec::new();
        while let Some((_, engine, run)) = self.assigned.first().copied() {
            self.report(0, busy * run.count, &[]);
            runs.push((engine, run));
        }
        runs
    }

    fn worker_lost(
        &mut self,
        engine: u32,
        kind: LossKind,
        running: Option<(JobKey, u64, u32)>,
    ) -> Vec<Action> {
        let node =
            self.assigned.iter().find(|(_, e, _)| e.0 == engine).map_or(NodeId(0), |(node, _, _)| *node);
        self.assigned.retain(|(_, e, _)| e.0 != engine);
        let loss = Loss { kind, message: Arc::from("signal 9"), signal: Some(9) };
        self.tell(Input::WorkerLost { node, engine: EngineId(engine), loss, running })
    }

    fn explain(&self, job: u64, index: u64) -> Explanation {
        self.core.explain(ChunkId { job: JobKey(job), index })
    }
}

fn fixed(size: u64) -> Plan {
    Plan::Balanced { chunking: Chunking::Fixed(size), remaining: Vec::new() }
}

fn direct(targets: &[u32]) -> Plan {
    Plan::Direct { targets: targets.iter().map(|id| EngineId(*id)).collect() }
}

fn is_finished(actions: &[Action], outcome: Outcome) -> bool {
    actions.iter().any(|action| matches!(action, Action::Finished { outcome: o, .. } if *o == outcome))
}

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
    let actions = core.tell(Input::NodeJoined { node: NodeId(9), engines: 1, wanted: Vec::new() });
    let (first, attempt) = (1, 1);
    let recall =
        Action::Recall { node: NodeId(0), engine: EngineId(0), job: JobKey(1), first, count: 1, attempt };
    assert!(actions.contains(&recall), "{actions:?}");
    assert!(matches!(core.explain(1, 1), Explanation::Queued { recalled: true, .. }));
    let (node, engine, job) = (NodeId(0), EngineId(0), JobKey(1));
    core.tell(Input::Returned { node, engine, job, first, count: 1, attempt });
    let (_, engine, run) = core.assigned.last().unwrap();
    assert_eq!((engine.0, run.first, run.attempt), (1, 1, 2));
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
fn a_chunk_that_ends_its_workers_is_quarantined_and_its_neighbours_are_not() {
    let mut core = Core::new(&[1]);
    core.submit(1, 2, fixed(1));
    for attempt in 1..3 {
        let actions = core.worker_lost(0, LossKind::Died, Some((JobKey(1), 0, attempt)));
        assert!(actions.iter().any(|a| matches!(a, Action::AttemptLost { .. })), "{actions:?}");
    }
    let actions = core.worker_lost(0, LossKind::Died, Some((JobKey(1), 0, 3)));
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
        let actions = core.worker_lost(0, LossKind::Stopped, Some((JobKey(1), 0, attempt)));
        assert!(!actions.iter().any(|a| matches!(a, Action::Failed { .. })), "{actions:?}");
    }
}

#[test]
fn direct_chunks_fail_with_their_worker_and_their_engine() {
    let mut core = Core::new(&[2]);
    core.submit(1, 2, direct(&[0, 1]));
    core.submit(2, 2, direct(&[1, 0]));
    let actions = core.worker_lost(0, LossKind::Died, Some((JobKey(1), 0, 1)));
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
    let gone = JobSpec { program: ProgramKey(1), elements: 1, plan: direct(&[0]), retries: 0 };
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
    core.tell(Input::NodeJoined { node: NodeId(5), engines: 1, wanted: vec![EngineId(0), EngineId(77)] });
    let actions = core.tell(Input::Tick);
    assert!(actions.contains(&Action::Expired { node: NodeId(0) }));
    assert!(actions.iter().any(|a| matches!(a, Action::EngineGone { engine: EngineId(0), .. })));
    assert!(core.assigned.iter().any(|(node, engine, run)| (node.0, engine.0, run.attempt) == (5, 1, 2)));
    assert_eq!(core.try_tell(Input::Heartbeat { node: NodeId(0) }), Err(Reject::UnknownNode(NodeId(0))));
    let actions =
        core.tell(Input::NodeJoined { node: NodeId(6), engines: 2, wanted: vec![EngineId(0), EngineId(77)] });
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
    core.tell(Input::Returned { node, engine, job, first: 1, count: 1, attempt: 1 });
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
        spec: JobSpec { program: ProgramKey(1), elements, plan, retries: 0 },
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
