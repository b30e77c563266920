//! Work mappers: one function, told once, mapped over lists again and again; the interface that the simulation cycles of
//! [wepy](https://adicksonlab.github.io/wepy/) hand their segments to.
//!
//! ```
//! use phalanx::Client;
//! use phalanx::mapper::{Mapper, SegmentFunc, WorkMapper, WorkerMapper};
//!
//! fn cycle(mapper: &mut dyn WorkMapper<Vec<i64>, i64>) -> Result<(), Box<dyn std::error::Error>> {
//!     mapper.init(Some(SegmentFunc::new(|x: i64| x + 1)), Some(2))?;
//!     assert_eq!(mapper.map(vec![0, 1, 2])?, [1, 2, 3]);
//!     println!("{:?}", mapper.worker_segment_times());
//!     mapper.cleanup();
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! cycle(&mut Mapper::new())?; // one after the other, in this process
//! let client = Client::in_process(2)?;
//! cycle(&mut WorkerMapper::on(&client))?; // or WorkerMapper::new(), with processes of its own
//! # Ok(())
//! # }
//! ```
//!
//! | | where tasks run | what a worker keeps |
//! |---|---|---|
//! | [`Mapper`] | one after the other, in this process | its resource, from `init` to `cleanup` |
//! | [`WorkerMapper`] | on workers that stay: engines, each with one task at a time | the same, one per worker |
//! | [`TaskMapper`] | each in a process of its own, at most one per worker at a time | nothing: the resource is made for each task |
//!
//! - Task i gets the i-th element of every list. Results come in the order of the lists.
//! - A worker is named by its index, 0 to the number of workers, the same in every map; worker i's resource is what the factory made of i:
//!   see [`SegmentFunc::with_resource`].
//! - A task goes to whichever worker is free, the lowest first, and only when it is free: no task waits behind a long one, and none runs twice,
//!   for a task whose worker was lost is not tried again.
//! - The first task that fails ends its map. The others are cancelled, the workers are let go, and the mapper has to be told by
//!   [`init`](WorkMapper::init) to go on. See [`MapError`].
//!
//! How the parts meet: [`SegmentFunc`] is the function with its factory, as the places of their entry points; [`ArgumentLists`] makes tasks of
//! lists; `crew` gives the tasks to the engines of a session, as calls on each engine alone (a balanced job would
//! run the tasks of a worker that died again elsewhere, and could not leave out engines that are not the mapper's).

mod crew;
mod error;
mod lists;
mod segment_func;
mod serial;
mod tasks;
mod workers;

use std::collections::BTreeMap;

pub use error::MapError;
pub use lists::{ArgumentLists, Task};
pub use segment_func::SegmentFunc;
pub use serial::Mapper;
pub use tasks::TaskMapper;
pub use workers::WorkerMapper;

pub use crate::worker::ApplyWith;

/// For each worker, the seconds that each task took that it ran in the last map, in the order in which they were done.
pub type SegmentTimes = BTreeMap<usize, Vec<f64>>;

/// Maps a function over lists of arguments.
pub trait WorkMapper<L: ArgumentLists, R> {
    /// Takes the function, and starts workers where there are any. A mapper that was at work is cleaned up first.
    ///
    /// `num_workers` means nothing to [`Mapper`]. On the engines of a client it may be `None`: all of them.
    ///
    /// # Errors
    /// [`MapError::NoFunction`], [`MapError::NoWorkers`]; [`MapError::Start`] when there are no such workers; and
    /// [`MapError::Worker`] or [`MapError::WorkerKilled`] when one cannot make its resource.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper: Mapper<(Vec<f64>, Vec<f64>), f64> = Mapper::new();
    /// assert!(matches!(mapper.init(None, None), Err(MapError::NoFunction)));
    /// mapper.init(Some(SegmentFunc::new(|x: f64, y: f64| x * y)), None)?;
    /// # Ok::<(), MapError>(())
    /// ```
    fn init(
        &mut self,
        segment_func: Option<SegmentFunc<L::Task, R>>,
        num_workers: Option<usize>,
    ) -> Result<(), MapError>;

    /// The function of every i-th elements: the results, in the order of the lists.
    ///
    /// # Errors
    /// [`MapError::UnequalLists`], [`MapError::Encode`] or [`MapError::NotInitialised`] before anything has started;
    /// else [`MapError::Task`], [`MapError::Worker`] or [`MapError::WorkerKilled`], after which workers are gone and `init` is needed.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::new(|x: f64, y: f64| x * y)), None)?;
    /// assert_eq!(mapper.map((vec![1.0, 2.0], vec![3.0, 4.0]))?, [3.0, 8.0]);
    /// assert!(matches!(mapper.map((vec![1.0], vec![])), Err(MapError::UnequalLists { .. })));
    /// # Ok::<(), MapError>(())
    /// ```
    fn map(&mut self, lists: L) -> Result<Vec<R>, MapError>;

    /// Lets the workers and their resources go. It may be called at any time, and is when the mapper is dropped.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::new(|x: u8| x)), None)?;
    /// mapper.cleanup();
    /// assert!(matches!(mapper.map(vec![1]), Err(MapError::NotInitialised)));
    /// # Ok::<(), MapError>(())
    /// ```
    fn cleanup(&mut self);

    /// The function that was given to [`init`](Self::init), while the mapper is at work.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper: Mapper<Vec<u8>, u8> = Mapper::new();
    /// assert!(mapper.segment_func().is_none());
    /// mapper.init(Some(SegmentFunc::new(|x: u8| x)), None)?;
    /// assert!(mapper.segment_func().is_some());
    /// # Ok::<(), MapError>(())
    /// ```
    fn segment_func(&self) -> Option<SegmentFunc<L::Task, R>>;

    /// For each worker, the seconds that each task took that it ran in the last map only, in the order in which they were done: wall time
    /// around the call, inside the worker. After a map that has failed, those of the tasks that were done.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::new(|x: u8| x)), None)?;
    /// mapper.map(vec![1, 2, 3])?;
    /// mapper.map(vec![4, 5])?;
    /// assert_eq!(mapper.worker_segment_times()[&0].len(), 2);
    /// # Ok::<(), MapError>(())
    /// ```
    fn worker_segment_times(&self) -> &SegmentTimes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    fn increments(client: &Client) {
        let mut mapper = WorkerMapper::on(client);
        mapper.init(Some(SegmentFunc::new(|x: i64| x + 1)), Some(2)).unwrap();
        for n in [0, 1, 200] {
            let (list, wanted): (Vec<_>, Vec<_>) = (0..n).map(|x| (x, x + 1)).unzip();
            assert_eq!(mapper.map(list).unwrap(), wanted);
        }
    }

    /// Where a thread cannot run the connection: in a runtime, or beside another that does.
    #[test]
    fn maps_end_wherever_they_are_waited_for() {
        let client = Client::in_process(2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { increments(&client) });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| increments(&client));
            }
        });
    }

    #[test]
    fn a_mapper_whose_client_is_closed_says_so() {
        let client = Client::in_process(1).unwrap();
        let mut mapper = WorkerMapper::on(&client);
        mapper.init(Some(SegmentFunc::new(|x: i64| x)), None).unwrap();
        drop(client);
        let error = mapper.map(vec![1]).unwrap_err();
        assert!(matches!(error, MapError::Worker { worker: 0, source: crate::Error::Closed }), "{error}");
    }
}
