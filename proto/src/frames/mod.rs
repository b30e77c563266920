//! The link between an engine daemon and one of its workers: length-prefixed binary frames over
//! a Unix socket pair.
//!
//! ```text
//! | u32 length of what follows | u8 kind | fixed fields | length-prefixed fields | data … |
//! ```
//!
//! All integers are little-endian. The last field, `data`, takes the rest of the frame and needs no
//! copy: a writer sends the head and the data one after the other ([`Frame::encode_head`]), a reader
//! slices it out of its buffer. Both sides check everything; a frame that does not parse is a
//! [`FrameError`], never a panic.

mod decode;
mod decoder;
mod encode;

use bytes::Bytes;
use thiserror::Error;

pub use decoder::FrameDecoder;

/// A message to or from a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Worker, first: it is there and speaks this protocol.
    Ready(Ready),
    /// Daemon, first: which engine this is.
    Welcome(Welcome),
    /// Daemon: a part of a job's context, ahead of its `Open`.
    OpenPart(Part),
    /// Daemon: a job whose runs will follow.
    Open(Open),
    /// Daemon: a part of a run's payload, ahead of its `Assign`.
    AssignPart(Part),
    /// Daemon: run these chunks.
    Assign(Assign),
    /// Daemon: hand back those of these chunks that have not been started, and say if there were others.
    Recall(Chunks),
    /// Daemon: hand back all of this job that has not been started.
    Cancel(u64),
    /// Daemon: the job has ended, forget it.
    Close(u64),
    /// Worker: a part of a large result, ahead of its `Report`.
    ReportPart(ReportPart),
    /// Worker: results.
    Report(Report),
    /// Worker: chunks handed back.
    Returned(Chunks),
    /// Worker: of these chunks, which were recalled, those that were not handed back have been begun.
    Begun(Chunks),
    /// Worker: chunks handed back because their job's condition is not met here.
    Refused(Chunks, String),
    /// Worker: what came of this chunk cannot be told, and why.
    Untold(Chunks, String),
    /// Worker: what user code wrote.
    Output(Output),
    /// A program that was started as a worker reached for a cluster before calling `phalanx::init()`.
    NotInitialised,
}

/// A worker's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// [`PROTOCOL_VERSION`](crate::version::PROTOCOL_VERSION) of the library inside the program.
    pub protocol: u32,
    /// Its process.
    pub pid: u32,
    /// Its version, for messages.
    pub version: String,
}

/// The daemon's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The engine this worker runs for.
    pub engine: u32,
    /// What became of the worker before this one, when there was one: it explains missing names.
    pub predecessor: String,
    /// The signal that ended that one; 0 when none did.
    pub signal: u32,
}

/// A part of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The job it belongs to.
    pub job: u64,
    /// Bytes of all parts together with the final frame's data.
    pub total: u64,
    /// This part.
    pub data: Bytes,
}

/// A job, as a worker needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its key.
    pub job: u64,
    /// The entry point's offset from the anchor.
    pub entry: i64,
    /// The function's name, for people.
    pub label: String,
    /// How many targets a direct job has; 0 for balanced ones.
    pub ranks: u32,
    /// The offset of a function that says whether the job may run here.
    pub condition: Option<i64>,
    /// The value given by `with`, encoded: its last part.
    pub context: Bytes,
}

/// A run of chunks with the payload of their elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assign {
    /// Which chunks.
    pub chunks: Chunks,
    /// First element of the first chunk, among the job's.
    pub element_first: u64,
    /// Elements per chunk.
    pub chunk_len: u32,
    /// Bytes per element, when `lens` is empty.
    pub stride: u32,
    /// u32 per element, when they differ.
    pub lens: Bytes,
    /// When not empty: u32 offsets of the elements of the (single) chunk that are to be run.
    pub only: Bytes,
    /// It is run before what waits, and between two elements of what runs.
    pub urgent: bool,
    /// The payload: its last part.
    pub data: Bytes,
}

/// Neighbouring chunks of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    /// The job.
    pub job: u64,
    /// Index of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// Which attempt.
    pub attempt: u32,
}

/// A part of a large result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPart {
    /// The chunk (a `count` of 1).
    pub chunks: Chunks,
    /// Bytes of all parts together with the report's data.
    pub total: u64,
    /// This part.
    pub data: Bytes,
}

/// What user code wrote to its standard output or error, ahead of the report of its chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What ran meanwhile; nothing, when it was written between two calls.
    pub during: Option<During>,
    /// Standard error, not standard output.
    pub is_stderr: bool,
    /// Bytes that were written just before `data` and are not sent.
    pub dropped: u64,
    /// What was written.
    pub data: Bytes,
}

/// The chunks that ran while something was written: by one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct During {
    /// Which chunks.
    pub chunks: Chunks,
    /// First element of the first chunk.
    pub element_first: u64,
    /// Elements per chunk.
    pub chunk_len: u32,
}

/// Results of neighbouring chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which chunks.
    pub chunks: Chunks,
    /// First element of the first chunk.
    pub element_first: u64,
    /// Elements per chunk.
    pub chunk_len: u32,
    /// Nanoseconds spent in all these chunks.
    pub busy_ns: u64,
    /// Bytes per value, when `lens` is empty.
    pub stride: u32,
    /// Bytes of `data` that went ahead in parts.
    pub data_before: u64,
    /// Per chunk: started and completed; see [`timings`](crate::timings).
    pub timings: Bytes,
    /// u32 per element run.
    pub lens: Bytes,
    /// There are too many of those: they come behind the values, in `data`.
    pub lens_behind: bool,
    /// As in [`Assign::only`].
    pub only: Bytes,
    /// Elements whose function failed.
    pub failures: Vec<Failure>,
    /// The encoded values, end to end: the last part of them.
    pub data: Bytes,
}

/// An element whose function failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where in the run.
    pub offset: u32,
    /// The kind, as `FailureKind` of the gRPC messages numbers them.
    pub kind: u8,
    /// What it said.
    pub message: String,
    /// Where it happened: `file:line:column`.
    pub location: String,
    /// The backtrace, if there is one.
    pub backtrace: String,
}

/// A frame that does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX).
    #[error("a frame of {0} bytes is over the limit")]
    TooLong(usize),
    /// Ends within a field.
    #[error("a frame ends within a field")]
    Truncated,
    /// A kind that does not exist.
    #[error("there is no frame of kind {0}")]
    UnknownKind(u8),
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotText,
    /// Numbers that contradict each other.
    #[error("a frame's {0} contradict each other")]
    Inconsistent(&'static str),
}

const READY: u8 = 1;
const WELCOME: u8 = 2;
const OPEN_PART: u8 = 3;
const OPEN: u8 = 4;
const ASSIGN_PART: u8 = 5;
const ASSIGN: u8 = 6;
const RECALL: u8 = 7;
const CANCEL: u8 = 8;
const CLOSE: u8 = 9;
const REPORT_PART: u8 = 10;
const REPORT: u8 = 11;
const RETURNED: u8 = 12;
const NOT_INITIALISED: u8 = 13;
const OUTPUT: u8 = 14;
const REFUSED: u8 = 15;
const BEGUN: u8 = 16;
const UNTOLD: u8 = 17;

#[cfg(test)]
mod tests;
