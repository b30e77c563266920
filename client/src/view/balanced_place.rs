//! When and where a load-balanced job may run: after other jobs, on some engines, where engines have what it needs.

use std::sync::Arc;

use super::balanced::LoadBalancedView;
use super::targets::Targets;
use crate::job::Dependency;
use crate::worker::{Namespace, condition};

impl LoadBalancedView {
    /// Its jobs begin when others are over: all that succeeded, any that did, or whatever a [`Dependency`] says. When what they wait for can no
    /// longer come about, they end at once with [`Error::Impossible`](crate::Error::Impossible). May be said several times; all must hold.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// let mesh = lview.map_async(|x: u32| x * x, 0..100, 10);
    /// let solve = lview.clone().after(&mesh).apply(|tolerance: f64| tolerance.sqrt(), (1e-6,));
    /// assert!(mesh.ready() || !solve.ready());
    /// assert_eq!(solve.get()?, 1e-3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn after(mut self, jobs: impl Into<Dependency>) -> Self {
        self.options.after.push(jobs.into());
        self
    }

    /// As [`after`](Self::after), and its jobs go only where those have run: to engines that completed chunks of all of them (or, with
    /// [`Dependency::any`], of any), which may keep in their namespaces or on their disks what those left there.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// let stage = lview.apply(|path: String| path.len(), ("data/run.h5".to_owned(),));
    /// let there = lview.clone().follow(&stage).apply(|| 1, ());
    /// assert_eq!(there.get()?, 1);
    /// assert_eq!(there.chunks()[0].engine, stage.chunks()[0].engine);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn follow(mut self, jobs: impl Into<Dependency>) -> Self {
        self.options.after.push(jobs.into().followed());
        self
    }

    /// Its jobs go to these engines and no others: an id, a list of ids or a range, as for [`Client::direct_view`](crate::Client::direct_view). When
    /// all of them are gone, what is left of a job ends with [`Error::Impossible`](crate::Error::Impossible).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// let out = client.load_balanced_view().targets([0, 2]).map_async(|x: u32| x + 1, 0..20, 1);
    /// out.get()?;
    /// assert!(out.chunks().iter().all(|chunk| chunk.engine != 1));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn targets(mut self, targets: impl Targets) -> Self {
        self.options.place.targets = Some(targets.resolve(&self.session.engines().ids()));
        self
    }

    /// Its jobs go to engines that have this: a tag (`gpu`), a tag's value (`gpu=0`), or a bound on it (`memory>=64`, `load<=0.5`). Engines get
    /// tags from their daemon, `engine --tag gpu=0 --slots 0 --tag memory=64`; all have `host`. May be said several times; an engine must have all.
    /// The function finds the values in its environment, as `PHALANX_TAG_GPU`.
    ///
    /// A job that needs what no engine has is refused, with [`Error::Impossible`](crate::Error::Impossible), unless it is [`patient`](Self::patient).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// let refused = lview.clone().needs("gpu").apply(|| 1, ()).get().unwrap_err();
    /// assert!(matches!(refused, phalanx::Error::Impossible(_)), "{refused}");
    /// assert!(lview.needs("memory>lots").apply(|| 1, ()).get().is_err());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn needs(mut self, need: impl Into<Arc<str>>) -> Self {
        self.options.place.needs.push(need.into());
        self
    }

    /// When no engine has what its jobs need, they wait for one that comes.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let waiting = client.load_balanced_view().needs("gpu").patient().apply(|| 1, ());
    /// let why = waiting.explain()?.to_string();
    /// assert!(why.contains("no engine that is there has what it needs: gpu") || why.contains("not taken it up"), "{why}");
    /// waiting.abort();
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.options.place.patient = true;
        self
    }

    /// Its jobs run where `f` says so: every engine that is to get chunks of one calls it first, once per job, with its namespace. Where it gives false (or
    /// panics) the chunks go elsewhere; when it does on all engines there are, the job ends with
    /// [`Error::Impossible`](crate::Error::Impossible).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view().depend(|ns| ns.engine() == 1);
    /// let out = lview.map_async(|x: u32| x + 1, 0..20, 1);
    /// out.get()?;
    /// assert!(out.chunks().iter().all(|chunk| chunk.engine == 1));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn depend<F>(mut self, f: F) -> Self
    where
        F: Fn(&Namespace) -> bool + Copy + 'static,
    {
        let _ = f;
        self.options.place.condition = Some(condition::<F>().map_err(Into::into));
        self
    }
}
