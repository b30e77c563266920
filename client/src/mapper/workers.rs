//! Workers that stay.

use super::crew::{Crew, Place, encoded, found};
use super::lists::ArgumentLists;
use super::segment_func::SegmentFunc;
use super::{MapError, SegmentTimes, WorkMapper};
use crate::client::Client;
use crate::codec::Value;
use crate::worker;

/// Runs tasks on workers that stay from [`init`](WorkMapper::init) to [`cleanup`](WorkMapper::cleanup), each with what it has made for itself.
///
/// ```no_run
/// use phalanx::mapper::{SegmentFunc, WorkMapper, WorkerMapper};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     phalanx::init();
///     let mut mapper = WorkerMapper::new();
///     mapper.init(Some(SegmentFunc::new(|x: i64| x + 1)), Some(3))?;
///     assert_eq!(mapper.map(vec![0, 1, 2])?, [1, 2, 3]);
///     Ok(())
/// }
/// ```
pub struct WorkerMapper<L: ArgumentLists, R> {
    place: Place,
    at_work: Option<(SegmentFunc<L::Task, R>, Crew)>,
    times: SegmentTimes,
}

impl<L: ArgumentLists, R> WorkerMapper<L, R> {
    /// A mapper that starts processes of its own, a cluster as [`Client::local`] does.
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, SegmentFunc, WorkMapper, WorkerMapper};
    /// let mut mapper: WorkerMapper<Vec<i64>, i64> = WorkerMapper::new();
    /// assert!(matches!(mapper.init(Some(SegmentFunc::new(|x: i64| x)), None), Err(MapError::NoWorkers)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::at(Place::Own)
    }

    /// A mapper whose workers are the first engines of a client, by their ids. Their names, and other work on them, are left alone; if a
    /// map fails while its tasks run, however, their workers are ended, as by any call that is aborted.
    ///
    /// ```
    /// # use phalanx::mapper::{SegmentFunc, WorkMapper, WorkerMapper};
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut mapper = WorkerMapper::on(&client);
    /// let segment = SegmentFunc::with_resource(|worker| worker, |device: &mut usize, x: i64| (*device, x + 1));
    /// mapper.init(Some(segment), None)?;
    /// let results = mapper.map(vec![0, 1, 2])?;
    /// assert_eq!((results[0].1, results[2].1), (1, 3));
    /// assert!(results.iter().all(|(device, _)| *device < 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn on(client: &Client) -> Self {
        Self::at(Place::on(client))
    }

    fn at(place: Place) -> Self {
        Self { place, at_work: None, times: SegmentTimes::new() }
    }

    fn end(&mut self) {
        if let Some((_, crew)) = self.at_work.take()
            && let Ok(release) = worker::release()
        {
            crew.release(release);
        }
    }
}

impl<L: ArgumentLists, R> Default for WorkerMapper<L, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: ArgumentLists, R> Drop for WorkerMapper<L, R> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<L: ArgumentLists, R: Value> WorkMapper<L, R> for WorkerMapper<L, R> {
    fn init(
        &mut self,
        segment_func: Option<SegmentFunc<L::Task, R>>,
        num_workers: Option<usize>,
    ) -> Result<(), MapError> {
        self.end();
        let segment = segment_func.ok_or(MapError::NoFunction)?;
        let prepare = found(segment.prepare)?;
        let crew = Crew::hire(&self.place, num_workers)?;
        self.times = crew.no_times();
        let prepared = crew.prepare(prepare);
        self.at_work = Some((segment, crew));
        if prepared.is_err() {
            self.end();
        }
        prepared
    }

    fn map(&mut self, lists: L) -> Result<Vec<R>, MapError> {
        let (segment, crew) = self.at_work.as_ref().ok_or(MapError::NotInitialised)?;
        let (function, tasks) = (found(segment.run_kept)?, encoded(lists)?);
        self.times = crew.no_times();
        let write = |_, task: &[u8], out: &mut Vec<u8>| out.extend_from_slice(task);
        let values = crew.map(function, tasks, write, &mut self.times);
        if values.is_err() {
            self.end();
        }
        values
    }

    fn cleanup(&mut self) {
        self.end();
    }

    fn segment_func(&self) -> Option<SegmentFunc<L::Task, R>> {
        self.at_work.as_ref().map(|(segment, _)| *segment)
    }

    fn worker_segment_times(&self) -> &SegmentTimes {
        &self.times
    }
}
