//! Duty: jobs wait for others, and begin when those have ended as they must.

use phalanx_proto::ids::{EngineId, JobKey};

use crate::action::Outcome;
use crate::bug::Bug;
use crate::dependency::{Dependency, Impossible, PastJob, Standing, Wait};
use crate::job::Job;
use crate::place::Place;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

/// The most jobs that one job may wait for.
pub(crate) const DEPENDENCIES_MAX: usize = 10_000;

/// The most that all jobs together may wait for.
const ALL_DEPENDENCIES_MAX: usize = 2_000_000;

impl Scheduler {
    /// Whether a job may wait for these. What can never be met is refused at once.
    pub(crate) fn check_waits(&self, key: JobKey, after: &[Dependency]) -> Result<(), Reject> {
        let wishes = after.iter().map(|dependency| dependency.jobs.len()).sum::<usize>();
        if wishes > DEPENDENCIES_MAX {
            return Err(Reject::Limit { what: "jobs that one job waits for", max: DEPENDENCIES_MAX });
        }
        if self.past.wishes() + wishes > ALL_DEPENDENCIES_MAX {
            return Err(Reject::Limit { what: "jobs that others wait for", max: ALL_DEPENDENCIES_MAX });
        }
        for dependency in after {
            if !dependency.success && !dependency.failure {
                return Err(Reject::Malformed("a dependency on jobs that neither succeed nor fail"));
            }
            for job in &dependency.jobs {
                if *job == key {
                    return Err(Reject::Malformed("a job that waits for itself"));
                }
                if !self.job_slots.contains_key(job) && self.past.get(*job).is_none() {
                    return Err(Reject::UnknownDependency(*job));
                }
            }
            if let Standing::Never(why) = self.past.standing(dependency) {
                return Err(Reject::Impossible(why));
            }
        }
        Ok(())
    }

    /// Whether there is, or may be, an engine for chunks with this place.
    pub(crate) fn check_place(&self, place: &Place) -> Result<(), Reject> {
        if let Some(targets) = &place.targets {
            if !targets.is_sorted() {
                return Err(Reject::Malformed("engines that are not in order"));
            }
            if !place.returning && !self.is_any_alive(targets) {
                return Err(match targets.first() {
                    Some(first) => Reject::UnknownEngine(*first),
                    None => Reject::Malformed("a job that may run on no engine"),
                });
            }
        }
        let will_do = || self.engines.iter().any(|(_, engine)| place.suits(engine.id, &engine.tags));
        // Engines to come have other ids than these.
        let may_come =
            place.returning || (place.targets.is_none() && (place.patient || self.engines.len() == 0));
        if place.needs.is_empty() || may_come || will_do() {
            return Ok(());
        }
        Err(Reject::Impossible(Impossible::Needs))
    }

    /// Notes what a new job waits for; it is looked at when this input has been dealt with.
    pub(crate) fn enter_waits(&mut self, slot: u32, after: Vec<Dependency>) {
        let key = self.jobs[slot].key;
        if after.is_empty() {
            return;
        }
        let waits: Vec<Wait> = after.into_iter().map(|after| Wait::new(after, &self.past)).collect();
        for job in waits.iter().flat_map(|wait| &wait.dependency.jobs) {
            if let Some(before) = self.job_slots.get(job) {
                self.jobs[*before].dependents.insert(key);
            }
        }
        self.past.want(waits.iter().map(|wait| &wait.dependency));
        self.jobs[slot].waits = waits;
        self.reviews.insert(key);
    }

    /// A job has ended: who waits for it is looked at.
    pub(crate) fn remember(&mut self, job: Job, outcome: Outcome) {
        let succeeded = outcome == Outcome::Completed && job.elements_failed == 0;
        self.past.enter(job.key, PastJob { succeeded, ran_on: job.ran_on.iter().map(EngineId).collect() });
        for key in job.dependents {
            if let Some(slot) = self.job_slots.get(&key) {
                self.jobs[*slot].waits.iter_mut().for_each(|wait| wait.has_ended(job.key, succeeded));
                self.reviews.insert(key);
            }
        }
    }

    /// Looks at jobs that have waited for one that has ended. Whether any may begin.
    pub(crate) fn review(&mut self) -> bool {
        let mut any = false;
        while let Some(key) = self.reviews.pop_first() {
            let Some(slot) = self.job_slots.get(&key).copied() else { continue };
            any |= self.review_one(slot);
        }
        any
    }

    /// A job waits for nothing any more: it begins, or has ended.
    pub(crate) fn leave_waits(&mut self, slot: u32) {
        let waits = std::mem::take(&mut self.jobs[slot].waits);
        let key = self.jobs[slot].key;
        for job in waits.iter().filter(|wait| wait.open() > 0).flat_map(|wait| &wait.dependency.jobs) {
            if let Some(before) = self.job_slots.get(job) {
                self.jobs[*before].dependents.remove(&key);
            }
        }
        self.past.release(waits.iter().map(|wait| &wait.dependency));
    }

    fn review_one(&mut self, slot: u32) -> bool {
        if self.jobs[slot].waits.is_empty() {
            self.resume(slot);
            return true;
        }
        let mut follow: Vec<_> = Vec::new();
        let mut open = false;
        for wait in &self.jobs[slot].waits {
            let dependency = &wait.dependency;
            match wait.standing() {
                Standing::Never(why) => {
                    self.end_job(slot, Outcome::Impossible(why));
                    return false;
                }
                Standing::Open => open = true,
                Standing::Met if dependency.follow && !dependency.jobs.is_empty() => {
                    follow.extend(self.past.followed(dependency));
                }
                Standing::Met => {}
            }
        }
        if open && !self.has_bug(Bug::BeginsTooEarly) {
            return false;
        }
        self.leave_waits(slot);
        for engines in follow {
            let place = &mut self.jobs[slot].place;
            match &mut place.targets {
                Some(targets) => targets.retain(|id| engines.binary_search(id).is_ok()),
                None => place.targets = Some(engines),
            }
            self.jobs[slot].follows = true;
        }
        if self.jobs[slot].follows && !self.settle_place(slot) {
            return false;
        }
        self.update_ready(slot);
        self.finish_if_done(slot);
        true
    }

    /// A job has learnt where it may go. Whether there is such a place.
    fn settle_place(&mut self, slot: u32) -> bool {
        let targets = self.jobs[slot].place.targets.as_deref();
        if !targets.is_some_and(|targets| self.is_any_alive(targets)) {
            self.end_job(slot, Outcome::Impossible(Impossible::Follow));
            return false;
        }
        self.change_place(slot);
        true
    }
}
