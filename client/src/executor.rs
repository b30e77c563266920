//! Calls as futures, in the manner of Python's `concurrent.futures`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::codec::Value;
use crate::error::Error;
use crate::job::{Ended, Job, JobHandle};
use crate::result::{AsyncMapResult, AsyncResult, values};
use crate::view::{Chunksize, LoadBalancedView, One, Shape, map_result, submit};
use crate::worker::Apply;

/// Calls are forgotten, once they have ended, whenever so many more have been made.
const CALLS_FORGOTTEN_AFTER: usize = 64;

/// Submits calls to wherever there is room, each a future of its own, and knows which have not ended. Any number of threads may share it (`&Executor` is
/// enough), and wait for its results at the same time. Made by [`LoadBalancedView::executor`].
///
/// Dropping it changes nothing for calls that were made: they go on, and their results can be waited for. [`shutdown`](Self::shutdown) waits for them as
/// Python's `with` does, and [`cancel`](Self::cancel) ends them.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// let executor = client.load_balanced_view().executor();
/// let products: Vec<_> = (0..4).map(|i| executor.submit(|a: u64, b: u64| a * b, (i, 10))).collect();
/// for (i, product) in (0..).zip(&products) {
///     assert_eq!(product.get()?, 10 * i);
/// }
/// executor.shutdown(true);
/// # Ok::<(), phalanx::Error>(())
/// ```
pub struct Executor {
    view: LoadBalancedView,
    calls: Mutex<Calls>,
}

/// What was submitted.
#[derive(Default)]
struct Calls {
    /// Those that may not have ended; their results are kept by whoever has them.
    jobs: Vec<Weak<Job>>,
    /// With so many, it is looked which have ended.
    look_at: usize,
    is_shut_down: bool,
}

impl Calls {
    fn add(&mut self, handle: &JobHandle) {
        if self.jobs.len() >= self.look_at {
            self.jobs.retain(|job| job.upgrade().is_some_and(|job| !job.is_over()));
            self.look_at = 2 * self.jobs.len() + CALLS_FORGOTTEN_AFTER;
        }
        self.jobs.push(Arc::downgrade(&handle.job));
    }

    fn under_way(&self) -> Vec<Arc<Job>> {
        self.jobs.iter().filter_map(Weak::upgrade).filter(|job| !job.is_over()).collect()
    }
}

impl Executor {
    pub(crate) fn new(view: LoadBalancedView) -> Self {
        Self { view, calls: Mutex::default() }
    }

    /// `f(arguments…)` wherever there is room. Returns at once; the result can be waited for, awaited, or aborted. Dropping the result lets the call go on.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// assert_eq!(executor.submit(|x: f64| x.sqrt(), (2.25,)).get()?, 1.5);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn submit<F, Args>(&self, f: F, args: Args) -> AsyncResult<F::Output>
    where
        F: Apply<Args> + Copy + 'static,
        F::Output: Value,
        Args: Value,
    {
        self.one(|| self.view.apply(f, args))
    }

    /// As [`submit`](Self::submit), for a function that can fail: an `Err` is the call's failure.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// let failed = executor.try_submit(|s: String| s.parse::<f64>(), ("x".to_owned(),)).get();
    /// assert!(failed.unwrap_err().to_string().contains("invalid float literal"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_submit<F, Args, R, E>(&self, f: F, args: Args) -> AsyncResult<R>
    where
        F: Apply<Args, Output = std::result::Result<R, E>> + Copy + 'static,
        Args: Value,
        R: Value,
        E: std::fmt::Display,
    {
        self.one(|| self.view.try_apply(f, args))
    }

    /// `f` of every item, in chunks whose length is found as it goes. Iterating over the result gives the outcomes in order, each as soon as it is
    /// there. (For endless input there is [`map_stream`](LoadBalancedView::map_stream).)
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// assert_eq!(executor.map(|x: u64| x + 1, 0..3).get()?, [1, 2, 3]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn map<F, A, R>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        self.many::<A, R>(|| self.view.map_async(f, items, Chunksize::Auto))
    }

    /// As [`map`](Self::map), for a function that can fail: an `Err` is a failure of its item; the others keep their values.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// let out = executor.try_map(|word: String| word.parse::<f64>(), ["1.5", "x"].map(str::to_owned));
    /// assert_eq!(out.results()[0], Ok(1.5));
    /// assert!(out.get().unwrap_err().to_string().contains("invalid float literal"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_map<F, A, R, E>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        self.many::<A, R>(|| self.view.try_map_async(f, items, Chunksize::Auto))
    }

    /// How many calls have not ended.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// executor.submit(|| 7, ()).get()?;
    /// assert_eq!(executor.outstanding(), 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.calls.lock().under_way().len()
    }

    /// From here on calls give [`Error::ExecutorShutDown`]. With `wait` it returns when all earlier ones have ended, else at once, and they go on.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// let out = executor.submit(|| 7, ());
    /// executor.shutdown(true);
    /// assert!(out.ready());
    /// let refused = executor.submit(|| 7, ()).get();
    /// assert!(matches!(refused, Err(phalanx::Error::ExecutorShutDown)));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn shutdown(&self, wait: bool) {
        let under_way = {
            let mut calls = self.calls.lock();
            calls.is_shut_down = true;
            calls.under_way()
        };
        if wait {
            self.wait_for(&under_way, None);
        }
    }

    /// Waits until no call is under way, at most for `timeout`; false when some still are.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// let out = executor.submit(|| 7, ());
    /// assert!(executor.wait(None) && out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let under_way = self.calls.lock().under_way();
        self.wait_for(&under_way, timeout)
    }

    /// Aborts every call that has not ended. Others can be made afterwards.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// let out = executor.submit(|| std::thread::sleep(std::time::Duration::from_secs(1)), ());
    /// executor.cancel();
    /// assert!(out.ready());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn cancel(&self) {
        let under_way = self.calls.lock().under_way();
        for job in under_way {
            JobHandle { job, session: Arc::clone(&self.view.session) }.abort();
        }
    }

    /// A call, unless it is shut down.
    fn one<R: Value>(&self, call: impl FnOnce() -> AsyncResult<R>) -> AsyncResult<R> {
        if self.is_shut_down() {
            let refused = submit::<R>(&self.view.session, Err(Error::ExecutorShutDown));
            return AsyncResult::new(refused, |job| Ok(One::shaped(values(job)?)));
        }
        let out = call();
        self.note(&out);
        out
    }

    /// Calls for many items, unless it is shut down.
    fn many<A: Value, R: Value>(&self, call: impl FnOnce() -> AsyncMapResult<R>) -> AsyncMapResult<R> {
        if self.is_shut_down() {
            return map_result::<A, R>(submit::<R>(&self.view.session, Err(Error::ExecutorShutDown)));
        }
        let out = call();
        self.note(&out);
        out
    }

    fn wait_for(&self, jobs: &[Arc<Job>], timeout: Option<Duration>) -> bool {
        self.view.session.wait_until(jobs, || jobs.iter().all(|job| job.is_over()), timeout)
    }

    fn is_shut_down(&self) -> bool {
        self.calls.lock().is_shut_down
    }

    fn note(&self, handle: &JobHandle) {
        let mut calls = self.calls.lock();
        if calls.is_shut_down {
            // It was, while this call was on its way: nobody waits for it.
            drop(calls);
            self.view.session.cancel(&handle.job);
            handle.job.end(Ended::Failed(Error::ExecutorShutDown));
            return;
        }
        calls.add(handle);
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}
