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
    /// mapped), and for each element the engine, the attempt, when it ran and how long; elements that failed are marked and
    /// keep their error. An existing file is never overwritten. Returns the file's path.
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
    let outcomes = result.results();
    let parameters = decoded::<A>(&result.job.spec.elements)?;
    let (records, info) = described(result);
    let outcomes = outcomes.iter().map(outcome);
    ResultFile::new(&info, outcomes, &records)
        .with_parameters(parameters.iter())
        .save(path, options)
        .map_err(|e| Error::Save(e.to_string()))
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
        program: crate::program::this_program().map(|p| hex(&p.hash)).unwrap_or_default(),
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
    for offset in (0..run.count()).map(|i| run.offset(i)) {
        if run.skip.binary_search(&offset).is_ok() {
            continue;
        }
        let chunk = offset / run.chunk_len;
        let (started_ns, completed_ns) = run.timing(chunk as usize);
        records[(run.element_first + u64::from(offset)) as usize] = ElementRecord {
            engine: run.engine,
            attempt: run.attempt,
            started_ns,
            completed_ns,
            chunk: run.first_chunk + u64::from(chunk),
        };
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
