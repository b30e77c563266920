//! Why a map has no results.

use std::fmt;

use crate::codec::CodecError;
use crate::error::{Error, RemoteError};

/// An error of a mapper.
///
/// `Debug` writes the same text as `Display`: it is what the user reads when `main` returns the error.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// `init` was given no function.
    #[error("the mapper has no function to map\n  Give one: mapper.init(Some(SegmentFunc::new(f)), Some(4))")]
    NoFunction,
    /// `init` was given no number of workers, or 0.
    #[error(
        "the mapper is not told how many workers to start\n  Give a number of 1 or more: mapper.init(Some(f), Some(4))"
    )]
    NoWorkers,
    /// There was no `init`, or a `cleanup` or a failed map since.
    #[error(
        "the mapper has no function and no workers at present\n  Call init first, and again after cleanup or a map that has failed"
    )]
    NotInitialised,
    /// The lists of arguments differ in length. Nothing was started.
    #[error(
        "the lists of arguments have {} elements; task i takes the i-th element of every list, so they must be of one length",
        lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
    )]
    UnequalLists {
        /// Their lengths, in order.
        lengths: Vec<usize>,
    },
    /// The arguments of a task cannot be sent. Nothing was started.
    #[error("the arguments of task {index} cannot be sent to a worker: {source}")]
    Encode {
        /// The task.
        index: usize,
        /// What is wrong with them.
        source: CodecError,
    },
    /// There are no such workers.
    #[error("the workers cannot be started: {0}")]
    Start(#[source] Error),
    /// A client has fewer engines than there are to be workers.
    #[error(
        "{wanted} workers are asked for, and the client has {there} engines\n  Ask for at most {there}, or start more engines (engine --profile NAME -n {})",
        wanted - there
    )]
    TooFewEngines {
        /// How many workers are asked for.
        wanted: usize,
        /// How many engines there are.
        there: usize,
    },
    /// A task has failed: its function panicked or returned an error. The others were cancelled.
    #[error("task {index} failed on worker {worker}: {}{AFTER}", told(source))]
    Task {
        /// The task: its place in the lists.
        index: usize,
        /// The worker that ran it.
        worker: usize,
        /// What it was.
        source: RemoteError,
    },
    /// A worker has failed: it could not make its resource, ended by itself, or its engine is gone. The tasks were cancelled.
    #[error("worker {worker} failed: {source}{AFTER}")]
    Worker {
        /// The worker.
        worker: usize,
        /// What became of it.
        source: Error,
    },
    /// A worker was ended by a signal. The tasks were cancelled.
    #[error("worker {worker} was ended by signal {signal}: {message}{AFTER}")]
    WorkerKilled {
        /// The worker.
        worker: usize,
        /// The signal: 9 is SIGKILL, which is also how a system without memory ends processes.
        signal: i32,
        /// What is known of it.
        message: String,
    },
}

/// What is to be done after a map that has failed.
const AFTER: &str = "\n  The rest was cancelled and the workers were let go; call init before the next map";

fn told(e: &RemoteError) -> String {
    let place = if e.location.is_empty() { String::new() } else { format!(" (at {})", e.location) };
    format!("{}: {}{place}", e.kind.as_str(), e.message)
}

impl fmt::Debug for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RemoteErrorKind;

    #[test]
    fn errors_say_what_happened_and_what_to_do() {
        let source = RemoteError {
            element: 1,
            engine: Some(2),
            attempt: 1,
            kind: RemoteErrorKind::Panic,
            message: "broken".to_owned(),
            location: "main.rs:3:5".to_owned(),
            backtrace: String::new(),
        };
        let text = format!("{:?}", MapError::Task { index: 1, worker: 0, source });
        assert!(text.starts_with("task 1 failed on worker 0: panic: broken (at main.rs:3:5)\n"), "{text}");
        assert!(text.ends_with("call init before the next map"), "{text}");
        let text = MapError::UnequalLists { lengths: vec![3, 2] }.to_string();
        assert!(text.starts_with("the lists of arguments have 3, 2 elements"), "{text}");
    }
}
