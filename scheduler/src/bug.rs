//! Bugs that tests plant, to see that the simulator finds them. Not compiled into anything else.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Chunks of a lost engine or worker are not assigned again.
    ForgetsLostChunks,
    /// The attempt does not rise.
    KeepsAttempt,
    /// Chunks that were handed back count as held, and are assigned again as well.
    KeepsReturned,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ForgetsLostChunks, Self::KeepsAttempt, Self::KeepsReturned];

    pub(crate) fn attempt(self, attempt: u32) -> u32 {
        if self == Self::KeepsAttempt { 1 } else { attempt }
    }
}
