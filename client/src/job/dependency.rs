//! What must be over before a job begins.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use phalanx_proto::ids::JobId;
use phalanx_proto::v1;

use super::handle::JobHandle;

/// How a job ended and where it ran, as far as others that wait for it must know; it keeps none of the job's results.
#[derive(Debug)]
pub(crate) struct Fate {
    id: JobId,
    over: OnceLock<Over>,
}

#[derive(Debug)]
struct Over {
    succeeded: bool,
    engines: BTreeSet<u32>,
}

impl Fate {
    pub(crate) fn new(id: JobId) -> Self {
        Self { id, over: OnceLock::new() }
    }

    /// It has ended. Only the first word counts.
    pub(crate) fn seal(&self, succeeded: bool, engines: impl Iterator<Item = u32>) {
        let _ = self.over.get_or_init(|| Over { succeeded, engines: engines.collect() });
    }
}

/// Other jobs that must be over before a job begins; see [`LoadBalancedView::after`](crate::LoadBalancedView::after).
///
/// A job succeeds when every element of it has a value. One that fails, is aborted or expires has not succeeded; what waits for its success
/// then ends at once, with [`Error::Impossible`](crate::Error::Impossible).
///
/// ```
/// use phalanx::{Client, Dependency};
///
/// # let client = Client::in_process(2)?;
/// let lview = client.load_balanced_view();
/// let (a, b) = (lview.apply(|| 1, ()), lview.apply(|| 2, ()));
/// let both = Dependency::all([&a, &b]);
/// assert_eq!(lview.clone().after(both).apply(|| 3, ()).get()?, 3);
/// # Ok::<(), phalanx::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dependency {
    jobs: Vec<Arc<Fate>>,
    any: bool,
    success: bool,
    failure: bool,
    follow: bool,
}

impl Dependency {
    fn new<J: AsRef<JobHandle>>(jobs: impl IntoIterator<Item = J>, any: bool) -> Self {
        let jobs = jobs.into_iter().map(|job| Arc::clone(&job.as_ref().job.fate)).collect();
        Self { jobs, any, success: true, failure: false, follow: false }
    }

    /// After this one.
    #[cfg(test)]
    pub(crate) fn on_fate(job: Arc<Fate>) -> Self {
        Self { jobs: vec![job], any: false, success: true, failure: false, follow: false }
    }

    /// After all of these have succeeded.
    ///
    /// ```
    /// # use phalanx::Dependency;
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let lview = client.load_balanced_view();
    /// let first = lview.map_async(|x: i32| x + 1, 0..10, 1);
    /// let then = lview.clone().after(Dependency::all([&first])).apply(|| "done".to_owned(), ());
    /// assert_eq!(then.get()?, "done");
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn all<J: AsRef<JobHandle>>(jobs: impl IntoIterator<Item = J>) -> Self {
        Self::new(jobs, false)
    }

    /// After any one of these has succeeded.
    ///
    /// ```
    /// # use phalanx::Dependency;
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let lview = client.load_balanced_view();
    /// let (a, b) = (lview.apply(|| 1, ()), lview.apply(|| 2, ()));
    /// assert_eq!(lview.clone().after(Dependency::any([&a, &b])).apply(|| 3, ()).get()?, 3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn any<J: AsRef<JobHandle>>(jobs: impl IntoIterator<Item = J>) -> Self {
        Self::new(jobs, true)
    }

    /// Another job as well.
    ///
    /// ```
    /// # use phalanx::Dependency;
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let lview = client.load_balanced_view();
    /// let (one, many) = (lview.apply(|| 1, ()), lview.map_async(|x: i32| x, 0..10, 1));
    /// assert_eq!(lview.clone().after(Dependency::all([&one]).and(&many)).apply(|| 3, ()).get()?, 3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn and(mut self, job: impl AsRef<JobHandle>) -> Self {
        self.jobs.push(Arc::clone(&job.as_ref().job.fate));
        self
    }

    /// What counts: jobs that succeeded (as a rule), jobs that did not, or both. With neither nothing can ever count, and the
    /// job is refused.
    ///
    /// ```
    /// # use phalanx::Dependency;
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let lview = client.load_balanced_view();
    /// let fails = lview.apply(|| -> i32 { panic!("no") }, ());
    /// let clean_up = Dependency::all([&fails]).counting(false, true);
    /// assert_eq!(lview.clone().after(clean_up).apply(|| 3, ()).get()?, 3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn counting(mut self, success: bool, failure: bool) -> Self {
        (self.success, self.failure) = (success, failure);
        self
    }

    pub(crate) fn followed(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Whether the job goes only where these ran.
    pub(crate) fn is_followed(&self) -> bool {
        self.follow
    }

    /// Settles what is known here already.
    fn settle(&self) -> Settled {
        if !self.success && !self.failure {
            return Settled::Never("it is to run after jobs that neither succeed nor fail, and none is such");
        }
        let over = |job: &&Arc<Fate>| job.over.get().is_some();
        let (ended, open): (Vec<&Arc<Fate>>, Vec<&Arc<Fate>>) = self.jobs.iter().partition(over);
        let ended: Vec<&Over> = ended.into_iter().filter_map(|job| job.over.get()).collect();
        let counts = |job: &&Over| if job.succeeded { self.success } else { self.failure };
        let right = ended.iter().copied().find(counts).is_some();
        let wrong = ended.iter().copied().find(|job| !counts(job));
        let met = if self.any { right || self.jobs.is_empty() } else { wrong.is_none() && open.is_empty() };
        if let Some(wrong) = wrong.filter(|_| !met && (!self.any || open.is_empty())) {
            return Settled::Never(if wrong.succeeded {
                "a job whose failure it was to run after has succeeded"
            } else {
                "a job that it was to run after did not succeed"
            });
        }
        let ran: Vec<&BTreeSet<u32>> =
            ended.iter().map(|job| &job.engines).filter(|engines| !engines.is_empty()).collect();
        let joined = if self.any { union(&ran) } else { intersection(&ran) };
        let place = joined.filter(|_| self.follow && (met || !self.any));
        if met {
            return Settled::Met(place);
        }
        let jobs = open.iter().map(|job| job.id.to_bytes().to_vec().into()).collect();
        let (any, success, failure, follow) = (self.any, self.success, self.failure, self.follow);
        Settled::Open(v1::After { jobs, any, success, failure, follow }, place)
    }
}

enum Settled {
    Met(Option<BTreeSet<u32>>),
    Open(v1::After, Option<BTreeSet<u32>>),
    Never(&'static str),
}

fn union(sets: &[&BTreeSet<u32>]) -> Option<BTreeSet<u32>> {
    (!sets.is_empty()).then(|| sets.iter().copied().flatten().copied().collect())
}

fn intersection(sets: &[&BTreeSet<u32>]) -> Option<BTreeSet<u32>> {
    let (first, others) = sets.split_first()?;
    Some(first.iter().copied().filter(|id| others.iter().all(|set| set.contains(id))).collect())
}

/// What the controller must still look after.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Waits {
    pub(crate) after: Vec<v1::After>,
    /// Where the job is bound to go.
    pub(crate) targets: Option<Vec<u32>>,
}

/// What is left of dependencies, for a job that may go to `targets`; or why it can never be run.
pub(crate) fn settled(after: &[Dependency], targets: Option<&[u32]>) -> Result<Waits, &'static str> {
    let mut place = targets.map(|targets| targets.iter().copied().collect::<BTreeSet<u32>>());
    let mut waits = Waits::default();
    for dependency in after {
        let narrower = match dependency.settle() {
            Settled::Never(why) => return Err(why),
            Settled::Met(place) => place,
            Settled::Open(after, place) => {
                waits.after.push(after);
                place
            }
        };
        place = match (place, narrower) {
            (Some(place), Some(narrower)) => Some(place.intersection(&narrower).copied().collect()),
            (place, narrower) => narrower.or(place),
        };
        if place.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err("there is no engine on which all the jobs ran that it follows");
        }
    }
    waits.targets = place.map(|place| place.into_iter().collect());
    Ok(waits)
}

impl<J: AsRef<JobHandle>> From<&J> for Dependency {
    fn from(job: &J) -> Self {
        Self::all([job])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(id: u128, over: Option<(bool, &[u32])>) -> Arc<Fate> {
        let fate = Fate::new(JobId(id));
        if let Some((succeeded, engines)) = over {
            fate.seal(succeeded, engines.iter().copied());
        }
        Arc::new(fate)
    }

    fn on(jobs: &[Arc<Fate>]) -> Dependency {
        Dependency { jobs: jobs.to_vec(), any: false, success: true, failure: false, follow: false }
    }

    #[test]
    fn what_is_over_is_settled_here() {
        let (well, badly, open) = (fate(1, Some((true, &[0]))), fate(2, Some((false, &[]))), fate(3, None));
        assert_eq!(settled(&[on(std::slice::from_ref(&well))], None), Ok(Waits::default()));
        assert!(settled(&[on(&[well.clone(), badly.clone(), open.clone()])], None).is_err());
        let any = |jobs: &[Arc<Fate>]| Dependency { any: true, ..on(jobs) };
        assert_eq!(settled(&[any(&[badly.clone(), well.clone()])], None), Ok(Waits::default()));
        assert!(settled(&[any(std::slice::from_ref(&badly))], None).is_err());
        let waits =
            settled(&[any(&[badly.clone(), open.clone()]), on(&[well.clone(), open.clone()])], None).unwrap();
        assert_eq!(waits.after.iter().map(|after| after.jobs.len()).collect::<Vec<_>>(), [1, 1]);
        let failure = on(&[badly]).counting(false, true);
        assert_eq!(settled(&[failure], None), Ok(Waits::default()));
        assert!(settled(&[on(&[well]).counting(false, true)], None).is_err());
    }

    #[test]
    fn who_follows_is_bound_to_where_they_ran() {
        let (a, b, open) = (fate(1, Some((true, &[0, 2]))), fate(2, Some((true, &[2, 3]))), fate(3, None));
        let empty = fate(4, Some((true, &[])));
        let targets =
            |after: &[Dependency], given: Option<&[u32]>| settled(after, given).map(|waits| waits.targets);
        let both = on(&[a.clone(), b.clone(), empty.clone()]).followed();
        assert_eq!(targets(std::slice::from_ref(&both), None), Ok(Some(vec![2])));
        assert!(targets(std::slice::from_ref(&both), Some(&[0, 1])).is_err());
        assert_eq!(targets(&[Dependency { any: true, ..both }], Some(&[0, 1, 3])), Ok(Some(vec![0, 3])));
        assert_eq!(targets(&[on(&[empty]).followed()], None), Ok(None), "it ran nowhere");
        let waits = settled(&[on(&[a, open]).followed()], None).unwrap();
        assert!(waits.targets == Some(vec![0, 2]) && waits.after[0].follow);
    }
}
