//! What can go wrong between ranks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// No text in an error is longer than this; what is beyond is cut off.
pub(crate) const MESSAGE_CHARS_MAX: usize = 2000;

/// Why a communicator's work ended.
///
/// A failure belongs to the whole communicator: whatever happened, and wherever, every rank's pending or next operation ends with an
/// equal error, and so does every operation after that. Ranks are those of the whole communicator, also when the operation was one of a
/// [`subgroup`](crate::Communicator::subgroup).
///
/// When several things fail at once, ranks agree on the smallest error: causes are listed before what usually follows from them.
///
/// ```
/// use phalanx_comm::{CommError, run_spmd};
/// let end = run_spmd("threads", 3, |comm| match comm.rank() {
///     2 => Err("no such file".to_owned()),
///     _ => comm.barrier().map_err(|e| e.to_string()),
/// });
/// assert_eq!(end, Err(CommError::Remote { rank: 2, message: "no such file".into() }));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Error)]
#[non_exhaustive]
pub enum CommError {
    /// An argument makes no sense on any number of ranks, or not on this one.
    #[error("rank {rank} called {call}: {message}")]
    Invalid {
        /// Who called.
        rank: usize,
        /// What it called.
        call: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// Two ranks do different things where all must do the same.
    #[error(
        "rank {other} calls {other_call} {place} where rank {rank} calls {call}; every rank must call the same \
         operations in the same order, with the same root and lengths"
    )]
    Mismatch {
        /// The lower of the two ranks.
        rank: usize,
        /// What it calls.
        call: String,
        /// The higher one.
        other: usize,
        /// What that one calls.
        other_call: String,
        /// Where in the program: "as its 5th collective".
        place: String,
    },
    /// A message is longer or shorter than the room for it.
    #[error(
        "rank {rank} sent {got_bytes} bytes to rank {to} in {call}, which expected {expected_bytes}; check the counts"
    )]
    Length {
        /// Who sent.
        rank: usize,
        /// To whom.
        to: usize,
        /// In which operation.
        call: String,
        /// Bytes for which there was room.
        expected_bytes: u64,
        /// Bytes that came.
        got_bytes: u64,
    },
    /// The program of a rank returned an error or panicked.
    #[error("rank {rank} failed: {message}")]
    Remote {
        /// Which one.
        rank: usize,
        /// What it said.
        message: String,
    },
    /// A value could not be turned into bytes, or back.
    #[error("rank {rank} in {call}: {message}")]
    Value {
        /// Where.
        rank: usize,
        /// In which operation.
        call: String,
        /// What the codec said.
        message: String,
    },
    /// Ranks wait for each other, in a circle: none of them would ever go on.
    #[error("ranks wait for each other: {circle}; change the order of sends and receives")]
    Deadlock {
        /// Who waits for whom.
        circle: String,
    },
    /// A rank sends and sends what the receiver does not want, and the one that it waits for is behind all that.
    #[error(
        "rank {rank} waits in {call} for a message of rank {from}, behind {held_bytes} bytes of others that it \
         never received; receive them, or send them later"
    )]
    Overflow {
        /// Who waits.
        rank: usize,
        /// In which operation.
        call: String,
        /// Whose messages.
        from: usize,
        /// How much it holds already.
        held_bytes: u64,
    },
    /// A rank finished its program while another one still waits for it.
    #[error("rank {rank} ended its program without taking part in {call}, which rank {waiting} called")]
    Ended {
        /// Who ended.
        rank: usize,
        /// Who waits.
        waiting: usize,
        /// In which operation.
        call: String,
    },
    /// Nothing came for as long as the program allowed.
    #[error("rank {rank} waited {seconds} s in {call} for {}; see Communicator::set_timeout", list(.missing))]
    TimedOut {
        /// Who waited.
        rank: usize,
        /// In which operation.
        call: String,
        /// For how long.
        seconds: u64,
        /// For whom.
        missing: Vec<usize>,
    },
    /// What a rank sent is no message of ours.
    #[error("rank {rank} sent what is no message: {message}; do all ranks run the same program?")]
    Protocol {
        /// Who sent it.
        rank: usize,
        /// What it was.
        message: String,
    },
    /// A rank's process is gone: it was killed, crashed, or its machine is out of reach.
    #[error("rank {rank} is lost: {message}")]
    PeerLost {
        /// Which one.
        rank: usize,
        /// How that was noticed.
        message: String,
    },
    /// The ranks could not be started, or did not find each other.
    #[error("{0}")]
    Start(String),
    /// A rank of this session is of another program, or of another number of ranks.
    #[error("{message}; start all ranks of a communicator with the same program and size")]
    OtherProgram {
        /// Which one.
        rank: usize,
        /// How it differs.
        message: String,
    },
    /// Ranks did not find each other in time.
    #[error("rank {rank} has no connection to {} after {seconds} s; {message}", list(.missing))]
    NotConnected {
        /// Who says so.
        rank: usize,
        /// To whom.
        missing: Vec<usize>,
        /// How long it waited.
        seconds: u64,
        /// What it saw meanwhile.
        message: String,
    },
    /// There is no runner of this name.
    #[error("there is no runner \"{name}\"; known are {}", .known.join(", "))]
    UnknownRunner {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The operation is over and done: the program called after its own end.
    #[error("the communicator was finished before")]
    Finished,
}

/// For people, as in every error: `main` prints what it returns in this way.
impl std::fmt::Debug for CommError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl CommError {
    /// A failed start, in words.
    pub fn start(message: impl std::fmt::Display) -> Self {
        Self::Start(clip(message))
    }

    /// A rank's streams have ended. Every rank must say the same, so the system's words, which depend on the moment, are left out.
    pub(crate) fn ended(rank: usize) -> Self {
        Self::PeerLost { rank, message: "its process ended, or the connection to it broke".to_owned() }
    }

    pub(crate) fn timed_out(rank: usize, call: String, waited: Duration, missing: Vec<usize>) -> Self {
        Self::TimedOut { rank, call, seconds: waited.as_secs(), missing }
    }
}

fn list(ranks: &[usize]) -> String {
    let ranks: Vec<_> = ranks.iter().map(|r| format!("rank {r}")).collect();
    if ranks.is_empty() { "nobody".to_owned() } else { ranks.join(", ") }
}

/// The text, cut to [`MESSAGE_CHARS_MAX`].
pub(crate) fn clip(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}
