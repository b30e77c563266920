//! What the model holds of jobs that wait for others, and of where chunks may go.

use std::collections::BTreeSet;

use phalanx_proto::ids::{EngineId, JobKey};

use super::job_model::JobModel;
use super::model::{Broken, Model, PAST_JOBS_MAX, RETURN_TIMEOUT_NS, ensure};
use crate::place::Tags;
use crate::{Dependency, Impossible, JobSpec, Outcome, Plan};

/// How a dependency stands.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Met,
    Open,
    Never,
}

impl Model {
    fn state(&self, dependency: &Dependency) -> State {
        let ends = |key: &JobKey| {
            let job = &self.jobs[key];
            let well = job.ended == Some(Outcome::Completed) && job.failed.is_empty();
            job.ended.map(|_| if well { dependency.success } else { dependency.failure })
        };
        let ends: Vec<Option<bool>> = dependency.jobs.iter().map(ends).collect();
        let (right, wrong) = (ends.contains(&Some(true)), ends.contains(&Some(false)));
        let open = ends.contains(&None);
        match (dependency.all, right, wrong, open) {
            (true, _, true, _) => State::Never,
            (true, _, false, false) => State::Met,
            (false, true, ..) => State::Met,
            (false, false, true, false) => State::Never,
            (false, false, false, false) => State::Met,
            _ => State::Open,
        }
    }

    /// Whether such a job must be accepted. `draining` are engines that a direct job may not name.
    pub(super) fn admits(&self, spec: &JobSpec, draining: impl Fn(EngineId) -> bool) -> bool {
        let known = spec.after.iter().flat_map(|d| &d.jobs).all(|key| self.jobs.contains_key(key));
        if !known || spec.after.iter().any(|dependency| self.state(dependency) == State::Never) {
            return false;
        }
        if let Plan::Direct { targets } = &spec.plan {
            return targets.iter().all(|t| self.engines.contains_key(t) && !draining(*t));
        }
        let place = &spec.place;
        let there = |ids: &Vec<EngineId>| ids.iter().any(|id| self.engines.contains_key(id));
        let any_suits = || self.tags.iter().any(|(id, tags)| place.suits(*id, tags));
        let may_come =
            place.returning || (place.targets.is_none() && (place.patient || self.engines.is_empty()));
        (place.returning || place.targets.as_ref().is_none_or(there))
            && (place.needs.is_empty() || may_come || any_suits())
    }

    /// Whether the core may not remember a job that this one would wait for.
    pub(super) fn may_have_forgotten(&self, spec: &JobSpec) -> bool {
        let ended = |key: &JobKey| self.jobs[key].ended.is_some();
        let all = self.jobs.values().filter(|job| job.ended.is_some()).count();
        all > PAST_JOBS_MAX && spec.after.iter().flat_map(|d| &d.jobs).any(ended)
    }

    /// Whether a job's chunk may be on an engine, and now.
    pub(super) fn check_begun(&self, key: JobKey, engine: EngineId) -> Result<(), Broken> {
        self.check_waited(key)?;
        let job = &self.jobs[&key];
        let will_do = self.tags.get(&engine).is_some_and(|tags| self.is_able(job, engine, tags));
        ensure(will_do, || format!("{key} on {engine}, by {:?}", job.spec.place))
    }

    /// Whether what a job waits for, which has begun or ended, is over.
    pub(super) fn check_waited(&self, key: JobKey) -> Result<(), Broken> {
        for dependency in &self.jobs[&key].spec.after {
            let state = self.state(dependency);
            ensure(state == State::Met, || format!("{key} has begun, {dependency:?} is {state:?}"))?;
        }
        Ok(())
    }

    /// Whether an engine will do for a job that may begin.
    fn is_able(&self, job: &JobModel, engine: EngineId, tags: &Tags) -> bool {
        job.spec.place.suits(engine, tags)
            && !job.refused_on.contains(&engine)
            && self.follows_to(job, engine)
    }

    fn follows_to(&self, job: &JobModel, engine: EngineId) -> bool {
        let ran_on = |key: &JobKey| self.jobs[key].ran_on.contains(&engine);
        // Of those that ran nowhere there is nothing to follow.
        let ran_nowhere = |key: &JobKey| self.jobs[key].ran_on.is_empty();
        job.spec.after.iter().filter(|d| d.follow && !d.jobs.is_empty()).all(|d| {
            let mut jobs = d.jobs.iter();
            if d.all {
                jobs.all(|job| ran_nowhere(job) || ran_on(job))
            } else {
                // Which of them had ended when it began, the model does not remember.
                jobs.any(|job| ran_on(job) || (self.jobs[job].ended.is_some() && ran_nowhere(job)))
            }
        })
    }

    /// Whether there is an engine that will do, on a node that can run the program, for all that is known.
    pub(super) fn is_some_engine_able(&self, job: &JobModel) -> bool {
        self.tags.iter().any(|(id, tags)| {
            let node = self.engines[id];
            !self.barred.contains(&(job.spec.program, node)) && self.is_able(job, *id, tags)
        })
    }

    /// Whether a job that was given up was past saving.
    pub(super) fn check_impossible(&self, key: JobKey, why: Impossible) -> Result<(), Broken> {
        let job = &self.jobs[&key];
        // Which of any had ended when the job began, the model does not remember.
        let partly = job.spec.after.iter().any(|d| d.follow && !d.all);
        let nowhere = || partly || !self.is_some_engine_able(job);
        let good = match why {
            Impossible::Dependency { job: before, .. } => job.spec.after.iter().any(|dependency| {
                dependency.jobs.contains(&before) && self.state(dependency) == State::Never
            }),
            Impossible::Follow => job.spec.after.iter().any(|d| d.follow) && nowhere(),
            Impossible::Targets => job.spec.place.targets.is_some() && nowhere(),
            Impossible::Condition { .. } => !job.refused_on.is_empty() && nowhere(),
            Impossible::Needs => false,
        };
        ensure(good, || format!("{key} given up for {why:?}: {:?}, {:?}", job.spec, job.refused_on))
    }

    /// Whether a dependency that is met binds a job to engines, for all that is known.
    fn binds(&self, dependency: &Dependency) -> bool {
        let ran = |key: &JobKey| !self.jobs[key].ran_on.is_empty();
        let mut jobs = dependency.jobs.iter();
        dependency.follow && if dependency.all { jobs.any(ran) } else { jobs.len() > 0 && jobs.all(ran) }
    }

    /// Jobs that can never be run do not wait.
    pub(super) fn check_nobody_waits_in_vain(&self) -> Result<(), Broken> {
        for (key, job) in self.jobs.iter().filter(|(_, job)| job.ended.is_none()) {
            let never = job.spec.after.iter().find(|dependency| self.state(dependency) == State::Never);
            ensure(never.is_none(), || format!("{key} waits for what cannot be: {never:?}"))?;
            let begins = job.spec.after.iter().all(|dependency| self.state(dependency) == State::Met);
            let bound = job.spec.place.targets.is_some() || job.spec.after.iter().any(|d| self.binds(d));
            let refused = !job.refused_on.is_empty();
            // Its engines may come back, for a while.
            let returning = job.spec.place.returning && self.now <= job.since + RETURN_TIMEOUT_NS;
            if !matches!(job.spec.plan, Plan::Direct { .. }) && begins && (bound || refused) && !returning {
                let able = self.tags.iter().any(|(id, tags)| self.is_able(job, *id, tags));
                ensure(able, || format!("{key} waits for engines that cannot come: {:?}", job.spec))?;
            }
        }
        Ok(())
    }

    /// Chunks were handed back because the job's condition is not met.
    pub(super) fn refused(&mut self, job: JobKey, engine: EngineId) {
        if let Some(job) = self.jobs.get_mut(&job).filter(|job| job.ended.is_none()) {
            job.refused_on.insert(engine);
        }
    }

    /// An engine is gone: what is known of it is of no use any more.
    pub(super) fn forget_tags(&mut self, engine: EngineId) {
        self.tags.remove(&engine);
        let live: BTreeSet<EngineId> = self.tags.keys().copied().collect();
        for job in self.jobs.values_mut() {
            job.refused_on.retain(|id| live.contains(id));
        }
    }
}
