//! What the model makes of inputs.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_proto::ids::{ClientId, EngineId, JobKey, NodeId};
use phalanx_proto::limits::RUN_CHUNKS_MAX;

use super::job_model::JobModel;
use super::model::{Model, NodeModel};
use crate::{Input, JobSpec, LossKind, RunningChunk};

impl Model {
    /// Whether an engine can speak for these chunks: `None` when the model has no opinion of the input.
    pub(super) fn is_welcome(&self, input: &Input) -> Option<bool> {
        let held = |node: &NodeId, engine: &EngineId, job: JobKey, first: u64, count: u32, attempt: u32| {
            self.engines.get(engine) == Some(node)
                && count > 0
                && (0..u64::from(count)).all(|i| {
                    let live = first.checked_add(i).and_then(|index| self.live.get(&(job, index)));
                    live.is_some_and(|live| live.engine == *engine && live.attempt == attempt)
                })
        };
        match input {
            Input::Report { node, engine, job, first, count, attempt, failed, .. } => {
                let mut good = held(node, engine, *job, *first, *count, *attempt);
                // A report of failures must make sense; only honest ones have any here.
                if good && !failed.is_empty() && !self.live[&(*job, *first)].cancelled {
                    good = *count == 1;
                }
                Some(good)
            }
            Input::Returned { node, engine, job, first, count, attempt, refused } => {
                let good = held(node, engine, *job, *first, *count, *attempt);
                let may = |job: &JobModel| job.ended.is_some() || job.spec.place.conditional;
                Some(good && (!refused || may(&self.jobs[job])))
            }
            Input::Untold { node, engine, job, index, attempt, .. } => {
                Some(held(node, engine, *job, *index, 1, *attempt))
            }
            Input::WorkerLost { node, engine, .. } => Some(self.engines.get(engine) == Some(node)),
            // Some may have been reported meanwhile.
            Input::Begun { node, engine, job, first, count, attempt } => {
                let own = self.engines.get(engine) == Some(node);
                let end = first.checked_add(u64::from(*count));
                let is_held = |end: u64| {
                    self.live
                        .range((*job, *first)..(*job, end))
                        .any(|(_, live)| (live.engine, live.attempt) == (*engine, *attempt))
                };
                Some(own && end.is_some_and(|end| *first < end && is_held(end)) && *count <= RUN_CHUNKS_MAX)
            }
            Input::Heartbeat { node }
            | Input::NodeLost { node, .. }
            | Input::NodePressure { node, .. }
            | Input::NodeDraining { node } => Some(self.nodes.contains_key(node)),
            Input::EngineRestarted { engine, .. } | Input::EngineLeaving { engine, .. } => {
                Some(self.engines.contains_key(engine))
            }
            Input::Cancel { client, job } => {
                let own = self.jobs.get(job).is_some_and(|j| j.ended.is_none() && j.client == *client);
                let left = self.jobs.get(job).is_some_and(|j| j.spec.kept);
                Some(own && (left || self.clients.contains_key(client)))
            }
            Input::Supplied { job, elements } => {
                let fits =
                    |j: &JobModel| j.ended.is_none() && (j.supplied..=j.spec.elements).contains(elements);
                Some(self.jobs.get(job).is_some_and(fits))
            }
            _ => None,
        }
    }

    /// An input that was accepted; its actions follow.
    pub(super) fn accept(&mut self, input: &Input) {
        match input {
            Input::ClientJoined { client } => drop(self.clients.insert(*client, false)),
            Input::ClientLost { client } => drop(self.clients.remove(client)),
            Input::ClientPressure { client, on } => drop(self.clients.insert(*client, *on)),
            Input::NodeJoined { node, tags, .. } => {
                self.nodes.insert(*node, NodeModel::default());
                self.tags_to_come.clone_from(tags);
            }
            Input::NodePressure { node, on } => self.node(*node).pressed = *on,
            Input::NodeDraining { node } => self.node(*node).draining = true,
            Input::Submit { client, job, spec } => self.submit(*client, *job, spec.clone()),
            Input::Supplied { job, elements } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.supplied = *elements;
                }
            }
            Input::Returned { engine, job, first, count, refused, .. } => {
                if *refused {
                    self.refused(*job, *engine);
                }
                for index in *first..*first + u64::from(*count) {
                    self.live.remove(&(*job, index));
                    // It was not begun: the attempt is still to come.
                    if let Some(chunk) = self.jobs.get_mut(job).and_then(|job| job.chunks.get_mut(&index)) {
                        chunk.attempt -= 1;
                    }
                }
            }
            Input::Begun { job, .. } => self.begun(*job),
            Input::Report { job, first, count, .. } => {
                for index in *first..*first + u64::from(*count) {
                    if self.live.get(&(*job, index)).is_some_and(|live| live.cancelled) {
                        self.live.remove(&(*job, index));
                    }
                }
            }
            Input::Untold { job, index, .. } => {
                self.begun(*job);
                if self.live.get(&(*job, *index)).is_some_and(|live| live.cancelled) {
                    self.live.remove(&(*job, *index));
                }
            }
            Input::WorkerLost { node, engine, loss, running } => {
                let held = |chunk: &RunningChunk| {
                    let live = self.live.get(&(chunk.job, chunk.chunk));
                    live.is_some_and(|live| (live.engine, live.attempt) == (*engine, chunk.attempt))
                };
                if let Some(chunk) = running.filter(held) {
                    self.begun(chunk.job);
                }
                if loss.kind == LossKind::Overran {
                    self.overrun(*engine, *running);
                }
                if loss.kind == LossKind::CannotStart {
                    let of = |(job, _): &(JobKey, u64)| self.jobs[job].spec.program;
                    let programs =
                        self.live.iter().filter(|(_, l)| l.engine == *engine).map(|(at, _)| of(at));
                    let barred: Vec<_> = programs.map(|program| (program, *node)).collect();
                    self.barred.extend(barred);
                }
                self.lose(*engine);
            }
            Input::EngineRestarted { engine, .. } | Input::EngineLeaving { engine, .. } => {
                // What it was at is guessed.
                let on_it = self.live.iter().filter(|(_, live)| live.engine == *engine);
                for ((job, _), _) in on_it {
                    self.jobs.entry(*job).and_modify(|job| job.may_have_begun = true);
                }
                self.lose(*engine);
            }
            Input::NodeLost { node, .. } => self.forget_empty(*node),
            _ => {}
        }
    }

    /// All that an engine holds must go on elsewhere, or end.
    fn lose(&mut self, engine: EngineId) {
        self.live.retain(|_, live| live.engine != engine || !live.cancelled);
        let on_it = self.live.iter().filter(|(_, live)| live.engine == engine);
        self.lost = on_it.map(|(at, live)| (*at, live.attempt)).collect();
    }

    /// The others are forgotten with their engines.
    pub(super) fn forget_empty(&mut self, node: NodeId) {
        if !self.engines.values().any(|n| *n == node) {
            self.nodes.remove(&node);
        }
    }

    /// Something of a job is known to have been begun.
    pub(super) fn begun(&mut self, job: JobKey) {
        self.jobs.entry(job).and_modify(|job| (job.begun, job.may_have_begun) = (true, true));
    }

    pub(super) fn node(&mut self, node: NodeId) -> &mut NodeModel {
        self.nodes.entry(node).or_default()
    }

    fn submit(&mut self, client: ClientId, job: JobKey, spec: JobSpec) {
        let begin_by = spec.queue_limit.map(|limit| self.now + limit.as_nanos() as u64);
        let model = JobModel {
            client,
            spec,
            supplied: 0,
            since: self.now,
            begin_by,
            begun: false,
            may_have_begun: false,
            ended: None,
            chunks: BTreeMap::new(),
            accepted: BTreeSet::new(),
            failed: BTreeSet::new(),
            cancelled_on: BTreeSet::new(),
            ran_on: BTreeSet::new(),
            refused_on: BTreeSet::new(),
        };
        self.jobs.insert(job, model);
    }
}
