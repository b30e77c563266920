//! Which engines may run which jobs. Jobs with the same place are of one *class*; the engines that will do are listed for each, so that
//! nobody compares tags while chunks are assigned. Jobs that may go everywhere have no class.

use std::collections::BTreeSet;

use phalanx_proto::ids::{EngineId, JobKey};

use crate::action::Outcome;
use crate::bug::Bug;
use crate::dependency::Impossible;
use crate::engine::Mood;
use crate::place::Place;
use crate::scheduler::Scheduler;

/// Jobs with one place.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) place: Place,
    /// Its only job, when that has a condition.
    pub(crate) own: Option<JobKey>,
    pub(crate) jobs: BTreeSet<JobKey>,
    /// Slots of the engines that will do.
    pub(crate) able: BTreeSet<u32>,
    /// Those of them that may be given work.
    pub(crate) open: u64,
    /// Engines on which the condition was not met.
    pub(crate) refused: BTreeSet<u32>,
}

impl Scheduler {
    /// Whether the engine may run chunks of the job.
    pub(crate) fn can_run(&self, job: u32, at: u32) -> bool {
        let job = &self.jobs[job];
        if self.has_bug(Bug::IgnoresPlaces) {
            return !self.is_barred(job.program, at);
        }
        !self.is_barred(job.program, at)
            && job.class.is_none_or(|class| self.classes[class].able.contains(&at))
    }

    /// Engines that may be given chunks of the job, at least one.
    pub(crate) fn open_for(&self, job: u32) -> u64 {
        self.jobs[job].class.map_or(self.open_engines, |class| self.classes[class].open).max(1)
    }

    /// Whether an engine that holds nothing may run chunks of the job.
    pub(crate) fn has_idle_for(&self, job: u32) -> bool {
        let program = self.jobs[job].program;
        let free = |at: &u32| !self.is_barred(program, *at);
        match self.jobs[job].class {
            None => self.idle.iter().map(|(_, at)| at).any(free),
            Some(class) => {
                let able = &self.classes[class].able;
                if able.len() < self.idle.len() {
                    able.iter().any(|at| self.engines[*at].mood == Mood::Idle && free(at))
                } else {
                    self.idle.iter().map(|(_, at)| at).any(|at| able.contains(at) && free(at))
                }
            }
        }
    }

    /// The class of jobs with this place; `job` is one of them from now on.
    pub(crate) fn enter_class(&mut self, job: JobKey, place: &Place) -> Option<u32> {
        if place.is_anywhere() {
            return None;
        }
        let is_it = |class: &Class| class.own.is_none() && !place.conditional && class.place == *place;
        let known = self.classes.iter().find(|(_, class)| is_it(class)).map(|(slot, _)| slot);
        let slot = known.unwrap_or_else(|| {
            let able: BTreeSet<u32> = self
                .engines
                .iter()
                .filter(|(_, engine)| place.suits(engine.id, &engine.tags))
                .map(|(at, _)| at)
                .collect();
            let open = able.iter().filter(|at| self.engines[**at].open).count() as u64;
            let own = place.conditional.then_some(job);
            let refused = BTreeSet::new();
            self.classes.insert(Class {
                place: place.clone(),
                own,
                jobs: BTreeSet::new(),
                able,
                open,
                refused,
            })
        });
        self.classes[slot].jobs.insert(job);
        // Its engines may all have refused the program before.
        self.stranded.insert(job);
        Some(slot)
    }

    /// A job of a class has ended, or goes elsewhere.
    pub(crate) fn leave_class(&mut self, job: JobKey, class: Option<u32>) {
        let Some(slot) = class else { return };
        self.classes[slot].jobs.remove(&job);
        if self.classes[slot].jobs.is_empty() {
            self.classes.remove(slot);
        }
    }

    /// An engine is new.
    pub(crate) fn join_classes(&mut self, at: u32) {
        let engine = &self.engines[at];
        let (id, open) = (engine.id, engine.open);
        for (_, class) in self.classes.iter_mut() {
            if class.place.suits(id, &engine.tags) {
                class.able.insert(at);
                class.open += u64::from(open);
            }
        }
    }

    /// An engine is no more. Jobs that were bound to it and to no other cannot go on.
    pub(crate) fn leave_classes(&mut self, at: u32) {
        let open = self.engines[at].open;
        for (_, class) in self.classes.iter_mut() {
            class.refused.remove(&at);
            if class.able.remove(&at) {
                class.open -= u64::from(open);
                self.stranded.extend(class.jobs.iter().copied());
            }
        }
    }

    /// Whether an engine may be given work.
    pub(crate) fn set_open(&mut self, at: u32, open: bool) {
        if std::mem::replace(&mut self.engines[at].open, open) == open {
            return;
        }
        let change = |count: &mut u64| if open { *count += 1 } else { *count -= 1 };
        change(&mut self.open_engines);
        for (_, class) in self.classes.iter_mut().filter(|(_, class)| class.able.contains(&at)) {
            change(&mut class.open);
        }
    }

    /// The job's condition is not met on the engine.
    pub(crate) fn refuse_on(&mut self, job: u32, at: u32) {
        let Some(slot) = self.jobs[job].class else { return };
        let open = self.engines[at].open;
        let class = &mut self.classes[slot];
        if class.able.remove(&at) {
            class.open -= u64::from(open);
            class.refused.insert(at);
        }
        self.stranded.insert(self.jobs[job].key);
    }

    /// Ends the jobs for which there is no engine any more, and none can come.
    pub(crate) fn end_stranded(&mut self) {
        while let Some(key) = self.stranded.pop_first() {
            let Some(slot) = self.job_slots.get(&key).copied() else { continue };
            let Some(class) = self.jobs[slot].class.map(|class| &self.classes[class]) else { continue };
            let program = self.jobs[slot].program;
            if class.able.iter().any(|at| !self.is_barred(program, *at)) || self.has_bug(Bug::WaitsInVain) {
                continue;
            }
            let why = if !class.refused.is_empty() {
                Impossible::Condition { engines: class.refused.len() as u32 }
            } else if !class.able.is_empty() {
                if let Some((engine, message)) = self.programs[program].refusal.clone() {
                    self.fail_job(slot, engine, &message);
                }
                continue;
            } else if class.place.targets.is_none() || self.jobs[slot].return_by.is_some() {
                // Another one may come.
                continue;
            } else if self.jobs[slot].follows {
                Impossible::Follow
            } else {
                Impossible::Targets
            };
            self.end_job(slot, Outcome::Impossible(why));
        }
    }

    /// Engines that have not come back by now will not.
    pub(crate) fn end_returns(&mut self) {
        while let Some(&(until, key)) = self.returns.first().filter(|(until, _)| *until <= self.now) {
            self.returns.remove(&(until, key));
            if let Some(slot) = self.job_slots.get(&key) {
                self.jobs[*slot].return_by = None;
                self.stranded.insert(key);
            }
        }
    }

    /// Whether any engine of these is there.
    pub(crate) fn is_any_alive(&self, ids: &[EngineId]) -> bool {
        ids.iter().any(|id| self.ids.slot(*id).is_some())
    }
}
