//! Every engine at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::direct_with::DirectWith;
use super::shape::Shape;
use super::{context, encoded, map_result, submit};
use crate::codec::{Elements, ElementsBuilder, Value};
use crate::error::{Error, Result};
use crate::job::{JobHandle, JobOptions, JobPlan, JobSpec};
use crate::result::{AsyncMapResult, AsyncResult};
use crate::session::Session;
use crate::worker::{self, Apply, BadEntry, Function, Namespace};

/// How a view finds its engines.
#[derive(Clone)]
pub(super) enum Engines {
    /// Those there were when the view was made, or why there were none.
    Frozen(Result<Vec<u32>>),
    /// Those there are at each call.
    Dynamic,
}

/// A view of certain engines: every call runs on each of them, in their own namespaces.
///
/// Work is never moved: when an engine is lost, its part of a call fails with an error that says so.
///
/// ```no_run
/// use phalanx::Client;
///
/// fn main() -> phalanx::Result<()> {
///     phalanx::init();
///     let client = Client::local(4)?;
///     let dview = client.direct_view(..);
///     assert_eq!(dview.apply(|a: i64, b: i64| a * b, (5, 6)).get()?, [30, 30, 30, 30]);
///     assert_eq!(dview.map_sync(|(a, b)| a * b, [(5, 8), (6, 9), (7, 10), (8, 11)])?, [40, 54, 70, 88]);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct DirectView<S: Shape> {
    pub(crate) session: Arc<Session>,
    engines: Engines,
    options: JobOptions,
    shape: std::marker::PhantomData<S>,
}

impl<S: Shape> DirectView<S> {
    pub(crate) fn frozen(session: Arc<Session>, engines: Result<Vec<u32>>) -> Self {
        Self::new(session, Engines::Frozen(engines))
    }

    pub(crate) fn dynamic(session: Arc<Session>) -> Self {
        Self::new(session, Engines::Dynamic)
    }

    fn new(session: Arc<Session>, engines: Engines) -> Self {
        Self { session, engines, options: JobOptions::default(), shape: std::marker::PhantomData }
    }

    /// As [`LoadBalancedView::label`](crate::LoadBalancedView::label).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).label("hello").apply(|| 5, ()).label(), "hello");
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.options.label = Some(label.into());
        self
    }

    /// How long a function may run (of a map: for one item) before it is ended with its process, and so with all names that the engine
    /// kept; what else waited for that process fails too. See [`LoadBalancedView::run_limit`](crate::LoadBalancedView::run_limit).
    ///
    /// ```
    /// use std::time::Duration;
    /// # let client = phalanx::Client::in_process(2)?;
    /// let careful = client.direct_view(..).run_limit(Duration::from_secs(20));
    /// assert_eq!(careful.apply(|x: f64| x.sqrt(), (4.0,)).get()?, [2.0, 2.0]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn run_limit(mut self, limit: Duration) -> Self {
        self.options.run_limit = Some(limit);
        self
    }

    /// Its jobs outlive this client, as those of [`LoadBalancedView::keep`](crate::LoadBalancedView::keep): of a map the values are kept, of any other call one value for
    /// each engine.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let id = client.direct_view(..).keep().apply(|a: i64, b: i64| a * b, (5, 6)).id();
    /// assert_eq!(client.job::<i64>(&id)?.get()?, [30, 30]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.options.kept = true;
        self
    }

    /// The ids of its engines.
    ///
    /// # Errors
    /// [`Error::NoEngines`], [`Error::NoEngineInRange`], [`Error::UnknownEngine`].
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).targets()?, [0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn targets(&self) -> Result<Vec<u32>> {
        match &self.engines {
            Engines::Frozen(engines) => engines.clone(),
            Engines::Dynamic => {
                let ids = self.session.engines().ids();
                if ids.is_empty() { Err(Error::NoEngines) } else { Ok(ids) }
            }
        }
    }

    /// The same view with a value that goes along: functions of `map` get a reference to it first. Calls take it as an argument. What the
    /// view shall be (`label`, `run_limit`) is said before.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).with(10).map_sync(|k: &i32, x: i32| k * x, 0..4)?, [0, 10, 20, 30]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<C: Value + Sync>(&self, value: C) -> DirectWith<S, C> {
        DirectWith::new(self.clone(), value)
    }

    /// `f(arguments…)` on every engine.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).apply(|a: i64, b: i64| a * b, (5, 6)).get()?, [30, 30]);
    /// assert_eq!(client.direct_view(0).apply(|a: i64, b: i64| a * b, (5, 6)).get()?, 30);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<F, Args>(&self, f: F, args: Args) -> AsyncResult<S::Of<F::Output>>
    where
        F: Apply<Args> + Copy + 'static,
        F::Output: Value,
        Args: Value,
    {
        let _ = f;
        self.on_each(worker::apply::<F, Args>(), || Ok(context(&args)?))
    }

    /// As [`apply`](Self::apply), for a function that can fail: an `Err` is the engine's failure. (With `apply` it is a value like any other.)
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.direct_view(..).try_apply(|s: String| s.parse::<f64>(), ("x".to_owned(),));
    /// assert!(out.get().unwrap_err().to_string().contains("invalid float literal"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_apply<F, Args, R, E>(&self, f: F, args: Args) -> AsyncResult<S::Of<R>>
    where
        F: Apply<Args, Output = std::result::Result<R, E>> + Copy + 'static,
        Args: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        self.on_each(worker::try_apply::<F, Args, R, E>(), || Ok(context(&args)?))
    }

    /// [`apply`](Self::apply), waited for.
    ///
    /// # Errors
    /// As [`AsyncResult::get`].
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).apply_sync(|| 2 + 2, ())?, [4, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply_sync<F, Args>(&self, f: F, args: Args) -> Result<S::Of<F::Output>>
    where
        F: Apply<Args> + Copy + 'static,
        F::Output: Value,
        Args: Value,
    {
        self.apply(f, args).get()
    }

    /// `f` of every item: each engine gets one block of neighbouring items.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.direct_view(..).map_async(|x: f64| x * x, [1.0, 2.0, 3.0]);
    /// assert_eq!(out.get()?, [1.0, 4.0, 9.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<F, A, R>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let spec = self.map_spec(worker::map::<F, A, R>(), items, || Ok(Bytes::new()));
        map_result::<A, R>(submit::<R>(&self.session, spec))
    }

    /// As [`map_async`](Self::map_async), for a function that can fail: an `Err` is a failure of its item; the others keep their values.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let words = ["1.5", "x"].map(str::to_owned);
    /// let out = client.direct_view(..).try_map_async(|word: String| word.parse::<f64>(), words);
    /// assert!(out.get().unwrap_err().to_string().contains("invalid float literal"));
    /// assert_eq!(out.results()[0], Ok(1.5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_map_async<F, A, R, E>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let spec = self.map_spec(worker::try_map::<F, A, R, E>(), items, || Ok(Bytes::new()));
        map_result::<A, R>(submit::<R>(&self.session, spec))
    }

    /// [`map_async`](Self::map_async), waited for.
    ///
    /// # Errors
    /// As [`AsyncMapResult::get`].
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).map_sync(|(a, b)| a * b, [(5, 8), (6, 9)])?, [40, 54]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_sync<F, A, R>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        self.map_async(f, items).get()
    }

    /// Runs `f` on every engine with its namespace: names set there stay for later calls.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let dview = client.direct_view(..);
    /// dview.push("k", &3.0).get()?;
    /// dview.execute(|ns| { let k = *ns.at::<f64>("k"); ns.set("k2", k * k); }).get()?;
    /// assert_eq!(dview.pull::<f64>("k2").get()?, [9.0, 9.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute<F, R>(&self, f: F) -> AsyncResult<S::Of<R>>
    where
        F: Fn(&mut Namespace) -> R + Copy + 'static,
        R: Value,
    {
        let _ = f;
        self.on_each(worker::execute::<F, R>(), || Ok(Bytes::new()))
    }

    /// As [`execute`](Self::execute), for a function that can fail: an `Err` is the engine's error.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.direct_view(..).try_execute(|ns| ns.get::<f64>("nothing").map(|x| x + 1.0)).get();
    /// assert!(out.unwrap_err().to_string().contains("no value named \"nothing\""));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_execute<F, R, E>(&self, f: F) -> AsyncResult<S::Of<R>>
    where
        F: Fn(&mut Namespace) -> std::result::Result<R, E> + Copy + 'static,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        self.on_each(worker::try_execute::<F, R, E>(), || Ok(Bytes::new()))
    }

    pub(super) fn map_spec<A: Value>(
        &self,
        function: std::result::Result<Function, BadEntry>,
        items: impl IntoIterator<Item = A>,
        context: impl FnOnce() -> Result<Bytes>,
    ) -> Result<JobSpec> {
        let targets = self.targets()?;
        Ok(self.job(function?, encoded(items)?, context()?, targets))
    }

    pub(super) fn job(
        &self,
        function: Function,
        elements: Elements,
        context: Bytes,
        targets: Vec<u32>,
    ) -> JobSpec {
        let options = self.options.clone();
        JobSpec { options, ..JobSpec::new(function, elements, context, JobPlan::Direct { targets }) }
    }

    pub(super) fn on_each<R: Value>(
        &self,
        function: std::result::Result<Function, BadEntry>,
        context: impl FnOnce() -> Result<Bytes>,
    ) -> AsyncResult<S::Of<R>> {
        let handle = self.handle_on_each::<R>(function, context);
        let mut result = AsyncResult::new(handle, |job| Ok(S::shaped(crate::result::values(job)?)));
        result.is_per_engine = S::IS_LIST;
        result
    }

    pub(super) fn handle_on_each<R: 'static>(
        &self,
        function: std::result::Result<Function, BadEntry>,
        context: impl FnOnce() -> Result<Bytes>,
    ) -> JobHandle {
        let spec = self.targets().and_then(|targets| {
            let (function, elements, context) = (function?, empty_elements(targets.len())?, context()?);
            Ok(self.job(function, elements, context, targets))
        });
        submit::<R>(&self.session, spec)
    }
}

/// One element without bytes per target: what they need is in the context, which travels once.
fn empty_elements(n: usize) -> Result<Elements> {
    let mut elements = ElementsBuilder::default();
    for _ in 0..n {
        elements.push_with(|_| ())?;
    }
    Ok(elements.finish())
}
