//! What a mapper runs.

use std::any::Any;
use std::fmt;
use std::time::{Duration, Instant};

use super::lists::Task;
use crate::codec::Value;
use crate::worker::{
    self, Apply, ApplyWith, BadEntry, Fallible, FallibleWith, Fault, Function, Plain, Segment, With,
};

/// What a worker of this process keeps.
pub(super) type Resource = Box<dyn Any>;
/// A value, and the time that the function took for it.
pub(super) type Timed<R> = (R, Duration);

/// The function that a mapper maps, with the factory of its workers' resources if it has one: plain functions or closures that
/// capture nothing.
///
/// `T` is the tuple of its arguments, one to four of them, and `R` what it gives.
///
/// ```
/// use phalanx::mapper::SegmentFunc;
///
/// let one: SegmentFunc<(i64,), i64> = SegmentFunc::new(|x: i64| x + 1);
/// let two: SegmentFunc<(f64, i32), f64> = SegmentFunc::new(f64::powi);
/// ```
pub struct SegmentFunc<T, R> {
    pub(super) label: &'static str,
    pub(super) make: fn(usize) -> Result<Resource, Fault>,
    pub(super) run: fn(&mut dyn Any, T) -> Result<Timed<R>, Fault>,
    pub(super) prepare: Result<Function, BadEntry>,
    pub(super) run_kept: Result<Function, BadEntry>,
    pub(super) run_alone: Result<Function, BadEntry>,
}

impl<T: Task, R: Value> SegmentFunc<T, R> {
    /// A function. If it panics, its task has failed. A `Result` that it gives is a value; for errors see [`fallible`](Self::fallible).
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::new(|x: i64| 10 / x)), None)?;
    /// assert_eq!(mapper.map(vec![1, 2])?, [10, 5]);
    /// assert!(matches!(mapper.map(vec![1, 0]), Err(MapError::Task { index: 1, .. })));
    /// # Ok::<(), MapError>(())
    /// ```
    pub fn new<F>(f: F) -> Self
    where
        F: Apply<T, Output = R> + Copy + 'static,
    {
        Self::of(Plain::new(f))
    }

    /// A function whose errors are failures of its task.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::fallible(|s: String| s.parse::<f64>())), None)?;
    /// let error = mapper.map(vec!["1.5".to_owned(), "x".to_owned()]).unwrap_err();
    /// assert!(error.to_string().contains("invalid float literal"));
    /// # Ok::<(), MapError>(())
    /// ```
    pub fn fallible<F, E>(f: F) -> Self
    where
        F: Apply<T, Output = Result<R, E>> + Copy + 'static,
        E: fmt::Display,
    {
        Self::of(Fallible::new(f))
    }

    /// A function that uses its worker's resource: a device, an open file, a generator of random numbers. Each worker makes its own
    /// with `factory`, which gets the worker's index: once, or with [`TaskMapper`](super::TaskMapper) for each task. It never
    /// leaves the worker, and so may be of any type.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// struct Device { id: usize, segments: u32 }
    ///
    /// let segment = SegmentFunc::with_resource(
    ///     |worker| Device { id: worker, segments: 0 },
    ///     |device: &mut Device, x: f64| {
    ///         device.segments += 1;
    ///         (device.id, device.segments, x.sqrt())
    ///     },
    /// );
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(segment), None)?;
    /// assert_eq!(mapper.map(vec![4.0, 9.0])?, [(0, 1, 2.0), (0, 2, 3.0)]);
    /// # Ok::<(), MapError>(())
    /// ```
    pub fn with_resource<G, C, F>(factory: G, f: F) -> Self
    where
        G: Fn(usize) -> C + Copy + 'static,
        C: 'static,
        F: ApplyWith<C, T, Output = R> + Copy + 'static,
    {
        Self::of(With::new(factory, f))
    }

    /// As [`with_resource`](Self::with_resource), for a factory and a function that can fail. An error of the factory is its
    /// worker's, one of the function its task's.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let segment = SegmentFunc::fallible_with_resource(
    ///     |worker| if worker < 4 { Ok(worker) } else { Err(format!("there is no device {worker}")) },
    ///     |device: &mut usize, x: f64| if x < 0.0 { Err("negative") } else { Ok((*device, x.sqrt())) },
    /// );
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(segment), None)?;
    /// assert_eq!(mapper.map(vec![4.0])?, [(0, 2.0)]);
    /// # Ok::<(), MapError>(())
    /// ```
    pub fn fallible_with_resource<G, C, D, F, E>(factory: G, f: F) -> Self
    where
        G: Fn(usize) -> Result<C, D> + Copy + 'static,
        C: 'static,
        D: fmt::Display,
        F: ApplyWith<C, T, Output = Result<R, E>> + Copy + 'static,
        E: fmt::Display,
    {
        Self::of(FallibleWith::new(factory, f))
    }

    /// The function's name.
    ///
    /// ```
    /// # use phalanx::mapper::SegmentFunc;
    /// fn propagate(x: f64) -> f64 { x }
    /// assert!(SegmentFunc::new(propagate).label().ends_with("propagate"));
    /// ```
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label
    }

    fn of<S: Segment<T, Output = R>>(_: S) -> Self {
        Self {
            label: S::label(),
            make: |worker| Ok(Box::new(worker::summon::<S>().make(worker)?)),
            run: |resource, task| {
                let resource = resource.downcast_mut().expect("the resource is what `make` made");
                let started = Instant::now();
                let value = worker::summon::<S>().run(resource, task)?;
                Ok((value, started.elapsed()))
            },
            prepare: worker::prepare::<S, T>(),
            run_kept: worker::run_kept::<S, T>(),
            run_alone: worker::run_alone::<S, T>(),
        }
    }
}

impl<T, R> Clone for SegmentFunc<T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, R> Copy for SegmentFunc<T, R> {}

impl<T, R> fmt::Debug for SegmentFunc<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SegmentFunc").field(&self.label).finish()
    }
}
