//! What a call returns at once: a result that will be there.

mod completed;
mod map;
mod per_engine;
mod single;

pub use completed::{AsCompleted, InOrder};
pub use map::AsyncMapResult;
pub use single::AsyncResult;

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, RemoteError, RemoteErrorKind, RemoteErrors, Result};
use crate::job::{Ended, Job, RunResult};

/// Every element's outcome, in order. The job has ended.
pub(crate) fn outcomes<R: DeserializeOwned + 'static>(job: &Job) -> Vec<std::result::Result<R, RemoteError>> {
    let n = usize::try_from(job.elements()).expect("the elements were in memory");
    let mut slots: Vec<Option<std::result::Result<R, RemoteError>>> = Vec::new();
    slots.resize_with(n, || None);
    let settled = job.settled();
    for run in &settled.runs {
        let done: std::result::Result<(), ()> = run.for_each(|element, outcome| {
            slots[element as usize] =
                Some(outcome.and_then(|bytes| decode(element, Some(run.engine), run.attempt, bytes)));
            Ok(())
        });
        debug_assert!(done.is_ok());
    }
    for lost in &settled.lost {
        for &element in &lost.elements {
            slots[element as usize] = Some(Err(RemoteError { element, ..lost.error.clone() }));
        }
    }
    let never = |element: usize| RemoteError {
        element: element as u64,
        engine: None,
        attempt: 0,
        kind: RemoteErrorKind::Cancelled,
        message: match &settled.ended {
            Some(Ended::Failed(e)) => e.to_string(),
            _ => "it was never run".to_owned(),
        },
        location: String::new(),
        backtrace: String::new(),
    };
    slots.into_iter().enumerate().map(|(i, slot)| slot.unwrap_or_else(|| Err(never(i)))).collect()
}

/// All values in order, or why not. The job has ended.
pub(crate) fn values<R: DeserializeOwned + 'static>(job: &Job) -> Result<Vec<R>> {
    if let Some(Ended::Failed(e)) = job.lock().ended.clone() {
        return Err(e);
    }
    if let Some(values) = values_in_a_row(job)? {
        return Ok(values);
    }
    let mut errors = Vec::new();
    let mut values = Vec::new();
    for outcome in outcomes(job) {
        match outcome {
            Ok(value) => values.push(value),
            Err(e) => errors.push(e),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(RemoteErrors { errors, elements: job.elements() }.into()) }
}

/// The values of a job with one element per engine, joined as they arrived; `None` when that cannot be done without decoding
/// them, or something failed.
pub(crate) fn joined<T: 'static>(job: &Job) -> Option<std::result::Result<T, String>> {
    let settled = job.settled();
    let plain = |run: &Arc<RunResult>| run.count() == 1 && run.failures.is_empty() && run.skip.is_empty();
    let complete =
        matches!(settled.ended, Some(Ended::Completed)) && settled.runs.len() as u64 == job.elements();
    if !complete || !settled.runs.iter().all(plain) {
        return None;
    }
    let mut runs = settled.runs;
    runs.sort_unstable_by_key(|run| run.element_first);
    let values: Vec<_> = runs.iter().map(|run| run.parts()).collect();
    codec::join(&values)
}

/// The common case: nothing failed and nothing came twice, so that the runs laid end to end are the result.
fn values_in_a_row<R: DeserializeOwned + 'static>(job: &Job) -> Result<Option<Vec<R>>> {
    let settled = job.settled();
    let plain = |run: &Arc<RunResult>| run.only.is_empty() && run.failures.is_empty() && run.skip.is_empty();
    if !settled.lost.is_empty() || !settled.runs.iter().all(plain) {
        return Ok(None);
    }
    let mut runs = settled.runs;
    runs.sort_unstable_by_key(|run| run.element_first);
    let mut values = Vec::with_capacity(job.elements() as usize);
    for run in runs {
        run.for_each(|_, bytes| {
            let bytes =
                bytes.map_err(|e| Error::from(RemoteErrors { errors: vec![e], elements: job.elements() }))?;
            values.push(codec::decode(bytes)?);
            Ok::<(), Error>(())
        })?;
    }
    Ok(Some(values))
}

fn decode<R: DeserializeOwned + 'static>(
    element: u64,
    engine: Option<u32>,
    attempt: u32,
    bytes: &[u8],
) -> std::result::Result<R, RemoteError> {
    codec::decode(bytes).map_err(|e| RemoteError {
        element,
        engine,
        attempt,
        kind: RemoteErrorKind::Codec,
        message: e.to_string(),
        location: String::new(),
        backtrace: String::new(),
    })
}
