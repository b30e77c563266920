//! What can go wrong, whose fault it is, and what to do.

mod remote;

use std::fmt;
use std::time::Duration;

use phalanx_proto::v1;
use thiserror::Error;

pub use remote::{RemoteError, RemoteErrorKind, RemoteErrors};

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this library.
///
/// `Debug` writes the same text as `Display`: it is what the user reads when `main` returns the error.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The profile, its connection file or the controller behind it cannot be used.
    #[error("{0}")]
    Connect(String),
    /// The controller refuses this client.
    #[error("the controller refuses this client: {0}")]
    Refused(String),
    /// The connection to the controller is gone and the call cannot be repeated elsewhere.
    #[error(
        "the connection to the controller was lost: {0}\n  Load-balanced jobs wait two minutes for it and go on; calls on a direct view end, for their namespaces are gone"
    )]
    ControllerLost(String),
    /// The client was closed while the call was under way.
    #[error("the client was closed before the call had ended")]
    Closed,
    /// `phalanx::init()` is missing.
    #[error(
        "this process was started as a worker, but its program did not call phalanx::init() first\n  Make `phalanx::init();` the first line of main"
    )]
    NotInitialised,
    /// A local cluster could not be started.
    #[error("a local cluster could not be started: {0}")]
    Local(String),
    /// There is no engine to call.
    #[error(
        "there are no engines\n  Start some (engine --profile NAME -n 4) and wait for them with client.wait_for_engines(n, timeout)"
    )]
    NoEngines,
    /// An engine that is asked for does not exist.
    #[error("engine {engine} does not exist; there {} {existing}", if existing.starts_with("engine ") { "is" } else { "are" })]
    UnknownEngine {
        /// The id asked for.
        engine: i64,
        /// Those that exist.
        existing: String,
    },
    /// A direct view names an engine twice.
    #[error("a direct view has each engine once, and engine {0} is named twice")]
    EngineTwice(u32),
    /// The engines waited for did not come.
    #[error("{there} of {wanted} engines are there after {waited:?}\n  Start more: engine --profile NAME -n {}", wanted - there)]
    TooFewEngines {
        /// How many were wanted.
        wanted: usize,
        /// How many there are.
        there: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// The controller does not take the job.
    #[error("the job was refused: {0}")]
    JobRefused(String),
    /// A chunk size that is none.
    #[error(
        "a chunk has at least one element: chunksize {0} is not possible; give a positive number or Auto"
    )]
    BadChunksize(i64),
    /// The function cannot be found again by a worker.
    #[error("{0}")]
    BadFunction(String),
    /// A value could not be sent or received.
    #[error(transparent)]
    Codec(#[from] crate::codec::CodecError),
    /// Elements failed.
    #[error(transparent)]
    Remote(#[from] RemoteErrors),
    /// It took too long; the work goes on.
    #[error("no result within {0:?}; the work goes on, ask again or abort()")]
    Timeout(Duration),
    /// The job was cancelled.
    #[error("the job was aborted")]
    Aborted,
    /// A result that is not made of one value per engine was asked for them by engine.
    #[error(
        "the result is not one value for each engine of a list, so it cannot be given by engine\n  Use get(), or a direct view of a list or range of engines"
    )]
    NotPerEngine,
    /// The executor was shut down before the call.
    #[error("the executor was shut down, and takes no new calls; make another with executor()")]
    ExecutorShutDown,
    /// The stream was cancelled.
    #[error("the stream was cancelled, and with it what was under way; nothing more comes of it")]
    StreamCancelled,
    /// The input of a stream panicked.
    #[error(
        "the iterator that a stream reads panicked, so the stream ends here: {0}\n  All elements before have been given"
    )]
    StreamInput(String),
    /// A bound under which a stream cannot move.
    #[error(
        "a stream needs room for at least one element: {0} is not possible; give a positive number, or leave it out"
    )]
    StreamBound(&'static str),
    /// What was wanted of engines was not done.
    #[error("the engines did not do what was wanted: {0}")]
    Control(String),
    /// A range of places in which there is no engine.
    #[error("no engine is in that range: {engines} are there, and places count from 0")]
    NoEngineInRange {
        /// How many there are.
        engines: usize,
    },
    /// The job was not begun within its queue limit.
    #[error(
        "nothing of the job was begun within its queue limit of {limit:?}, and it was given up: {why}
  Allow more with queue_limit, give it a higher priority, or start more engines; phalanx explain says of a waiting job what it waits for"
    )]
    QueueLimit {
        /// What it was given.
        limit: Duration,
        /// What it waited for.
        why: String,
    },
    /// The job can never be run.
    #[error("the job can never be run: {0}")]
    Impossible(String),
    /// A job that is to be waited for is not known.
    #[error(
        "{0}\n  Jobs can wait for jobs of the same client and for kept ones, as long as the controller remembers them"
    )]
    UnknownDependency(String),
    /// Something that no engine can have.
    #[error(
        "{0:?} is nothing that an engine can have\n  Give a tag's name (gpu), with its value (gpu=0) or a bound on it (memory>=64, load<=0.5)"
    )]
    BadNeed(String),
    /// The controller cannot answer what it was asked.
    #[error("{0}")]
    Question(String),
    /// The results of a job cannot be had by its id, or not purged.
    #[error("job {job}: {message}")]
    NotKept {
        /// The job's id.
        job: String,
        /// Why.
        why: NotKept,
        /// What happened, and what to do.
        message: String,
    },
    /// The values of a job are of another type.
    #[error(
        "the values of job {job} are of type {found}, not {wanted}\n  Ask for what it was made with: client.job::<{found}>(id)"
    )]
    WrongResultType {
        /// The job's id.
        job: String,
        /// What was asked for.
        wanted: String,
        /// What its client has submitted it with.
        found: String,
    },
    /// A text that is no job's id.
    #[error("{0:?} is no job's id; ids are what id() of a result gives, and client.jobs() lists")]
    BadJobId(String),
    /// The arrays of several engines do not fit together.
    #[error("the parts of {name:?} cannot be joined: {message}")]
    Gather {
        /// The name gathered.
        name: String,
        /// What does not fit.
        message: String,
    },
    /// The file of a run holds another run.
    #[error(
        "{} holds another run:\n  {}\n  Results of different runs do not belong in one file: name another file, or go back to what this one was made with",
        path.display(), differences.join("\n  ")
    )]
    AnotherRun {
        /// The file.
        path: std::path::PathBuf,
        /// What differs, the run in the file first.
        differences: Vec<String>,
    },
    /// Ranks that talk to each other; see [`comm`](crate::comm).
    #[error(transparent)]
    Comm(#[from] crate::comm::CommError),
    /// A simulation that cannot be run as it was asked for.
    #[error("{0}")]
    Simulation(String),
    /// What has become of jobs cannot be told.
    #[error("{0}")]
    History(String),
    /// Results could not be saved.
    #[error("{0}")]
    Save(String),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the results of a job cannot be had by its id; see [`Client::job`](crate::Client::job).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotKept {
    /// The controller knows of no such job.
    Unknown,
    /// It is under way, but its view was not [`keep`](crate::LoadBalancedView::keep).
    Unasked,
    /// They were dropped, to stay within a bound of the controller.
    Dropped,
    /// They were purged.
    Purged,
    /// The controller was restarted since.
    ControllerRestarted,
    /// The client left before all of the job was at the controller.
    Unsent,
    /// It is under way and cannot be purged.
    Unfinished,
    /// Something else, which the message says.
    Other,
}

impl NotKept {
    pub(crate) fn from_wire(why: v1::NotKept) -> Self {
        match why {
            v1::NotKept::Unknown => Self::Unknown,
            v1::NotKept::Unasked => Self::Unasked,
            v1::NotKept::Dropped => Self::Dropped,
            v1::NotKept::Purged => Self::Purged,
            v1::NotKept::Before => Self::ControllerRestarted,
            v1::NotKept::Unsent => Self::Unsent,
            v1::NotKept::Unfinished => Self::Unfinished,
            v1::NotKept::Unspecified | v1::NotKept::Type | v1::NotKept::Limit => Self::Other,
        }
    }
}

impl From<RemoteError> for Error {
    fn from(e: RemoteError) -> Self {
        Self::Remote(RemoteErrors { errors: vec![e], elements: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_main_returns_is_readable() {
        let error = Error::Save("a.h5 exists already".into());
        assert_eq!(format!("{error:?}"), "a.h5 exists already");
    }
}
