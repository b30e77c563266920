//! The result of a map: a value per element.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::completed::{AsCompleted, InOrder};
use super::{outcomes, values};
use crate::error::{Error, RemoteError, Result};
use crate::job::{JobHandle, Waiter};

/// The values of a map, in the order of its elements: there at once, filled later.
///
/// It dereferences to [`JobHandle`] for progress, timings and `abort`. Dropping it lets the map go on.
pub struct AsyncMapResult<R> {
    handle: JobHandle,
    waiter: Waiter,
    #[cfg(feature = "hdf5")]
    pub(crate) saver: crate::save::Saver<R>,
    values: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned + Send + 'static> AsyncMapResult<R> {
    #[cfg(feature = "hdf5")]
    pub(crate) fn new(handle: JobHandle, saver: crate::save::Saver<R>) -> Self {
        Self { handle, waiter: Waiter::default(), saver, values: PhantomData }
    }

    #[cfg(not(feature = "hdf5"))]
    pub(crate) fn new(handle: JobHandle) -> Self {
        Self { handle, waiter: Waiter::default(), values: PhantomData }
    }

    /// Waits for all values.
    ///
    /// # Errors
    /// [`Error::Remote`] with every element that failed; see [`results`](Self::results) for the values of the others.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert_eq!(out.get()?[..4], [0, 1, 4, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get(&self) -> Result<Vec<R>> {
        let _ = self.handle.wait(None);
        values(&self.handle.job)
    }

    /// Waits for all values, at most for `timeout`. The work goes on afterwards.
    ///
    /// # Errors
    /// [`Error::Timeout`], and as [`get`](Self::get).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert_eq!(out.get_timeout(std::time::Duration::from_secs(60))?.len(), 10);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<Vec<R>> {
        if !self.handle.wait(Some(timeout)) {
            return Err(Error::Timeout(timeout));
        }
        values(&self.handle.job)
    }

    /// Waits until the job has ended: every element's value or error. After an abort the elements that were
    /// not run have an error that says so.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// assert!(out.results().iter().all(Result::is_ok));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn results(&self) -> Vec<std::result::Result<R, RemoteError>> {
        let _ = self.handle.wait(None);
        outcomes(&self.handle.job)
    }

    /// The outcomes in order, each as soon as it is here.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// for value in out.iter() {
    ///     println!("{}", value?);
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> InOrder<R> {
        InOrder::new(self.handle.clone())
    }

    /// The outcomes with their indices, as they come.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// for (element, value) in out.as_completed() {
    ///     println!("{element}: {}", value?);
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn as_completed(&self) -> AsCompleted<R> {
        AsCompleted::new(self.handle.clone())
    }
}

impl<R: DeserializeOwned + Send + 'static> IntoIterator for &AsyncMapResult<R> {
    type Item = std::result::Result<R, RemoteError>;
    type IntoIter = InOrder<R>;

    fn into_iter(self) -> InOrder<R> {
        self.iter()
    }
}

impl<R> AsRef<JobHandle> for AsyncMapResult<R> {
    fn as_ref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<R> Deref for AsyncMapResult<R> {
    type Target = JobHandle;

    fn deref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<R> std::fmt::Debug for AsyncMapResult<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handle.fmt(f)
    }
}

/// As [`get`](AsyncMapResult::get). It may be awaited by reference, too; dropping it, or what awaits it, lets the map go on.
impl<R: DeserializeOwned + Send + 'static> Future for AsyncMapResult<R> {
    type Output = Result<Vec<R>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.waiter.poll(&this.handle, cx).map(|()| values(&this.handle.job))
    }
}
