//! Typed ids. Mixing two kinds does not compile:
//!
//! ```compile_fail
//! use phalanx_proto::ids::{EngineId, NodeId};
//! let engine: EngineId = NodeId(3);
//! ```

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id!(
    /// One slot of a node, as users see it: small, never reused within a controller's life.
    EngineId(u32)
);
id!(
    /// One engine daemon's session with the controller.
    NodeId(u64)
);
id!(
    /// One client's session with the controller.
    ClientId(u64)
);
id!(
    /// The controller's own number for a job, shorter than the [`JobId`] and used wherever chunks are named.
    JobKey(u64)
);
id!(
    /// Stands for a program's hash inside the controller, or for one job's processes when no other job may use them.
    ProgramKey(u64)
);

/// A job as its client named it (UUIDv7): submitting one id twice is submitting once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u128);

impl JobId {
    /// The id from its 16 bytes on the wire.
    ///
    /// # Errors
    /// `None` when there are not exactly 16.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }

    /// The 16 bytes that go on the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    /// As it is displayed; other usual ways to write a UUID will do.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        uuid::Uuid::parse_str(text).map(|id| Self(id.as_u128()))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One chunk of one job. Chunks are numbered from 0 in the order of their elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId {
    /// The job it belongs to.
    pub job: JobKey,
    /// Its place among the job's chunks.
    pub index: u64,
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk {} of job {}", self.index, self.job)
    }
}

/// Neighbouring chunks of one job that have the same length and the same attempt: the unit in
/// which work is assigned, recalled and reported. Every chunk in it keeps its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The job.
    pub job: JobKey,
    /// Index of the first chunk.
    pub first: u64,
    /// How many chunks, at least one.
    pub count: u32,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The first element of the first chunk.
    pub element_first: u64,
    /// Elements in each chunk.
    pub chunk_len: u32,
}

impl Run {
    /// All elements of the run, as a range of the job's elements.
    #[must_use]
    pub fn elements(&self) -> std::ops::Range<u64> {
        let len = u64::from(self.count) * u64::from(self.chunk_len);
        self.element_first..self.element_first + len
    }

    /// The indices of its chunks.
    #[must_use]
    pub fn chunks(&self) -> std::ops::Range<u64> {
        self.first..self.first + u64::from(self.count)
    }
}
