//! The order of reductions; see the module above.

use std::ops::Range;

/// A rank's place in the tree of reductions: see the module above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It hands its values to the rank before it, and has no part in the rest.
    Out,
    /// It is one of the power of two that are left.
    In(usize),
}

/// The tree of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree {
    /// The ranks that are left: a power of two.
    pub(super) left: usize,
    /// The pairs at the beginning.
    pairs: usize,
}

impl Tree {
    pub(super) fn new(size: usize) -> Self {
        let left = 1 << size.ilog2();
        Self { left, pairs: size - left }
    }

    pub(super) fn place(self, rank: usize) -> Place {
        match rank {
            _ if rank >= 2 * self.pairs => Place::In(rank - self.pairs),
            _ if rank.is_multiple_of(2) => Place::In(rank / 2),
            _ => Place::Out,
        }
    }

    /// The rank at a place.
    pub(super) fn rank(self, index: usize) -> usize {
        if index < self.pairs { 2 * index } else { index + self.pairs }
    }

    /// Whether the one at this place takes the values of the rank after it.
    pub(super) fn has_pair(self, index: usize) -> bool {
        index < self.pairs
    }

    /// The steps: 1, 2, 4, …
    pub(super) fn steps(self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.left.ilog2()).map(|k| 1 << k)
    }

    /// The part of so many that the one at a place completes: each step halves it.
    pub(super) fn part(self, index: usize, len: usize) -> Range<usize> {
        self.steps().fold(0..len, |whole, step| {
            let middle = whole.start + whole.len() / 2;
            if index & step == 0 { whole.start..middle } else { middle..whole.end }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_has_its_place() {
        for size in 1..40 {
            let tree = Tree::new(size);
            let places: Vec<_> = (0..size).map(|rank| tree.place(rank)).collect();
            for index in 0..tree.left {
                assert_eq!(places[tree.rank(index)], Place::In(index));
            }
            assert_eq!(places.iter().filter(|p| **p == Place::Out).count(), size - tree.left);
        }
    }

    #[test]
    fn parts_cover_the_whole() {
        for (size, len) in [(1, 5), (2, 5), (4, 3), (8, 100), (13, 1001)] {
            let tree = Tree::new(size);
            let mut parts: Vec<_> = (0..tree.left).map(|i| tree.part(i, len)).collect();
            parts.sort_by_key(|r| (r.start, r.end));
            let covered = parts.iter().fold(0, |at, r| if r.start == at { r.end } else { usize::MAX });
            assert_eq!(covered, len, "{parts:?}");
        }
    }
}
