//! Which engines may run which jobs. Jobs for which the same engines will do are of one *class*, which lists these, so that nobody compares
//! tags while chunks are assigned; however many jobs there are, there are no more classes than sets of engines. Jobs that may go everywhere
//! have none.
//!
//! A job whose condition is not met on an engine leaves its class for one without that engine; those that suit an engine that comes leave
//! those that do not.

use std::collections::BTreeSet;

use phalanx_proto::ids::{EngineId, JobKey};

use crate::action::Outcome;
use crate::bug::Bug;
use crate::dependency::Impossible;
use crate::engine::{Engine, Mood};
use crate::place::Place;
use crate::scheduler::Scheduler;

/// Jobs that may go to the same engines, and not everywhere.
#[derive(Debug)]
pub(crate) struct Class {
    /// One of its jobs' places, when none of these has been refused by an engine: who has the same need not be compared with every engine.
    pub(crate) sample: Option<Place>,
    pub(crate) jobs: BTreeSet<JobKey>,
    /// Slots of the engines that will do.
    pub(crate) able: BTreeSet<u32>,
    /// Those of them that may be given work.
    pub(crate) open: u64,
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

    /// The class of jobs with this place that no engine has refused; `job` is one of them from now on.
    pub(crate) fn enter_class(&mut self, job: JobKey, place: &Place) -> Option<u32> {
        if place.is_anywhere() {
            return None;
        }
        let known = self.classes.iter().find(|(_, class)| class.sample.as_ref() == Some(place));
        let slot = match known.map(|(slot, _)| slot) {
            Some(slot) => slot,
            None => {
                let will_do = |(_, engine): &(u32, &Engine)| place.suits(engine.id, &engine.tags);
                let able = self.engines.iter().filter(will_do).map(|(at, _)| at).collect();
                let slot = self.class_of(able);
                self.classes[slot].sample.get_or_insert_with(|| place.clone());
                slot
            }
        };
        self.classes[slot].jobs.insert(job);
        // Its engines may all have refused the program before.
        self.stranded.insert(job);
        Some(slot)
    }

    /// The class of jobs for which these engines will do.
    fn class_of(&mut self, able: BTreeSet<u32>) -> u32 {
        if let Some((slot, _)) = self.classes.iter().find(|(_, class)| class.able == able) {
            return slot;
        }
        let open = able.iter().filter(|at| self.engines[**at].open).count() as u64;
        self.classes.insert(Class { sample: None, jobs: BTreeSet::new(), able, open })
    }

    /// A job of a class has ended, or goes elsewhere.
    pub(crate) fn leave_class(&mut self, job: JobKey, class: Option<u32>) {
        let Some(slot) = class else { return };
        self.classes[slot].jobs.remove(&job);
        if self.classes[slot].jobs.is_empty() {
            self.classes.remove(slot);
        }
    }

    /// Other engines will do for the job than before.
    fn change_class(&mut self, job: u32, to: u32) {
        let (key, from) = (self.jobs[job].key, self.jobs[job].class);
        self.classes[to].jobs.insert(key);
        self.jobs[job].class = Some(to);
        self.fair.move_job(job, Some(to));
        self.leave_class(key, from);
    }

    /// The job goes to other places than it was to when it was submitted.
    pub(crate) fn change_place(&mut self, job: u32) {
        let (key, place, from) = (self.jobs[job].key, self.jobs[job].place.clone(), self.jobs[job].class);
        let to = self.enter_class(key, &place);
        self.jobs[job].class = to;
        self.fair.move_job(job, to);
        if to != from {
            self.leave_class(key, from);
        }
    }

    /// An engine is new.
    pub(crate) fn join_classes(&mut self, at: u32) {
        let before: Vec<u32> = self.classes.iter().map(|(slot, _)| slot).collect();
        for slot in before {
            self.join_class(slot, at);
        }
    }

    /// As [`join_classes`](Self::join_classes), one of them: jobs that the engine suits part from the others.
    fn join_class(&mut self, slot: u32, at: u32) {
        let engine = &self.engines[at];
        let suits = |place: &Place| place.suits(engine.id, &engine.tags);
        let class = &self.classes[slot];
        let jobs = class.jobs.iter().map(|key| self.job_slots[key]);
        let (suited, others): (Vec<u32>, Vec<u32>) = jobs.partition(|job| suits(&self.jobs[*job].place));
        let sample_suits = class.sample.as_ref().map(suits);
        let open = engine.open;
        let class = &mut self.classes[slot];
        if sample_suits != Some(others.is_empty()) {
            class.sample = None;
        }
        if suited.is_empty() {
            return;
        }
        if others.is_empty() {
            class.able.insert(at);
            class.open += u64::from(open);
            return;
        }
        let mut able = class.able.clone();
        able.insert(at);
        let to = self.class_of(able);
        for job in suited {
            self.change_class(job, to);
        }
    }

    /// An engine is no more. Jobs that were bound to it and to no other cannot go on.
    pub(crate) fn leave_classes(&mut self, at: u32) {
        let open = self.engines[at].open;
        for (_, class) in self.classes.iter_mut() {
            // Jobs without a class have no condition.
            for job in &class.jobs {
                self.jobs[self.job_slots[job]].refused_by.remove(at);
            }
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
        let mut able = self.classes[slot].able.clone();
        if able.remove(&at) {
            self.jobs[job].refused_by.insert(at);
            let to = self.class_of(able);
            self.change_class(job, to);
        }
        self.stranded.insert(self.jobs[job].key);
    }

    /// Ends the jobs for which there is no engine any more, and none can come.
    pub(crate) fn end_stranded(&mut self) {
        while let Some(key) = self.stranded.pop_first() {
            let Some(slot) = self.job_slots.get(&key).copied() else { continue };
            let job = &self.jobs[slot];
            let Some(class) = job.class.map(|class| &self.classes[class]) else { continue };
            let program = job.program;
            if class.able.iter().any(|at| !self.is_barred(program, *at)) || self.has_bug(Bug::WaitsInVain) {
                continue;
            }
            let why = if !job.refused_by.is_empty() {
                Impossible::Condition { engines: job.refused_by.len(), was_met: !job.ran_on.is_empty() }
            } else if !class.able.is_empty() {
                if let Some((engine, message)) = self.programs[program].refusal.clone() {
                    self.fail_job(slot, engine, &message);
                }
                continue;
            } else if job.place.targets.is_none() || job.return_by.is_some() {
                // Another one may come.
                continue;
            } else if job.follows {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use phalanx_proto::ids::{ClientId, NodeId, ProgramKey};

    use super::*;
    use crate::action::Action;
    use crate::config::Config;
    use crate::input::{Chunking, Input, JobSpec, Plan};
    use crate::place::{Need, Tags};
    use crate::time::Timestamp;

    fn tell(core: &mut Scheduler, input: Input) -> Vec<Action> {
        core.handle(Timestamp(0), input).expect("the input makes sense");
        core.check_invariants().expect("what must hold holds");
        std::iter::from_fn(|| core.poll_action()).collect()
    }

    fn join(core: &mut Scheduler, node: u64, memory: &str) -> Vec<Action> {
        let tags = vec![Tags::from([(Arc::from("memory"), Arc::from(memory))])];
        tell(core, Input::NodeJoined { node: NodeId(node), engines: 1, wanted: Vec::new(), tags })
    }

    fn submit(core: &mut Scheduler, key: u64, place: Place) -> Vec<Action> {
        let plan = Plan::Balanced { chunking: Chunking::Fixed(1), remaining: Vec::new() };
        let (client, job) = (ClientId(1), JobKey(key));
        let spec = JobSpec { place, ..JobSpec::new(ProgramKey(1), 1, plan) };
        let mut actions = tell(core, Input::Submit { client, job, spec });
        actions.extend(tell(core, Input::Supplied { job, elements: 1 }));
        actions
    }

    /// What every report looks at must not grow with the number of jobs.
    #[test]
    fn there_are_as_many_classes_as_sets_of_engines_and_not_as_jobs() {
        let mut core = Scheduler::new(Config::default(), 1);
        tell(&mut core, Input::ClientJoined { client: ClientId(1) });
        join(&mut core, 0, "1");
        join(&mut core, 1, "8");
        let able = |core: &Scheduler| -> BTreeSet<Vec<u32>> {
            let able: Vec<Vec<u32>> =
                core.classes.iter().map(|(_, class)| class.able.iter().copied().collect()).collect();
            let different: BTreeSet<Vec<u32>> = able.iter().cloned().collect();
            assert_eq!(different.len(), able.len(), "{able:?}");
            different
        };
        // Each needs another amount; one of the engines has that much.
        for key in 0..500 {
            let needs = Need::parse(&format!("memory>={}", 2.0 + key as f64 / 100.0)).into_iter().collect();
            submit(&mut core, key, Place { needs, ..Place::default() });
        }
        assert_eq!(able(&core), [vec![1]].into());
        // Those with a condition are refused by the other, each when it was asked.
        let mut work = Vec::new();
        for key in 500..1_000 {
            work.extend(submit(&mut core, key, Place { conditional: true, ..Place::default() }));
            while let Some(action) = work.pop() {
                let Action::Assign { node: NodeId(0), engine, run, .. } = action else { continue };
                let (job, first, count, attempt) = (run.job, run.first, run.count, run.attempt);
                let node = NodeId(0);
                work.extend(tell(
                    &mut core,
                    Input::Returned { node, engine, job, first, count, attempt, refused: true },
                ));
            }
        }
        assert_eq!(able(&core), [vec![1]].into());
        // One that is neither small nor large: some jobs may go there, others may not.
        join(&mut core, 2, "4");
        assert_eq!(able(&core), [vec![1], vec![1, 2]].into());
        let parted = core.classes.iter().map(|(_, class)| (class.able.len(), class.jobs.len()));
        assert_eq!(parted.collect::<BTreeSet<_>>(), [(1, 299), (2, 701)].into());
    }
}
