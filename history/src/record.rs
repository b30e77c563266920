//! What a reader gets: a job, a run of chunks, and the words for how they ended.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A finished job, or one that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRecord {
    /// Its id, as `AsyncResult::id` gives it.
    pub id: String,
    /// The function's name, or what the view's `label` said.
    pub label: String,
    /// How it ended.
    pub state: JobState,
    /// The machine of the client that submitted it.
    pub client_host: String,
    /// That client's process there.
    pub client_pid: u32,
    /// Whether it was a call of a direct view.
    pub direct: bool,
    /// When it came to the controller: nanoseconds since 1970, by the controller's clock.
    pub submitted_ns: u64,
    /// When it ended; `None` while it is under way, and when the controller went away before.
    pub ended_ns: Option<u64>,
    /// How many elements it has.
    pub elements: u64,
    /// Elements that have a result.
    pub elements_done: u64,
    /// Elements that have failed for good.
    pub elements_failed: u64,
    /// Chunks that have come to an end, well or badly.
    pub chunks: u64,
    /// Attempts at chunks that were lost with an engine or its process, and made again elsewhere.
    pub attempts_lost: u64,
    /// Rows of its chunks that were removed again, the oldest first, because the history was full.
    pub rows_pruned: u64,
    /// Why the first of its failed elements failed; empty when none has.
    pub message: String,
}

impl JobRecord {
    /// When it came to the controller.
    #[must_use]
    pub fn submitted(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.submitted_ns)
    }

    /// When it ended, if that is known.
    #[must_use]
    pub fn ended(&self) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_nanos(self.ended_ns?))
    }

    /// From its submission to its end.
    #[must_use]
    pub fn wall_time(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.ended_ns?.saturating_sub(self.submitted_ns)))
    }
}

/// What an engine said, or failed to say, of one run of neighbouring chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChunkRecord {
    /// The job's id.
    pub job: String,
    /// The first chunk, counted from 0 in the order of the elements.
    pub chunk_first: u64,
    /// How many chunks.
    pub chunks: u32,
    /// The first element of the first chunk.
    pub element_first: u64,
    /// How many elements were run in this attempt.
    pub elements: u64,
    /// How many of them failed.
    pub elements_failed: u64,
    /// The engine that had them.
    pub engine: u32,
    /// Its machine.
    pub host: String,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// How it ended.
    pub status: ChunkStatus,
    /// When the first of the chunks began, by the engine's clock, in nanoseconds since 1970; `None` when the engine could not say.
    pub started_ns: Option<u64>,
    /// When the last of them was done; of those that were lost, when the controller heard of it.
    pub ended_ns: u64,
    /// What kind of failure, such as `panic` or `worker lost`; empty when there was none.
    pub kind: String,
    /// What was said of it: of the first failure, when there are several.
    pub message: String,
}

impl ChunkRecord {
    /// From the first chunk's beginning to the last one's end.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.ended_ns.saturating_sub(self.started_ns?)))
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it: in the file, on the command line, in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// Reads the word for it. The error names all there are.
            fn from_str(word: &str) -> Result<Self, String> {
                let known = Self::ALL.iter().find(|known| known.as_str() == word);
                known.copied().ok_or_else(|| {
                    let all: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    format!(concat!("{:?} is no ", $what, "; there are {}"), word, all.join(", "))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// How a job ended.
    JobState, "state of a job" {
        /// It is under way.
        Running = "running",
        /// Every element has a result.
        Completed = "completed",
        /// It ran to its end, and some of its elements have failed.
        Failed = "failed",
        /// It was aborted, or refused while it was being sent.
        Aborted = "aborted",
        /// It was not begun within its queue limit.
        Expired = "expired",
        /// What was left of it could never be run.
        Impossible = "impossible",
        /// Its client went away before it had ended.
        ClientLost = "client-lost",
        /// The controller ended before it had.
        Interrupted = "interrupted",
    }
}

words! {
    /// How an attempt at a run of chunks ended.
    ChunkStatus, "status of a chunk" {
        /// All its elements have results.
        Ok = "ok",
        /// Some elements failed for good.
        Failed = "failed",
        /// Some elements failed and were tried again.
        Retried = "retried",
        /// The engine or its process went away; the chunks were assigned again.
        Lost = "lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        let error = "finished".parse::<JobState>().unwrap_err();
        assert!(
            error.starts_with("\"finished\" is no state of a job; there are running, completed"),
            "{error}"
        );
    }
}
