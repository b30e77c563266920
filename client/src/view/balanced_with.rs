//! A load-balanced view with a value that goes along.

use std::sync::Arc;

use super::balanced::LoadBalancedView;
use super::chunksize::Chunksize;
use super::{context, map_result_with, submit};
use crate::codec::Value;
use crate::error::Result;
use crate::job::JobSpec;
use crate::result::AsyncMapResult;
use crate::worker;

/// A [`LoadBalancedView`] with a value that goes along; see [`LoadBalancedView::with`].
#[derive(Clone)]
pub struct LoadBalancedWith<C> {
    pub(crate) view: LoadBalancedView,
    pub(crate) value: Arc<C>,
}

impl<C: Value + Sync> LoadBalancedWith<C> {
    /// As [`LoadBalancedView::keep`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let id = client.load_balanced_view().with(3).keep().map_async(|k: &i32, x: i32| k * x, 0..4, 1).id();
    /// assert_eq!(client.job::<i32>(&id)?.get()?, [0, 3, 6, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.view = self.view.keep();
        self
    }

    /// As [`LoadBalancedView::resumable`].
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("products.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().with(3).resumable(&path).map_async(|k: &i32, x: i32| k * x, 0..4, 1)?;
    /// assert_eq!(run.get()?, [0, 3, 6, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "hdf5")]
    pub fn resumable(&self, path: impl AsRef<std::path::Path>) -> crate::ResumableView<Self> {
        let view = Self { view: self.view.clone(), value: Arc::clone(&self.value) };
        crate::ResumableView::new(view, path.as_ref())
    }

    /// `f(&value, item)` of every item; otherwise as [`LoadBalancedView::map_async`].
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let out = client.load_balanced_view().with(3).map_async(|k: &i32, x: i32| k * x, 0..4, Auto);
    /// assert_eq!(out.get()?, [0, 3, 6, 9]);
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
        F: Fn(&C, A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let spec = self.view.map_spec(worker::map_with::<F, C, A, R>(), items, chunksize.into());
        map_result_with::<C, A, R>(submit::<R>(&self.view.session, self.along(spec)))
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
    /// let out = client.load_balanced_view().with(3).map_sync(|k: &i32, x: i32| k * x, 0..4, Auto)?;
    /// assert_eq!(out, [0, 3, 6, 9]);
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
        F: Fn(&C, A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        self.map_async(f, items, chunksize).get()
    }

    /// As [`map_async`](Self::map_async), for a function that can fail; see [`LoadBalancedView::try_map_async`].
    ///
    /// ```
    /// # use phalanx::{Auto, Client};
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// let least = client.load_balanced_view().with(2);
    /// let out = least.try_map_async(|min: &i32, x: i32| if x < *min { Err("too small") } else { Ok(x) }, 0..4, Auto);
    /// assert_eq!(out.results().iter().filter(|r| r.is_ok()).count(), 2);
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
        F: Fn(&C, A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let spec = self.view.map_spec(worker::try_map_with::<F, C, A, R, E>(), items, chunksize.into());
        map_result_with::<C, A, R>(submit::<R>(&self.view.session, self.along(spec)))
    }

    fn along(&self, spec: Result<JobSpec>) -> Result<JobSpec> {
        let spec = spec?;
        Ok(JobSpec { context: context(&*self.value)?, ..spec })
    }
}
