//! One task after the other, in this process: the reference.

use super::lists::ArgumentLists;
use super::segment_func::{Resource, SegmentFunc};
use super::{MapError, SegmentTimes, WorkMapper};
use crate::codec::Value;
use crate::error::{RemoteError, RemoteErrorKind};
use crate::worker::{Fault, guard, install_hook};

/// Runs one task after the other in this process, which is worker 0: for tests, for small systems, and to compare with.
///
/// A function that brings down its process brings down this one.
pub struct Mapper<L: ArgumentLists, R> {
    at_work: Option<AtWork<L::Task, R>>,
    times: SegmentTimes,
}

/// The function, and the resource of the only worker.
type AtWork<T, R> = (SegmentFunc<T, R>, Resource);

impl<L: ArgumentLists, R> Mapper<L, R> {
    /// A mapper that waits for [`init`](WorkMapper::init).
    ///
    /// ```
    /// # use phalanx::mapper::{MapError, Mapper, SegmentFunc, WorkMapper};
    /// let mut mapper = Mapper::new();
    /// mapper.init(Some(SegmentFunc::new(|x: i64| x + 1)), None)?;
    /// assert_eq!(mapper.map(vec![0, 1, 2])?, [1, 2, 3]);
    /// # Ok::<(), MapError>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { at_work: None, times: SegmentTimes::new() }
    }
}

impl<L: ArgumentLists, R> Default for Mapper<L, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: ArgumentLists, R: Value> WorkMapper<L, R> for Mapper<L, R> {
    fn init(
        &mut self,
        segment_func: Option<SegmentFunc<L::Task, R>>,
        _num_workers: Option<usize>,
    ) -> Result<(), MapError> {
        self.cleanup();
        let segment = segment_func.ok_or(MapError::NoFunction)?;
        install_hook();
        let resource = guard(|| (segment.make)(0));
        let resource =
            resource.map_err(|fault| MapError::Worker { worker: 0, source: remote(0, fault).into() })?;
        self.at_work = Some((segment, resource));
        self.times = SegmentTimes::from([(0, Vec::new())]);
        Ok(())
    }

    fn map(&mut self, lists: L) -> Result<Vec<R>, MapError> {
        let (segment, resource) = self.at_work.as_mut().ok_or(MapError::NotInitialised)?;
        let lengths = lists.lengths();
        if lengths.iter().any(|len| *len != lengths[0]) {
            return Err(MapError::UnequalLists { lengths });
        }
        let times = self.times.entry(0).or_default();
        times.clear();
        let mut values = Vec::with_capacity(lengths[0]);
        for (index, task) in lists.into_tasks().enumerate() {
            match guard(|| (segment.run)(resource.as_mut(), task)) {
                Ok((value, took)) => {
                    values.push(value);
                    times.push(took.as_secs_f64());
                }
                Err(fault) => {
                    self.cleanup();
                    return Err(MapError::Task { index, worker: 0, source: remote(index, fault) });
                }
            }
        }
        Ok(values)
    }

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

fn remote(index: usize, fault: Fault) -> RemoteError {
    let Fault { kind, message, location, backtrace } = fault;
    let kind = RemoteErrorKind::from_wire(kind as i32);
    RemoteError { element: index as u64, engine: None, attempt: 1, kind, message, location, backtrace }
}
