//! A core to be told things, for tests that go case by case.

#![allow(dead_code, reason = "no file needs all of it")]

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ChunkId, ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};
use phalanx_scheduler::{
    Action, Chunking, Config, Explanation, Input, JobSpec, Loss, LossKind, Outcome, Plan, Reject,
    RunningChunk, Scheduler, Timestamp,
};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// A core with one client, whose invariants are checked after every input.
pub(crate) struct Core {
    pub(crate) core: Scheduler,
    pub(crate) now: Timestamp,
    /// What was assigned and not reported, in order.
    pub(crate) assigned: Vec<(NodeId, EngineId, Run)>,
}

impl Core {
    pub(crate) fn new(nodes: &[u32]) -> Self {
        let mut core =
            Self { core: Scheduler::new(Config::default(), 1), now: Timestamp(0), assigned: Vec::new() };
        for client in [1, 2] {
            core.tell(Input::ClientJoined { client: ClientId(client) });
        }
        for (node, engines) in nodes.iter().enumerate() {
            core.tell(Input::NodeJoined {
                node: NodeId(node as u64),
                engines: *engines,
                wanted: Vec::new(),
                tags: Vec::new(),
            });
        }
        core
    }

    pub(crate) fn try_tell(&mut self, input: Input) -> Result<Vec<Action>, Reject> {
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

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Action> {
        self.try_tell(input).expect("the input makes sense")
    }

    pub(crate) fn submit_as(
        &mut self,
        client: u64,
        job: u64,
        program: u64,
        elements: u64,
        plan: Plan,
    ) -> Vec<Action> {
        let (client, job) = (ClientId(client), JobKey(job));
        let spec = JobSpec { retries: 1, ..JobSpec::new(ProgramKey(program), elements, plan) };
        let mut actions = self.tell(Input::Submit { client, job, spec });
        if elements > 0 {
            actions.extend(self.tell(Input::Supplied { job, elements }));
        }
        actions
    }

    pub(crate) fn submit(&mut self, job: u64, elements: u64, plan: Plan) -> Vec<Action> {
        self.submit_as(1, job, 1, elements, plan)
    }

    /// A job none of whose elements have come.
    pub(crate) fn submit_unsupplied(&mut self, job: u64, elements: u64, plan: Plan) -> Vec<Action> {
        let spec = JobSpec::new(ProgramKey(1), elements, plan);
        self.tell(Input::Submit { client: ClientId(1), job: JobKey(job), spec })
    }

    pub(crate) fn report(&mut self, at: usize, busy: Duration, failed: &[u32]) -> Vec<Action> {
        let (node, engine, run) = self.assigned.remove(at);
        let Run { job, first, count, attempt, .. } = run;
        self.tell(Input::Report { node, engine, job, first, count, attempt, busy, failed: failed.to_vec() })
    }

    /// Reports everything, each chunk having taken so long; the runs in their order.
    pub(crate) fn finish(&mut self, busy: Duration) -> Vec<(EngineId, Run)> {
        let mut runs = Vec::new();
        while let Some((_, engine, run)) = self.assigned.first().copied() {
            self.report(0, busy * run.count, &[]);
            runs.push((engine, run));
        }
        runs
    }

    pub(crate) fn worker_lost(
        &mut self,
        engine: u32,
        kind: LossKind,
        running: Option<RunningChunk>,
    ) -> Vec<Action> {
        let node =
            self.assigned.iter().find(|(_, e, _)| e.0 == engine).map_or(NodeId(0), |(node, _, _)| *node);
        self.assigned.retain(|(_, e, _)| e.0 != engine);
        let loss = Loss { kind, message: Arc::from("signal 9"), signal: Some(9) };
        self.tell(Input::WorkerLost { node, engine: EngineId(engine), loss, running })
    }

    pub(crate) fn explain(&self, job: u64, index: u64) -> Explanation {
        self.core.explain(ChunkId { job: JobKey(job), index })
    }
}

pub(crate) fn fixed(size: u64) -> Plan {
    Plan::Balanced { chunking: Chunking::Fixed(size), remaining: Vec::new() }
}

pub(crate) fn direct(targets: &[u32]) -> Plan {
    Plan::Direct { targets: targets.iter().map(|id| EngineId(*id)).collect() }
}

pub(crate) fn is_finished(actions: &[Action], outcome: Outcome) -> bool {
    actions.iter().any(|action| matches!(action, Action::Finished { outcome: o, .. } if *o == outcome))
}

/// What a worker ran, with the place of its element.
pub(crate) fn running(job: u64, chunk: u64, attempt: u32, place: Option<u32>) -> Option<RunningChunk> {
    Some(RunningChunk { job: JobKey(job), chunk, attempt, place })
}
