//! The result of a call whose values belong together.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::{Job, JobHandle, Waiter};

type Assemble<T> = Arc<dyn Fn(&Job) -> Result<T> + Send + Sync>;

/// The result of `apply`, `execute`, `push`, `pull`, `scatter` or `gather`: there at once, filled later.
///
/// It dereferences to [`JobHandle`] for progress, timings and `abort`. Dropping it lets the call go on.
pub struct AsyncResult<T> {
    handle: JobHandle,
    waiter: Waiter,
    assemble: Assemble<T>,
    /// Each of its values is that of one engine.
    pub(crate) is_per_engine: bool,
}

impl<T> AsyncResult<T> {
    pub(crate) fn new(
        handle: JobHandle,
        assemble: impl Fn(&Job) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        Self { handle, waiter: Waiter::default(), assemble: Arc::new(assemble), is_per_engine: false }
    }

    /// Waits for the value.
    ///
    /// # Errors
    /// What went wrong: in the function ([`Error::Remote`]), on the way there or back.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.direct_view(0).apply(|a: i64, b: i64| a * b, (5, 6));
    /// assert_eq!(out.get()?, 30);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get(&self) -> Result<T> {
        let _ = self.handle.wait(None);
        (self.assemble)(&self.handle.job)
    }

    /// Waits for the value, at most for `timeout`. The work goes on afterwards.
    ///
    /// # Errors
    /// [`Error::Timeout`], and as [`get`](Self::get).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.direct_view(0).apply(|a: i64, b: i64| a * b, (5, 6));
    /// assert_eq!(out.get_timeout(std::time::Duration::from_secs(60))?, 30);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<T> {
        if !self.handle.wait(Some(timeout)) {
            return Err(Error::Timeout(timeout));
        }
        (self.assemble)(&self.handle.job)
    }
}

impl<T> Deref for AsyncResult<T> {
    type Target = JobHandle;

    fn deref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<T> AsRef<JobHandle> for AsyncResult<T> {
    fn as_ref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<T> std::fmt::Debug for AsyncResult<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.handle.fmt(f)
    }
}

/// As [`get`](AsyncResult::get). It may be awaited by reference, too; dropping it, or what awaits it, lets the call go on.
impl<T> Future for AsyncResult<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.waiter.poll(&this.handle, cx).map(|()| (this.assemble)(&this.handle.job))
    }
}
