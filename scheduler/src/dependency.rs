//! What must be over before a job may begin.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;

use phalanx_proto::ids::{EngineId, JobKey};

/// Other jobs that must have ended before a job begins, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Which.
    pub jobs: Vec<JobKey>,
    /// All of them; else any one.
    pub all: bool,
    /// One that ended with every element well counts.
    pub success: bool,
    /// One that ended in another way counts: elements failed, it was cancelled, it could not begin.
    pub failure: bool,
    /// The job goes only where they ran: to engines that completed chunks of all of them, or of any.
    pub follow: bool,
}

impl Dependency {
    /// After all of these have succeeded.
    #[must_use]
    pub fn on(jobs: Vec<JobKey>) -> Self {
        Self { jobs, all: true, success: true, failure: false, follow: false }
    }
}

/// Why a job cannot be run, now or ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// A job that it waits for did not end as it must have.
    Dependency {
        /// Which.
        job: JobKey,
        /// It has succeeded, where a failure was waited for.
        succeeded: bool,
    },
    /// There is no engine, or no more, on which the jobs have run that it follows.
    Follow,
    /// The engines that it was bound to are gone.
    Targets,
    /// No engine that is there has what it needs.
    Needs,
    /// Its condition is met on no engine.
    Condition {
        /// How many of those that are there were asked.
        engines: u32,
        /// It was met on others, which are gone.
        was_met: bool,
    },
}

/// How a dependency stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Met,
    Open,
    Never(Impossible),
}

/// A dependency of a job that has not begun, with what is known of its jobs: each of them is looked at once, when it ends.
#[derive(Debug)]
pub(crate) struct Wait {
    /// Its jobs ascend, and each is named once.
    pub(crate) dependency: Dependency,
    open: usize,
    right: bool,
    wrong: Option<Impossible>,
}

impl Wait {
    pub(crate) fn new(mut dependency: Dependency, past: &Past) -> Self {
        dependency.jobs.sort_unstable();
        dependency.jobs.dedup();
        let (open, right) = (dependency.jobs.len(), dependency.jobs.is_empty());
        let ended = |job: &JobKey| Some((*job, past.get(*job)?.succeeded));
        let ended: Vec<(JobKey, bool)> = dependency.jobs.iter().filter_map(ended).collect();
        let mut wait = Self { dependency, open, right, wrong: None };
        ended.into_iter().for_each(|(job, succeeded)| wait.note(job, succeeded));
        wait
    }

    /// One of its jobs has ended.
    fn note(&mut self, job: JobKey, succeeded: bool) {
        let counts = if succeeded { self.dependency.success } else { self.dependency.failure };
        self.open -= 1;
        self.right |= counts;
        if !counts && self.wrong.is_none() {
            self.wrong = Some(Impossible::Dependency { job, succeeded });
        }
    }

    /// A job has ended, which may be one of these.
    pub(crate) fn has_ended(&mut self, job: JobKey, succeeded: bool) {
        if self.dependency.jobs.binary_search(&job).is_ok() {
            self.note(job, succeeded);
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match (self.dependency.all, self.wrong) {
            (true, Some(wrong)) => Standing::Never(wrong),
            (false, _) if self.right => Standing::Met,
            _ if self.open > 0 => Standing::Open,
            (false, Some(wrong)) => Standing::Never(wrong),
            _ => Standing::Met,
        }
    }

    /// How many of its jobs have not ended.
    pub(crate) fn open(&self) -> usize {
        self.open
    }
}

/// A job that has ended.
#[derive(Debug, Clone)]
pub(crate) struct PastJob {
    pub(crate) succeeded: bool,
    /// Engines that completed chunks of it, ascending.
    pub(crate) ran_on: Box<[EngineId]>,
}

/// One that is remembered.
#[derive(Debug)]
struct Remembered {
    job: PastJob,
    /// It is among those that are forgotten in turn.
    listed: bool,
}

/// Jobs that have ended, the last of them.
#[derive(Debug)]
pub(crate) struct Past {
    /// The most that are remembered for nobody in particular.
    max: usize,
    jobs: BTreeMap<JobKey, Remembered>,
    /// The order in which they are forgotten. A job that is waited for when its turn comes is listed again when it is not.
    order: VecDeque<JobKey>,
    /// How many dependencies of jobs that have not begun name a job, which may not have ended.
    wanted: BTreeMap<JobKey, u32>,
    /// The sum of those.
    wishes: usize,
}

impl Past {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, jobs: BTreeMap::new(), order: VecDeque::new(), wanted: BTreeMap::new(), wishes: 0 }
    }

    pub(crate) fn enter(&mut self, key: JobKey, job: PastJob) {
        self.jobs.insert(key, Remembered { job, listed: false });
        self.list(key);
    }

    /// A job that is remembered is forgotten after all that are listed, unless some job waits for it.
    fn list(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key).filter(|job| !job.listed) else { return };
        if self.wanted.contains_key(&key) {
            return;
        }
        job.listed = true;
        self.order.push_back(key);
        if self.order.len() <= self.max {
            return;
        }
        let Some(oldest) = self.order.pop_front() else { return };
        if !self.wanted.contains_key(&oldest) {
            self.jobs.remove(&oldest);
        } else if let Some(job) = self.jobs.get_mut(&oldest) {
            job.listed = false;
        }
    }

    /// A job waits for these: they are remembered until it has begun.
    pub(crate) fn want<'a>(&mut self, dependencies: impl IntoIterator<Item = &'a Dependency>) {
        for key in dependencies.into_iter().flat_map(|dependency| &dependency.jobs) {
            *self.wanted.entry(*key).or_default() += 1;
            self.wishes += 1;
        }
    }

    /// A job has begun, or ended, that waited for these.
    pub(crate) fn release<'a>(&mut self, dependencies: impl IntoIterator<Item = &'a Dependency>) {
        for key in dependencies.into_iter().flat_map(|dependency| &dependency.jobs) {
            let Some(times) = self.wanted.get_mut(key) else { continue };
            *times -= 1;
            self.wishes -= 1;
            if *times == 0 {
                self.wanted.remove(key);
                self.list(*key);
            }
        }
    }

    /// All that jobs wait for which have not begun, counted as often as it is waited for.
    pub(crate) fn wishes(&self) -> usize {
        self.wishes
    }

    pub(crate) fn get(&self, key: JobKey) -> Option<&PastJob> {
        self.jobs.get(&key).map(|remembered| &remembered.job)
    }

    /// How a dependency stands, all of whose jobs are either over, or still live.
    pub(crate) fn standing(&self, dependency: &Dependency) -> Standing {
        Wait::new(dependency.clone(), self).standing()
    }

    /// The engines to which a job goes that follows these, which have ended; none when they ran nowhere, so that it goes anywhere.
    pub(crate) fn followed(&self, dependency: &Dependency) -> Option<Vec<EngineId>> {
        let ran_on = dependency.jobs.iter().filter_map(|job| Some(&*self.get(*job)?.ran_on));
        let ran_on: Vec<&[EngineId]> = ran_on.filter(|engines| !engines.is_empty()).collect();
        let mut engines: Vec<EngineId> = ran_on.concat();
        engines.sort_unstable();
        engines.dedup();
        if dependency.all {
            engines.retain(|id| ran_on.iter().all(|engines| engines.binary_search(id).is_ok()));
        }
        (!ran_on.is_empty()).then_some(engines)
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency { succeeded: false, .. } => {
                f.write_str("a job that it was to run after did not succeed")
            }
            Self::Dependency { succeeded: true, .. } => {
                f.write_str("a job whose failure it was to run after has succeeded")
            }
            Self::Follow => {
                f.write_str("there is no engine, or no more, on which the jobs ran that it follows")
            }
            Self::Targets => f.write_str("the engines that it was bound to are gone"),
            Self::Needs => f.write_str("no engine that is there has what it needs"),
            Self::Condition { engines, was_met: true } => {
                write!(
                    f,
                    "its condition was met only on engines that are gone, and on none of the {engines} that are there and were asked"
                )
            }
            Self::Condition { engines: 1, .. } => {
                f.write_str("its condition is not met on the only engine that was asked")
            }
            Self::Condition { engines, .. } => {
                write!(f, "its condition is met on none of the {engines} engines that were asked")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(jobs: &[(u64, bool, &[u32])]) -> Past {
        let mut past = Past::new(100);
        for (key, succeeded, engines) in jobs {
            let ran_on = engines.iter().map(|id| EngineId(*id)).collect();
            past.enter(JobKey(*key), PastJob { succeeded: *succeeded, ran_on });
        }
        past
    }

    fn on(jobs: &[u64]) -> Dependency {
        Dependency::on(jobs.iter().map(|key| JobKey(*key)).collect())
    }

    #[test]
    fn all_or_any_by_success_or_failure() {
        let past = past(&[(1, true, &[]), (2, false, &[]), (3, true, &[])]);
        let never = |job, succeeded| Standing::Never(Impossible::Dependency { job: JobKey(job), succeeded });
        assert_eq!(past.standing(&on(&[1, 3])), Standing::Met);
        assert_eq!(past.standing(&on(&[1, 9])), Standing::Open);
        assert_eq!(past.standing(&on(&[9, 2])), never(2, false));
        assert_eq!(past.standing(&on(&[])), Standing::Met);
        let any = |jobs: &[u64]| Dependency { all: false, ..on(jobs) };
        assert_eq!(past.standing(&any(&[2, 1])), Standing::Met);
        assert_eq!(past.standing(&any(&[2, 9])), Standing::Open);
        assert_eq!(past.standing(&any(&[2])), never(2, false));
        assert_eq!(past.standing(&any(&[])), Standing::Met);
        let either = Dependency { failure: true, ..on(&[1, 2]) };
        assert_eq!(past.standing(&either), Standing::Met);
        let failure = Dependency { failure: true, success: false, ..on(&[2, 3]) };
        assert_eq!(past.standing(&failure), never(3, true));
    }

    #[test]
    fn who_follows_goes_where_all_ran_or_any() {
        let past = past(&[(1, true, &[0, 2, 4]), (2, true, &[2, 3, 4]), (3, true, &[])]);
        let ids = |dependency: &Dependency| -> Option<Vec<u32>> {
            Some(past.followed(dependency)?.iter().map(|id| id.0).collect())
        };
        assert_eq!(ids(&on(&[1, 2])), Some(vec![2, 4]));
        assert_eq!(ids(&Dependency { all: false, ..on(&[1, 2]) }), Some(vec![0, 2, 3, 4]));
        assert_eq!(ids(&on(&[1, 3])), Some(vec![0, 2, 4]), "there is nothing to follow of what ran nowhere");
        assert_eq!(ids(&on(&[3])), None);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut past = Past::new(3);
        for key in 0..=3 {
            past.enter(JobKey(key), PastJob { succeeded: true, ran_on: Box::default() });
        }
        assert!(past.get(JobKey(0)).is_none() && past.get(JobKey(1)).is_some());
    }

    #[test]
    fn what_a_job_waits_for_is_remembered_until_it_has_begun() {
        let mut past = Past::new(3);
        let end = |past: &mut Past, keys: std::ops::Range<u64>| {
            for key in keys {
                past.enter(JobKey(key), PastJob { succeeded: true, ran_on: Box::default() });
            }
        };
        past.want([&on(&[0, 9]), &on(&[9])]);
        end(&mut past, 0..9);
        past.want([&on(&[6])]);
        end(&mut past, 9..20);
        let there = |past: &Past| (0..20).filter(|key| past.get(JobKey(*key)).is_some()).collect::<Vec<_>>();
        assert_eq!((there(&past), past.wishes()), (vec![0, 6, 9, 17, 18, 19], 4));
        past.release([&on(&[0, 9])]);
        assert_eq!(there(&past), [0, 6, 9, 18, 19], "it may still be waited for, for a while");
        past.want([&on(&[0])]);
        past.release([&on(&[0])]);
        past.release([&on(&[9]), &on(&[6])]);
        assert_eq!((there(&past), past.wishes()), (vec![0, 6, 9], 0));
        end(&mut past, 20..23);
        assert_eq!(there(&past), []);
    }
}
