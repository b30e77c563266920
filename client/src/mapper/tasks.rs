//! A process for every task.

use super::crew::{Crew, Place, encoded, found};
use super::lists::ArgumentLists;
use super::segment_func::SegmentFunc;
use super::{MapError, SegmentTimes, WorkMapper};
use crate::client::Client;
use crate::codec::Value;
use crate::worker;

/// Runs every task in a process of its own, which has done nothing before and ends with it: for code that leaks, or cannot be run twice.
/// There are never more processes than workers: the next one of a worker starts when the one before is gone.
///
/// A worker here is a place for one process at a time. It keeps nothing: a resource is made for each task, and its making is not counted in
/// the segment times.
///
/// ```no_run
/// use phalanx::mapper::{SegmentFunc, TaskMapper, WorkMapper};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     phalanx::init();
///     let mut mapper = TaskMapper::new();
///     mapper.init(Some(SegmentFunc::new(|_: i64| std::process::id())), Some(3))?;
///     println!("four processes, three at a time: {:?}", mapper.map(vec![0, 1, 2, 3])?);
///     Ok(())
/// }
/// ```
pub struct TaskMapper<L: ArgumentLists, R> {
    place: Place,
    at_work: Option<(SegmentFunc<L::Task, R>, Crew)>,
    times: SegmentTimes,
}

impl<L: ArgumentLists, R> TaskMapper<L, R> {
    /// A mapper on a cluster of its own, as [`Client::local`] starts it.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, SegmentFunc, TaskMapper, WorkMapper};
    /// let mut mapper: TaskMapper<Vec<i64>, i64> = TaskMapper::new();
    /// assert!(matches!(mapper.init(Some(SegmentFunc::new(|x: i64| x)), None), Err(MapError::NoWorkers)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::at(Place::Own)
    }

    /// A mapper whose workers are the first engines of a client, by their ids. What those keep is left alone: the tasks' processes are
    /// others.
    ///
    /// ```
    /// # use phalanx::mapper::{SegmentFunc, TaskMapper, WorkMapper};
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut mapper = TaskMapper::on(&client);
    /// mapper.init(Some(SegmentFunc::new(|x: i64, y: i64| x * y)), None)?;
    /// assert_eq!(mapper.map((vec![5, 6, 7], vec![8, 9, 10]))?, [40, 54, 70]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on(client: &Client) -> Self {
        Self::at(Place::on(client))
    }

    fn at(place: Place) -> Self {
        Self { place, at_work: None, times: SegmentTimes::new() }
    }
}

impl<L: ArgumentLists, R> Default for TaskMapper<L, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: ArgumentLists, R: Value> WorkMapper<L, R> for TaskMapper<L, R> {
    fn init(
        &mut self,
        segment_func: Option<SegmentFunc<L::Task, R>>,
        num_workers: Option<usize>,
    ) -> Result<(), MapError> {
        self.cleanup();
        let segment = segment_func.ok_or(MapError::NoFunction)?;
        found(segment.run_alone)?;
        let crew = Crew::hire(&self.place, num_workers)?;
        self.times = crew.no_times();
        self.at_work = Some((segment, crew));
        Ok(())
    }

    fn map(&mut self, lists: L) -> Result<Vec<R>, MapError> {
        let (segment, crew) = self.at_work.as_ref().ok_or(MapError::NotInitialised)?;
        let (function, tasks) = (found(segment.run_alone)?, encoded(lists)?);
        self.times = crew.no_times();
        let values = crew.map(function, tasks, worker::with_worker, &mut self.times);
        if values.is_err() {
            self.cleanup();
        }
        values
    }

    /// The cluster, if it is the mapper's own, ends here.
    fn cleanup(&mut self) {
        self.at_work = None;
    }

    fn segment_func(&self) -> Option<SegmentFunc<L::Task, R>> {
        self.at_work.as_ref().map(|(segment, _)| *segment)
    }

    fn worker_segment_times(&self) -> &SegmentTimes {
        &self.times
    }
}
