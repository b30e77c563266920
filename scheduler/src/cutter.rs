//! How a job's elements become chunks.
//!
//! A chunk has an *index*, which everybody outside knows it by, and an *ordinal*, its place in the
//! order of cutting. They differ only where a job was submitted to do some of its chunks. Nothing is
//! kept for chunks that are not cut yet.

mod auto;
mod blocks;

use std::ops::Range;

pub(crate) use auto::AutoCutter;
pub(crate) use blocks::Blocks;

/// Neighbouring chunks of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The first chunk's place in the order of cutting.
    pub(crate) ordinal: u64,
    /// Its index.
    pub(crate) index: u64,
    pub(crate) element_first: u64,
    /// Elements in each chunk.
    pub(crate) len: u32,
    /// Chunks.
    pub(crate) count: u32,
}

/// Cuts a job's elements.
#[derive(Debug)]
pub(crate) enum Cutter {
    Blocks(Blocks),
    Auto(AutoCutter),
}

impl Cutter {
    /// The next chunks, at most `count`, of elements below `supplied`. `next` is the ordinal of the
    /// first; `len` the elements that an automatic chunk should have.
    pub(crate) fn cut(&mut self, next: u64, count: u32, len: u64, supplied: u64) -> Option<Piece> {
        match self {
            Self::Blocks(blocks) => blocks.cut(next, count, supplied),
            Self::Auto(auto) => auto.cut(next, count, len, supplied),
        }
    }

    /// Whether there is a chunk to be cut of elements below `supplied`.
    pub(crate) fn can_cut(&self, next: u64, supplied: u64) -> bool {
        match self {
            Self::Blocks(blocks) => blocks.supplied_from(next, 1, supplied) > 0,
            Self::Auto(auto) => auto.can_cut(supplied),
        }
    }

    /// Whether everything is cut.
    pub(crate) fn is_exhausted(&self, next: u64) -> bool {
        match self {
            Self::Blocks(blocks) => next >= blocks.total(),
            Self::Auto(auto) => auto.left() == 0,
        }
    }

    /// Chunks that are not cut yet, where an automatic chunk would have `len` elements.
    pub(crate) fn uncut(&self, next: u64, len: u64) -> u64 {
        match self {
            Self::Blocks(blocks) => blocks.total() - next,
            Self::Auto(auto) => auto.left().div_ceil(len.max(1)),
        }
    }

    /// Where chunks lie that have been cut: from `ordinal` on, at most `count` and as far as they are neighbours of equal length.
    pub(crate) fn piece(&self, ordinal: u64, count: u32) -> Piece {
        match self {
            Self::Blocks(blocks) => blocks.piece(ordinal, count),
            Self::Auto(auto) => auto.piece(ordinal, count),
        }
    }

    /// The ordinal of a chunk that exists or will, by its index.
    pub(crate) fn ordinal(&self, index: u64, cut: u64) -> Option<u64> {
        match self {
            Self::Blocks(blocks) => blocks.ordinal(index),
            Self::Auto(_) => (index < cut).then_some(index),
        }
    }

    /// How many chunks there will be, when that is known.
    pub(crate) fn total(&self, cut: u64) -> Option<u64> {
        match self {
            Self::Blocks(blocks) => Some(blocks.total()),
            Self::Auto(auto) => (auto.left() == 0).then_some(cut),
        }
    }

    /// Chunks below this ordinal are not asked for again.
    pub(crate) fn retire(&mut self, base: u64) {
        if let Self::Auto(auto) = self {
            auto.retire(base);
        }
    }
}

/// Why a list of elements to do is not one; `None` when it is.
pub(crate) fn fault_in(remaining: &[Range<u64>], elements: u64) -> Option<&'static str> {
    if remaining.iter().any(|r| r.is_empty()) {
        return Some("an empty range among the elements that remain");
    }
    if remaining.windows(2).any(|pair| pair[0].end > pair[1].start) {
        return Some("the ranges of elements that remain are not ascending");
    }
    (remaining.last()?.end > elements).then_some("elements remain that the job does not have")
}
