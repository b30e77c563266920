//! The state of a job's chunks: sixteen bytes or fewer for each that has been cut and has not ended,
//! or lies behind one that has not.
//!
//! Chunks are found by their ordinal, the order in which they are cut. What has ended at the front
//! is forgotten, so that a long job does not grow with what it has done.

use std::collections::VecDeque;

use phalanx_proto::ids::EngineId;

/// Where a chunk stands. There is no way back from `Done` and `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkState {
    /// In the pool of chunks to be assigned again, or (direct) in its engine's queue.
    Waiting,
    /// On an engine.
    Assigned,
    /// Its last report was accepted.
    Done,
    /// It failed for good.
    Failed,
}

impl ChunkState {
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Who holds or held it last.
    pub(crate) owner: EngineId,
    /// Of the last assignment; 0 before the first. What was handed back unbegun is assigned with the same number.
    pub(crate) attempt: u32,
    /// Reports with failed elements so far.
    pub(crate) failures: u16,
    pub(crate) state: ChunkState,
}

impl Chunk {
    const FRESH: Self =
        Self { owner: EngineId(u32::MAX), attempt: 0, failures: 0, state: ChunkState::Waiting };
}

/// The chunks of a job, from the first that has not ended to the last that was cut.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    base: u64,
    chunks: VecDeque<Chunk>,
    /// Chunks that have been cut and have not ended.
    open: u64,
    assigned: u64,
}

impl Ledger {
    /// The first ordinal that is remembered.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// The ordinal of the next chunk to be cut.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.chunks.len() as u64
    }

    /// Chunks that were cut and have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.open
    }

    pub(crate) fn assigned(&self) -> u64 {
        self.assigned
    }

    /// A chunk that is remembered.
    pub(crate) fn get(&self, ordinal: u64) -> Option<&Chunk> {
        self.chunks.get(usize::try_from(ordinal.checked_sub(self.base)?).ok()?)
    }

    pub(crate) fn get_mut(&mut self, ordinal: u64) -> Option<&mut Chunk> {
        self.chunks.get_mut(usize::try_from(ordinal.checked_sub(self.base)?).ok()?)
    }

    /// Enters chunks that were just cut.
    pub(crate) fn extend(&mut self, count: u32) {
        self.chunks.extend(std::iter::repeat_n(Chunk::FRESH, count as usize));
        self.open += u64::from(count);
    }

    /// How many chunks from `first` on, at most `max`, wait and were assigned equally often.
    pub(crate) fn waiting_alike(&self, first: u64, max: u32) -> u32 {
        let start = self.place(first);
        let attempt = self.chunks[start].attempt;
        let alike = |c: &&Chunk| c.state == ChunkState::Waiting && c.attempt == attempt;
        self.chunks.range(start..).take(max as usize).take_while(alike).count() as u32
    }

    /// Waiting chunks go to an engine; their new attempt.
    pub(crate) fn assign(&mut self, first: u64, count: u32, owner: EngineId) -> u32 {
        let start = self.place(first);
        let attempt = self.chunks[start].attempt + 1;
        for chunk in self.chunks.range_mut(start..start + count as usize) {
            debug_assert_eq!((chunk.state, chunk.attempt + 1), (ChunkState::Waiting, attempt));
            *chunk = Chunk { owner, attempt, state: ChunkState::Assigned, ..*chunk };
        }
        self.assigned += u64::from(count);
        attempt
    }

    /// Assigned chunks wait again; if they may have `begun`, that was an attempt.
    pub(crate) fn release(&mut self, first: u64, count: u32, begun: bool) {
        let start = self.place(first);
        for chunk in self.chunks.range_mut(start..start + count as usize) {
            debug_assert_eq!(chunk.state, ChunkState::Assigned);
            chunk.state = ChunkState::Waiting;
            chunk.attempt -= u32::from(!begun);
        }
        self.assigned -= u64::from(count);
    }

    /// Chunks end.
    pub(crate) fn finish(&mut self, first: u64, count: u32, state: ChunkState) {
        debug_assert!(state.is_terminal());
        let start = self.place(first);
        let mut assigned = 0;
        for chunk in self.chunks.range_mut(start..start + count as usize) {
            debug_assert!(!chunk.state.is_terminal());
            assigned += u64::from(chunk.state == ChunkState::Assigned);
            chunk.state = state;
        }
        self.assigned -= assigned;
        self.open -= u64::from(count);
        let ended = self.chunks.iter().take_while(|c| c.state.is_terminal()).count();
        self.chunks.drain(..ended);
        self.base += ended as u64;
    }

    /// All chunks that are remembered, with their ordinals.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Chunk)> {
        (self.base..).zip(&self.chunks)
    }

    fn place(&self, ordinal: u64) -> usize {
        (ordinal - self.base) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_small() {
        assert!(size_of::<Chunk>() <= 16, "{}", size_of::<Chunk>());
    }

    #[test]
    fn what_has_ended_at_the_front_is_forgotten() {
        let mut ledger = Ledger::default();
        ledger.extend(10);
        assert_eq!(ledger.assign(0, 6, EngineId(1)), 1);
        ledger.finish(2, 2, ChunkState::Done);
        assert_eq!((ledger.base(), ledger.end(), ledger.open(), ledger.assigned()), (0, 10, 8, 4));
        ledger.finish(0, 2, ChunkState::Done);
        assert_eq!((ledger.base(), ledger.open(), ledger.assigned()), (4, 6, 2));
        assert_eq!(ledger.get(3), None);
        ledger.release(4, 1, true);
        assert_eq!(ledger.waiting_alike(4, 9), 1, "the next is assigned");
        assert_eq!(ledger.waiting_alike(6, 9), 4);
        assert_eq!(ledger.assign(4, 1, EngineId(2)), 2);
        ledger.release(4, 1, false);
        assert_eq!(ledger.assign(4, 1, EngineId(3)), 2, "it was not begun there");
    }
}
