//! What the outside may rely on, said a second time and much more simply: the model believes nothing
//! and follows every input and action.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId, ProgramKey, Run};

use super::job_model::{ChunkModel, JobModel, is_loss};
use crate::place::Tags;
use crate::{Action, Input, Outcome, Plan};

/// How many jobs that have ended are remembered.
pub(super) const PAST_JOBS_MAX: usize = 5;

/// How long an engine has to answer a recall before a job that should have begun ends.
pub(super) const RECALL_TIMEOUT_NS: u64 = 1_500_000;

/// How long engines may take to come back.
pub(super) const RETURN_TIMEOUT_NS: u64 = 4_000_000;

/// A broken promise.
pub(super) type Broken = String;

#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) engine: EngineId,
    pub(super) attempt: u32,
    pub(super) cancelled: bool,
    pub(super) urgent: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct NodeModel {
    pub(super) engines: Vec<EngineId>,
    pub(super) pressed: bool,
    pub(super) draining: bool,
    pub(super) drained: bool,
}

/// All that was promised so far.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) clients: BTreeMap<ClientId, bool>,
    pub(super) nodes: BTreeMap<NodeId, NodeModel>,
    pub(super) engines: BTreeMap<EngineId, NodeId>,
    /// What they have.
    pub(super) tags: BTreeMap<EngineId, Tags>,
    pub(super) tags_to_come: Vec<Tags>,
    ids_used: BTreeSet<EngineId>,
    pub(super) jobs: BTreeMap<JobKey, JobModel>,
    /// How many jobs of a client may be under way, if it has said so.
    pub(super) bounds: BTreeMap<ClientId, usize>,
    pub(super) live: BTreeMap<(JobKey, u64), Live>,
    pub(super) barred: BTreeSet<(ProgramKey, NodeId)>,
    /// What was on an engine whose worker is lost.
    pub(super) lost: Vec<((JobKey, u64), u32)>,
    /// The chunk of which something must fail now, for an element overran once too often; and that element's offset.
    pub(super) overran: Option<((JobKey, u64), u32)>,
    pub(super) crash_limit: usize,
    /// The time of the input that is being followed.
    pub(super) now: u64,
}

pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Model {
    pub(super) fn new(crash_limit: u32) -> Self {
        Self { crash_limit: crash_limit as usize, ..Self::default() }
    }

    /// An action that `cause` led to.
    pub(super) fn follow(&mut self, cause: &Input, action: &Action) -> Result<(), Broken> {
        match action {
            Action::Registered { node, engines } => self.registered(*node, engines),
            Action::Assign { node, engine, run, only, urgent } => {
                if *urgent {
                    self.overtakes(*engine, *run, only.as_deref())?;
                }
                self.assigned(*node, *engine, *run, only.as_deref(), *urgent)
            }
            Action::Recall { engine, job, first, count, attempt, .. } => (*first..*first + u64::from(*count))
                .try_for_each(|index| {
                    let live = self
                        .live
                        .get(&(*job, index))
                        .filter(|l| l.engine == *engine && l.attempt == *attempt);
                    let late = self.jobs[job].begin_by.is_some_and(|deadline| deadline <= self.now);
                    let direct = matches!(self.jobs[job].spec.plan, Plan::Direct { .. }) && !late;
                    ensure(live.is_some() && !direct, || {
                        format!("{index} of {job} was recalled from {engine}")
                    })
                }),
            Action::Accepted { client, run, retrying } => self.accepted(cause, *client, *run, *retrying),
            Action::Failed { client, run, offset, engine, failure } => {
                // With an engine its direct chunks are lost, and what it was at is guessed.
                self.jobs.entry(run.job).and_modify(|job| job.may_have_begun = true);
                self.failed(cause, *client, *run, *offset, *engine, failure)
            }
            Action::AttemptLost { run, engine, .. } => self.attempt_lost(cause, *run, *engine),
            Action::CancelOn { engine, job, .. } => {
                let model = self.jobs.get_mut(job).ok_or("a cancel of no job")?;
                ensure(model.cancelled_on.insert(*engine), || format!("{job} is cancelled twice on {engine}"))
            }
            Action::Finished { client, job, outcome } => self.finished(cause, *client, *job, *outcome),
            Action::Drained { node } => self.drained(*node),
            Action::Expired { node } => {
                self.forget_empty(*node);
                ensure(matches!(cause, Input::Tick), || format!("{node} expired"))
            }
            Action::EngineGone { engine, .. } => self.gone(cause, *engine),
        }
    }

    fn registered(&mut self, node: NodeId, engines: &[EngineId]) -> Result<(), Broken> {
        let mut tags = std::mem::take(&mut self.tags_to_come).into_iter();
        for engine in engines {
            ensure(self.ids_used.insert(*engine), || format!("engine id {engine} is granted again"))?;
            self.tags.insert(*engine, tags.next().unwrap_or_default());
            self.engines.insert(*engine, node);
        }
        self.node(node).engines = engines.to_vec();
        Ok(())
    }

    fn assigned(
        &mut self,
        node: NodeId,
        engine: EngineId,
        run: Run,
        only: Option<&[u32]>,
        urgent: bool,
    ) -> Result<(), Broken> {
        ensure(self.engines.get(&engine) == Some(&node), || format!("assigned to {engine}, which is gone"))?;
        let place = &self.nodes[&node];
        ensure(!place.pressed && !place.draining, || format!("assigned to {engine} of a closed node"))?;
        ensure(self.jobs.contains_key(&run.job), || format!("{run:?} of no job"))?;
        self.check_begun(run.job, engine)?;
        let job = self.jobs.get_mut(&run.job).ok_or("assigned of no job")?;
        ensure(job.ended.is_none(), || format!("{run:?} after the end"))?;
        match self.clients.get(&job.client) {
            Some(pressed) => ensure(!pressed, || format!("{run:?} of a client that does not read"))?,
            None => ensure(job.spec.kept, || format!("{run:?} of a client that is gone"))?,
        }
        ensure(run.elements().end <= job.supplied, || format!("{run:?}, supplied {}", job.supplied))?;
        for (i, index) in run.chunks().enumerate() {
            let first = run.element_first + i as u64 * u64::from(run.chunk_len);
            let elements = first..first + u64::from(run.chunk_len);
            job.check_place(index, &elements, engine)?;
            let chunk = job.chunks.entry(index).or_insert_with(|| ChunkModel::new(elements.clone()));
            ensure(chunk.elements == elements && !chunk.ended, || {
                format!("chunk {index} of {run:?}: {chunk:?}")
            })?;
            ensure(run.attempt > chunk.attempt, || {
                format!("chunk {index} of {run:?} was at {}", chunk.attempt)
            })?;
            ensure(chunk.only.as_deref() == only, || format!("{only:?} of {chunk:?}"))?;
            chunk.attempt = run.attempt;
            chunk.held_by.push(engine);
            let live = Live { engine, attempt: run.attempt, cancelled: false, urgent };
            let before = self.live.insert((run.job, index), live);
            ensure(before.is_none(), || format!("chunk {index} of {run:?} runs already: {before:?}"))?;
        }
        self.one_program(engine)
    }

    fn one_program(&self, engine: EngineId) -> Result<(), Broken> {
        let mine = self.live.iter().filter(|(_, live)| live.engine == engine && !live.cancelled);
        let programs: BTreeSet<_> = mine.map(|((job, _), _)| self.jobs[job].spec.program).collect();
        ensure(programs.len() < 2, || format!("{engine} holds chunks of {programs:?}"))
    }

    fn accepted(&mut self, cause: &Input, client: ClientId, run: Run, retrying: bool) -> Result<(), Broken> {
        let Input::Report { engine, job: key, first, count, attempt, failed, .. } = cause else {
            return Err(format!("{run:?} accepted without a report"));
        };
        let named = (run.job, run.first, run.count, run.attempt) == (*key, *first, *count, *attempt);
        ensure(named, || format!("{run:?} accepted, but {cause:?} reported"))?;
        self.begun(*key);
        let job = self.jobs.get_mut(key).ok_or("accepted of no job")?;
        job.ran_on.insert(*engine);
        ensure(job.ended.is_none() && job.client == client, || format!("{run:?} accepted after the end"))?;
        for index in run.chunks() {
            let live = self.live.remove(&(*key, index));
            let good =
                live.as_ref().is_some_and(|l| l.engine == *engine && l.attempt == *attempt && !l.cancelled);
            ensure(good, || format!("chunk {index} of {run:?} accepted, live: {live:?}"))?;
            let chunk = job.chunks.get_mut(&index).ok_or("accepted of no chunk")?;
            for offset in chunk.open_offsets().into_iter().filter(|o| !failed.contains(o)) {
                let element = chunk.elements.start + u64::from(offset);
                ensure(job.accepted.insert(element), || {
                    format!("element {element} of {run:?} accepted twice")
                })?;
            }
            chunk.failures += u32::from(!failed.is_empty());
            let may_retry = !failed.is_empty() && chunk.failures <= job.spec.retries;
            ensure(retrying == may_retry, || format!("{run:?} retrying: {retrying}, {chunk:?}"))?;
            chunk.ended = !retrying;
            if retrying {
                chunk.only = Some(failed.clone());
            } else {
                job.failed.extend(failed.iter().map(|offset| chunk.elements.start + u64::from(*offset)));
            }
        }
        Ok(())
    }

    fn attempt_lost(&mut self, cause: &Input, run: Run, engine: EngineId) -> Result<(), Broken> {
        ensure(is_loss(cause), || format!("{run:?} lost because of {cause:?}"))?;
        if !matches!(cause, Input::WorkerLost { .. }) {
            // What a whole engine was at is guessed.
            self.jobs.entry(run.job).and_modify(|job| job.may_have_begun = true);
        }
        for index in run.chunks() {
            let live = self.live.remove(&(run.job, index));
            let good =
                live.as_ref().is_some_and(|l| l.engine == engine && l.attempt == run.attempt && !l.cancelled);
            ensure(good, || format!("chunk {index} of {run:?} lost, live: {live:?}"))?;
        }
        Ok(())
    }

    fn finished(
        &mut self,
        cause: &Input,
        client: ClientId,
        key: JobKey,
        outcome: Outcome,
    ) -> Result<(), Broken> {
        let job = self.jobs.get_mut(&key).ok_or("the end of no job")?;
        ensure(job.ended.is_none() && job.client == client, || format!("{key} ends twice"))?;
        match outcome {
            Outcome::Completed => {
                // One whose program runs nowhere fails at once.
                if job.failed.is_empty() {
                    self.check_waited(key)?;
                }
                let job = &self.jobs[&key];
                for element in job.spec.todo() {
                    let (accepted, failed) = (job.accepted.contains(&element), job.failed.contains(&element));
                    ensure(accepted != failed, || {
                        format!("{element} of {key}: {accepted}, failed {failed}")
                    })?;
                }
            }
            Outcome::Expired(_) => {
                let late = job.begin_by.is_some_and(|deadline| deadline <= self.now);
                ensure(late && !job.begun, || {
                    format!("{key} expired at {}, was to begin by {:?}", self.now, job.begin_by)
                })?;
            }
            Outcome::Impossible(why) => self.check_impossible(key, why)?,
            Outcome::Cancelled => {
                let wanted = matches!(cause, Input::Cancel { job, .. } if *job == key)
                    || matches!(cause, Input::ClientLost { client: c } if *c == client && !job.spec.kept);
                ensure(wanted, || format!("{key} cancelled because of {cause:?}"))?;
            }
        }
        let job = self.jobs.get_mut(&key).ok_or("the end of no job")?;
        job.ended = Some(outcome);
        let mut holders = BTreeSet::new();
        for (_, live) in self.live.range_mut((key, 0)..=(key, u64::MAX)) {
            live.cancelled = true;
            holders.insert(live.engine);
        }
        ensure(holders == job.cancelled_on, || {
            format!("{key} is on {holders:?}, told {:?}", job.cancelled_on)
        })
    }

    fn drained(&mut self, id: NodeId) -> Result<(), Broken> {
        let node = self.nodes.get_mut(&id).ok_or("drained, but no node")?;
        ensure(node.draining && !node.drained, || format!("node {id} drained"))?;
        node.drained = true;
        let left = self.live.values().any(|live| self.engines.get(&live.engine) == Some(&id));
        ensure(!left, || format!("node {id} drained, and holds chunks"))
    }

    fn gone(&mut self, cause: &Input, engine: EngineId) -> Result<(), Broken> {
        let node = self.engines.remove(&engine).ok_or("no such engine is gone")?;
        self.forget_tags(engine);
        let is_last = !self.engines.values().any(|n| *n == node);
        match cause {
            Input::EngineLeaving { .. } if is_last => {
                let node = self.node(node);
                (node.draining, node.drained) = (true, true);
            }
            Input::EngineLeaving { .. } => {}
            _ => self.forget_empty(node),
        }
        self.live.retain(|_, live| live.engine != engine || !live.cancelled);
        Ok(())
    }

    /// What must hold once all actions of an input were followed.
    pub(super) fn settle(&mut self, was_tick: bool) -> Result<(), Broken> {
        let orphan =
            |job: &JobModel| job.ended.is_none() && !job.spec.kept && !self.clients.contains_key(&job.client);
        let orphan = self.jobs.iter().find(|(_, job)| orphan(job)).map(|(key, _)| key);
        ensure(orphan.is_none(), || format!("{orphan:?} outlives its client and is not kept"))?;
        let gone = self.live.iter().find(|(_, live)| !self.engines.contains_key(&live.engine));
        ensure(gone.is_none(), || format!("{gone:?} is on an engine that is gone"))?;
        self.check_nobody_waits_in_vain()?;
        ensure(self.overran.is_none(), || format!("{:?} overran, and did not fail", self.overran))?;
        // What engines hold is asked back first, and they are given time to answer.
        let late = |(key, job): (&JobKey, &JobModel)| {
            let over = job.ended.is_some() || job.may_have_begun;
            let held = self.live.range((*key, 0)..=(*key, u64::MAX)).next().is_some();
            let grace = if held { RECALL_TIMEOUT_NS } else { 0 };
            !over && job.begin_by.is_some_and(|deadline| deadline + grace < self.now)
        };
        for (client, bound) in &self.bounds {
            let mine = self.jobs.values().filter(|job| job.client == *client && job.ended.is_none());
            ensure(mine.count() <= *bound, || format!("{client} has more than {bound} jobs under way"))?;
        }
        let forgotten = self.jobs.iter().find(|job| was_tick && late(*job));
        ensure(forgotten.is_none(), || format!("{:?} was to begin before", forgotten.map(|(key, _)| key)))?;
        for (at, attempt) in self.lost.drain(..) {
            let forgotten = self.live.get(&at).is_some_and(|live| live.attempt == attempt && !live.cancelled);
            ensure(!forgotten, || format!("{at:?} was lost with its worker and is forgotten"))?;
        }
        Ok(())
    }

    /// Chunks that an engine has not answered for.
    pub(super) fn unanswered(&self) -> usize {
        self.live.len()
    }
}
