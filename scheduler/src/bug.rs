//! Bugs that tests plant, to see that the simulator finds them. Outside of tests there is nothing to plant
//! them with, and the compiler removes the places where they would be.

use crate::scheduler::Scheduler;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Chunks of a lost engine or worker are not assigned again.
    ForgetsLostChunks,
    /// The attempt does not rise.
    KeepsAttempt,
    /// Chunks that were handed back count as held, and are assigned again as well.
    KeepsReturned,
    /// A late report counts, whatever its attempt.
    IgnoresAttempts,
    /// Engines are not told that a job was cancelled.
    CancelsSilently,
    /// Chunks are assigned before their elements are there.
    AssignsUnsupplied,
    /// Failed elements are tried again, however often they failed.
    RetriesForever,
    /// An element that ran for too long is tried again, however often it did.
    ForgivesOverruns,
    /// Jobs wait for ever.
    WaitsForEver,
    /// A job ends for having waited, though something of it was begun.
    ExpiresTheBegun,
    /// Every chunk may overtake what an engine holds.
    HurriesAlways,
    /// A job begins before what it waits for is over.
    BeginsTooEarly,
    /// A job whose engines are all gone waits on.
    WaitsInVain,
    /// Chunks go to any engine, whatever their job needs.
    IgnoresPlaces,
    /// Kept jobs are not assigned any more when their client is gone.
    ForgetsTheGone,
}

impl Scheduler {
    /// Whether the bug is planted.
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        #[cfg(any(test, feature = "sim"))]
        return self.bug == Some(bug);
        #[cfg(not(any(test, feature = "sim")))]
        {
            let _ = bug;
            false
        }
    }
}

#[cfg(any(test, feature = "sim"))]
impl Bug {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::ForgetsLostChunks,
        Self::KeepsAttempt,
        Self::KeepsReturned,
        Self::IgnoresAttempts,
        Self::CancelsSilently,
        Self::AssignsUnsupplied,
        Self::RetriesForever,
        Self::ForgivesOverruns,
        Self::WaitsForEver,
        Self::ExpiresTheBegun,
        Self::HurriesAlways,
        Self::BeginsTooEarly,
        Self::WaitsInVain,
        Self::IgnoresPlaces,
        Self::ForgetsTheGone,
    ];
}
