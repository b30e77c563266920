//! Saving the results of a map to HDF5.

use std::path::{Path, PathBuf};

use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo};
use serde::de::DeserializeOwned;

use crate::codec::{self, Elements, Slots, Value};
use crate::error::{Error, RemoteError, Result};
use crate::job::{Job, RunResult};
use crate::result::AsyncMapResult;

pub use phalanx_results::SaveOptions;

/// Writes a job's results: the elements' types are known where the job is made, not where it is saved.
pub(crate) type Saver<R> = fn(&AsyncMapResult<R>, &Path, &SaveOptions) -> Result<PathBuf>;

impl<R: Value> AsyncMapResult<R> {
    /// Waits until the map has ended and writes a file with its values, their parameters (the elements that were
    /// mapped, and the value given by `with`), and for each element the engine, the attempt, when it ran and how long; elements
    /// that failed are marked and keep their error. An existing file is never overwritten. Returns the file's path.
    ///
    /// ```no_run
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::local(2)?;
    /// let squares = client.load_balanced_view().map_async(|x: f64| x * x, vec![1.0, 2.0, 3.0], phalanx::Auto);
    /// squares.save("data/squares.h5")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Save`] says what stands in the way: an existing file, no room, no permission.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        self.save_with(path, &SaveOptions::default())
    }

    /// As [`save`](Self::save), with options: overwriting, compression.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<PathBuf> {
        (self.saver)(self, path.as_ref(), options)
    }
}

/// Writes values `R` of elements `A`.
pub(crate) fn saver<A: Value, R: Value>(
    result: &AsyncMapResult<R>,
    path: &Path,
    options: &SaveOptions,
) -> Result<PathBuf> {
    write::<A, R, ()>(result, None, path, options)
}

/// Writes values `R` of elements `A` that shared a `C`.
pub(crate) fn saver_with<C: Value, A: Value, R: Value>(
    result: &AsyncMapResult<R>,
    path: &Path,
    options: &SaveOptions,
) -> Result<PathBuf> {
    let shared: C = codec::decode(&result.job.spec.context)?;
    write::<A, R, C>(result, Some(&shared), path, options)
}

/// Writes values `R` of a job that was found by its id: its elements stayed with the client that submitted it.
pub(crate) fn saver_alone<R: Value>(
    result: &AsyncMapResult<R>,
    path: &Path,
    options: &SaveOptions,
) -> Result<PathBuf> {
    let outcomes = result.results();
    let (records, info) = described(result);
    // Which program has made them is not known here.
    let info = RunInfo { program: String::new(), ..info };
    let saved = ResultFile::new(&info, outcomes.iter().map(outcome), &records).save(path, options);
    saved.map_err(|e| Error::Save(e.to_string()))
}

fn write<A: Value, R: Value, C: Value>(
    result: &AsyncMapResult<R>,
    shared: Option<&C>,
    path: &Path,
    options: &SaveOptions,
) -> Result<PathBuf> {
    let outcomes = result.results();
    let parameters = decoded::<A>(&result.job.spec.elements)?;
    let (records, info) = described(result);
    let outcomes = outcomes.iter().map(outcome);
    let file = ResultFile::new(&info, outcomes, &records).with_parameters(parameters.iter());
    let saved = match shared {
        Some(shared) => file.with_context(shared).save(path, options),
        None => file.save(path, options),
    };
    saved.map_err(|e| Error::Save(e.to_string()))
}

fn outcome<R>(outcome: &std::result::Result<R, RemoteError>) -> ElementOutcome<'_, &R> {
    match outcome {
        Ok(value) => ElementOutcome::Value(value),
        Err(e) if e.attempt == 0 => ElementOutcome::Missing,
        Err(e) => ElementOutcome::Failed { kind: e.kind.as_str(), message: &e.message },
    }
}

fn decoded<A: DeserializeOwned + 'static>(elements: &Elements) -> Result<Vec<A>> {
    let lens = elements.lens.packed();
    let mut slots = Slots::new(elements.lens.stride(), &lens);
    (0..elements.lens.count()).map(|_| Ok(codec::decode(&elements.data[slots.next_range()])?)).collect()
}

/// Where and when each element ran, and what is known of the run as a whole.
fn described<R>(result: &AsyncMapResult<R>) -> (Vec<ElementRecord>, RunInfo) {
    let job: &Job = &result.job;
    let mut records = vec![ElementRecord::default(); job.elements() as usize];
    let mut info = RunInfo {
        job: result.id(),
        label: result.label().to_owned(),
        program: crate::program::this_program().map(|p| crate::program::hex(&p.hash)).unwrap_or_default(),
        submitted_ns: job.submitted_ns,
        wall_seconds: result.wall_time().as_secs_f64(),
        ..RunInfo::default()
    };
    let mut sizes = std::collections::BTreeMap::new();
    for chunk in result.chunks() {
        sizes.insert(chunk.index, chunk.elements);
        if let Some(host) = chunk.host {
            info.hosts.insert(chunk.engine, host);
        }
    }
    let state = job.lock();
    state.runs.iter().for_each(|run| record(run, &mut records));
    for lost in &state.lost {
        for &element in &lost.elements {
            let (engine, attempt) = (lost.error.engine.unwrap_or_default(), lost.error.attempt);
            records[element as usize] = ElementRecord { engine, attempt, ..ElementRecord::default() };
        }
    }
    info.received_ns = state.received_ns;
    info.chunk_sizes = sizes.into_values().collect();
    (records, info)
}

/// Notes who ran the elements that this report settles, and when: those that another attempt settles are that one's.
fn record(run: &RunResult, records: &mut [ElementRecord]) {
    let timings: Vec<_> = run.timings().collect();
    for offset in (0..run.count()).map(|i| run.offset(i)) {
        if run.skip.binary_search(&offset).is_ok() {
            continue;
        }
        let chunk = offset / run.chunk_len;
        let (started_ns, completed_ns) = timings[chunk as usize];
        records[(run.element_first + u64::from(offset)) as usize] = ElementRecord {
            engine: run.engine,
            attempt: run.attempt,
            started_ns,
            completed_ns,
            chunk: run.first_chunk + u64::from(chunk),
            ran_with: run.ran_together(),
        };
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use phalanx_proto::timings::Timings;
    use phalanx_proto::v1::{ElementFailure, Report};

    use super::*;
    use crate::codec::ElementsBuilder;
    use crate::job::{JobPlan, JobSpec};
    use crate::worker::Function;

    fn job_of_one_chunk(elements: u8) -> Job {
        let mut builder = ElementsBuilder::default();
        (0..elements).for_each(|x| builder.push(&x).unwrap());
        let spec = JobSpec {
            function: Function { entry: 0, label: "f", own_worker: false },
            elements: builder.finish(),
            context: Bytes::new(),
            plan: JobPlan::Balanced { chunksize: 4 },
            options: crate::job::JobOptions { retries: 1, ..Default::default() },
            numbers: None,
            result_type: "",
        };
        Job::new(1, spec)
    }

    /// A report of the whole chunk, each element with the engine's number as its value.
    fn report(engine: u8, attempt: u32, failed: &[u32], retrying: bool) -> Report {
        let times = (u64::from(engine) * 100, u64::from(engine) * 100 + 10);
        Report {
            engine: engine.into(),
            attempt,
            chunk_count: 1,
            chunk_len: 4,
            failures: failed.iter().map(|&offset| ElementFailure { offset, ..Default::default() }).collect(),
            retrying,
            timings: [times].into_iter().collect::<Timings>().into_bytes(),
            stride: 1,
            data: vec![engine; 4].into(),
            ..Default::default()
        }
    }

    /// A controller that is new does not know that three of four elements were settled, and has the chunk run again.
    #[test]
    fn elements_are_those_of_the_report_that_settled_them() {
        let job = job_of_one_chunk(4);
        assert!(job.on_report(report(1, 1, &[2], true)));
        assert!(job.on_report(report(2, 1, &[], false)));
        let mut records = vec![ElementRecord::default(); 4];
        let state = job.lock();
        state.runs.iter().for_each(|run| record(run, &mut records));
        let of: Vec<_> = records.iter().map(|r| (r.engine, r.started_ns, r.completed_ns)).collect();
        assert_eq!(of, [(1, 100, 110), (1, 100, 110), (2, 200, 210), (1, 100, 110)]);
        let mut values = vec![0; 4];
        for run in &state.runs {
            run.for_each(|element, value| {
                values[element as usize] = value.expect("it did not fail in the end")[0];
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        assert_eq!(values, [1, 1, 2, 1], "values and records tell the same");
        assert_eq!((state.failed, state.chunks_done), (0, 1));
    }
}
