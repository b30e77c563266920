//! Wherever there is room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ndarray::{ArrayBase, ArrayView1, Data, Ix2};

use super::balanced_with::LoadBalancedWith;
use super::chunksize::Chunksize;
use super::{encoded, map_result, submit};
use crate::codec::{ElementsBuilder, Number, Value};
use crate::error::{Error, Result};
use crate::job::{JobOptions, JobPlan, JobSpec};
use crate::result::AsyncMapResult;
use crate::session::Session;
use crate::worker::{self, Function};

/// Work for whichever engine is free: a map's elements go out in chunks while the job runs, so that an engine that is
/// done early takes more.
///
/// ```no_run
/// use phalanx::{Auto, Client};
///
/// fn main() -> phalanx::Result<()> {
///     phalanx::init();
///     let client = Client::local(4)?;
///     let lview = client.load_balanced_view();
///     let out = lview.map_async(|x: f64| x.sqrt(), (0..1000).map(f64::from), Auto);
///     out.wait_interactive()?;
///     println!("{:?} after {:?}", &out.get()?[..3], out.wall_time());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct LoadBalancedView {
    pub(crate) session: Arc<Session>,
    pub(crate) options: JobOptions,
}

impl LoadBalancedView {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session, options: JobOptions::default() }
    }

    /// Elements whose function fails are tried again, up to `retries` times, on another engine if one is free. (Engines and workers
    /// that are lost do not count: their chunks always move on, within the controller's limit.)
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view().retries(3);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// What its jobs are called in errors, files and `phalanx status`; without it, by their function's name.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().label("squares").map_async(|x: u32| x * x, 0..10, 5);
    /// assert_eq!(out.label(), "squares");
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.options.label = Some(label.into());
        self
    }

    /// Among this client's jobs on load-balanced views those with the highest priority come first; 0 is ordinary, and beyond ±100 they count
    /// alike. What an engine has been given already is not taken back. Between clients priorities count for nothing: they share the engines evenly.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// let survey = lview.map_async(|x: u64| x * x, 0..1000, 1);
    /// let urgent = lview.clone().priority(10).apply(|x: f64| x.sqrt(), (2.0,));
    /// assert_eq!(urgent.get()?, 2.0_f64.sqrt());
    /// # survey.get()?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// An element that runs for longer than `limit` is ended, with the process that runs it, and has failed with
    /// [`RemoteErrorKind::RunLimit`](crate::RemoteErrorKind::RunLimit); [`retries`](Self::retries) try it again. The other elements of its
    /// chunk are run once more. (On [`Client::in_process`](crate::Client::in_process), where there is no process to end, the function
    /// goes on in the background.)
    ///
    /// ```
    /// use std::time::Duration;
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view().run_limit(Duration::from_secs(20));
    /// assert_eq!(lview.map_sync(|x: u32| x * x, 0..3, 1)?, [0, 1, 4]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn run_limit(mut self, limit: Duration) -> Self {
        self.options.run_limit = Some(limit);
        self
    }

    /// A job of which no engine has begun anything for so long ends with [`Error::QueueLimit`]. Once something of it has been begun, it
    /// waits for as long as it takes.
    ///
    /// ```
    /// use std::time::Duration;
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view().queue_limit(Duration::from_secs(20));
    /// assert_eq!(lview.apply(|x: u32| x + 1, (1,)).get()?, 2);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn queue_limit(mut self, limit: Duration) -> Self {
        self.options.queue_limit = Some(limit);
        self
    }

    /// Its jobs outlive this client: they go on when it ends, however it does, and their results are kept at the controller for
    /// [`Client::job`](crate::Client::job), from any program. [`wait_kept`](crate::JobHandle::wait_kept) says from when on that is sure. Results are kept in the
    /// controller's memory, within a bound of bytes and of age; the oldest are dropped first, and whoever comes for them then is told.
    ///
    /// (A cluster of [`Client::local`](crate::Client::local) ends with its client, and whatever it keeps.)
    ///
    /// Without it a job is ended with its client, so that a program that is interrupted does not leave the cluster busy with what nobody waits for.
    /// What a kept job runs [`after`](Self::after) is therefore to be kept too: if that is ended with its client, the kept one can never be run.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let id = client.load_balanced_view().keep().map_async(|x: u32| x * x, 0..10, 5).id();
    /// assert_eq!(client.job::<u32>(&id)?.get()?[9], 81);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.options.kept = true;
        self
    }

    /// The same view with a value that goes along: functions get a reference to it as their first argument. It is encoded once
    /// per call and sent once per worker. What the view shall be (`retries`, `label`, …) is said before.
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let weights = vec![0.5, 0.25];
    /// let out = client
    ///     .load_balanced_view()
    ///     .with(weights)
    ///     .map_sync(|w: &Vec<f64>, (a, b): (f64, f64)| w[0] * a + w[1] * b, [(1.0, 2.0), (3.0, 4.0)], Auto)?;
    /// assert_eq!(out, [1.0, 2.5]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with<C: Value + Sync>(&self, value: C) -> LoadBalancedWith<C> {
        LoadBalancedWith { view: self.clone(), value: Arc::new(value) }
    }

    /// Calls as futures, in the manner of Python's `concurrent.futures`; see [`Executor`](crate::Executor).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let executor = client.load_balanced_view().executor();
    /// assert_eq!(executor.submit(|a: i64, b: i64| a * b, (5, 6)).get()?, 30);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn executor(&self) -> crate::Executor {
        crate::Executor::new(self.clone())
    }

    /// The same view with its maps' results going to a file as they come, and maps that were interrupted going on where they
    /// were; see [`ResumableView`](crate::ResumableView).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert_eq!(run.get()?[..4], [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "hdf5")]
    pub fn resumable(&self, path: impl AsRef<std::path::Path>) -> crate::ResumableView<Self> {
        crate::ResumableView::new(self.clone(), path.as_ref())
    }

    /// `f` of every item, in chunks of `chunksize` items ([`Auto`](crate::Auto) or a number). Returns at once.
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let out = client.load_balanced_view().map_async(|(a, b): (i64, i64)| a * b, [(5, 8), (6, 9)], Auto);
    /// for value in &out {
    ///     println!("{}", value?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<F, A, R>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> AsyncMapResult<R>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let spec = self.map_spec(worker::map::<F, A, R>(), items, chunksize.into());
        map_result::<A, R>(submit::<R>(&self.session, spec))
    }

    /// [`map_async`](Self::map_async), waited for.
    ///
    /// # Errors
    /// As [`AsyncMapResult::get`].
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// assert_eq!(client.load_balanced_view().map_sync(|x: i32| x + 1, 0..3, Auto)?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_sync<F, A, R>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> Result<Vec<R>>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        self.map_async(f, items, chunksize).get()
    }

    /// As [`map_async`](Self::map_async), for a function that can fail: an `Err` is a failure of its element, which `retries` tries
    /// again and `get` reports; the other elements keep their values.
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let lview = client.load_balanced_view().retries(1);
    /// let out = lview.try_map_async(|s: String| s.parse::<f64>(), ["1.5".to_owned(), "x".to_owned()], Auto);
    /// assert!(out.get().unwrap_err().to_string().contains("invalid float literal"));
    /// assert_eq!(out.results()[0], Ok(1.5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_map_async<F, A, R, E>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> AsyncMapResult<R>
    where
        F: Fn(A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let spec = self.map_spec(worker::try_map::<F, A, R, E>(), items, chunksize.into());
        map_result::<A, R>(submit::<R>(&self.session, spec))
    }

    /// `f` of every row of a two-dimensional array of numbers. Engines see rows as views of what arrived, without a copy.
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # use ndarray::Array2;
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let scenarios = Array2::<f64>::ones((5000, 3));
    /// let sums = client.load_balanced_view().map_rows(|row| row.sum(), &scenarios, 10).get()?;
    /// assert_eq!(sums[0], 3.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_rows<F, T, S, R>(
        &self,
        f: F,
        rows: &ArrayBase<S, Ix2>,
        chunksize: impl Into<Chunksize>,
    ) -> AsyncMapResult<R>
    where
        F: Fn(ArrayView1<'_, T>) -> R + Copy + 'static,
        T: Number + Value,
        S: Data<Elem = T>,
        R: Value,
    {
        let _ = f;
        let spec = self.rows_spec(worker::map_rows::<F, T, R>().map_err(Error::from), rows, chunksize.into());
        map_result::<Vec<T>, R>(submit::<R>(&self.session, spec))
    }

    pub(super) fn map_spec<A: Value>(
        &self,
        function: std::result::Result<Function, worker::BadEntry>,
        items: impl IntoIterator<Item = A>,
        chunksize: Chunksize,
    ) -> Result<JobSpec> {
        let plan = JobPlan::Balanced { chunksize: chunksize.to_wire()? };
        let (function, elements) = (function?, encoded(items)?);
        Ok(JobSpec { options: self.options.clone(), ..JobSpec::new(function, elements, Bytes::new(), plan) })
    }

    fn rows_spec<T: Number, S: Data<Elem = T>>(
        &self,
        function: Result<Function>,
        rows: &ArrayBase<S, Ix2>,
        chunksize: Chunksize,
    ) -> Result<JobSpec> {
        let mut elements = ElementsBuilder::with_capacity(rows.len() * size_of::<T>() / 8);
        for row in rows.rows() {
            elements.push_with(|out| match row.as_slice() {
                Some(numbers) => out.extend_from_slice(bytemuck::cast_slice(numbers)),
                None => row.iter().for_each(|x| out.extend_from_slice(bytemuck::bytes_of(x))),
            })?;
        }
        self.spec(function?, elements, Bytes::new(), chunksize)
    }

    pub(super) fn spec(
        &self,
        function: Function,
        elements: ElementsBuilder,
        context: Bytes,
        chunksize: Chunksize,
    ) -> Result<JobSpec> {
        let plan = JobPlan::Balanced { chunksize: chunksize.to_wire()? };
        Ok(JobSpec {
            options: self.options.clone(),
            ..JobSpec::new(function, elements.finish(), context, plan)
        })
    }
}
