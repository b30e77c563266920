//! A direct view with a value that goes along.

use std::sync::Arc;

use super::direct::DirectView;
use super::shape::Shape;
use super::{context, map_result_with, submit};
use crate::codec::Value;
use crate::error::Result;
use crate::result::AsyncMapResult;
use crate::worker;

/// A [`DirectView`] with a value that goes along; see [`DirectView::with`].
#[derive(Clone)]
pub struct DirectWith<S: Shape, C> {
    view: DirectView<S>,
    value: Arc<C>,
}

impl<S: Shape, C: Value + Sync> DirectWith<S, C> {
    pub(super) fn new(view: DirectView<S>, value: C) -> Self {
        Self { view, value: Arc::new(value) }
    }

    /// As [`DirectView::keep`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let id = client.direct_view(..).with(10).keep().map_async(|k: &i32, x: i32| k * x, 0..4).id();
    /// assert_eq!(client.job::<i32>(&id)?.get()?, [0, 10, 20, 30]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.view = self.view.keep();
        self
    }

    /// `f(&value, item)` of every item; otherwise as [`DirectView::map_async`].
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.direct_view(..).with(2.0).map_async(|k: &f64, x: f64| k * x, [1.0, 2.0]);
    /// assert_eq!(out.get()?, [2.0, 4.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_async<F, A, R>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(&C, A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let spec = self.view.map_spec(worker::map_with::<F, C, A, R>(), items, || Ok(context(&*self.value)?));
        map_result_with::<C, A, R>(submit::<R>(&self.view.session, spec))
    }

    /// As [`map_async`](Self::map_async), for a function that can fail: an `Err` is a failure of its item; the others keep their values.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let less = |most: &i32, x: i32| if x < *most { Ok(x) } else { Err(format!("{x} is too much")) };
    /// let out = client.direct_view(..).with(2).try_map_async(less, 0..4);
    /// assert!(out.get().unwrap_err().to_string().contains("2 is too much"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_map_async<F, A, R, E>(&self, f: F, items: impl IntoIterator<Item = A>) -> AsyncMapResult<R>
    where
        F: Fn(&C, A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let function = worker::try_map_with::<F, C, A, R, E>();
        let spec = self.view.map_spec(function, items, || Ok(context(&*self.value)?));
        map_result_with::<C, A, R>(submit::<R>(&self.view.session, spec))
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
    /// assert_eq!(client.direct_view(..).with(2).map_sync(|k: &i32, x: i32| k + x, 0..2)?, [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map_sync<F, A, R>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>>
    where
        F: Fn(&C, A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        self.map_async(f, items).get()
    }
}
