//! Chunks of lengths that are found while the job runs.

use std::collections::VecDeque;
use std::ops::Range;

use super::Piece;

/// Neighbouring chunks of one length; they end where the next entry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    ordinal: u64,
    element_first: u64,
    len: u32,
}

/// Cuts from the front; remembers what was cut by runs of equal length.
#[derive(Debug)]
pub(crate) struct AutoCutter {
    /// Elements that are not cut yet, ascending.
    todo: VecDeque<Range<u64>>,
    left: u64,
    cuts: VecDeque<Cut>,
    /// The ordinal of the next chunk.
    next: u64,
}

impl AutoCutter {
    /// Of all elements, or those in `remaining` if that is not empty.
    pub(crate) fn new(elements: u64, remaining: Vec<Range<u64>>) -> Self {
        let todo = if remaining.is_empty() {
            std::iter::once(0..elements).collect()
        } else {
            VecDeque::from(remaining)
        };
        Self { left: todo.iter().map(|r| r.end - r.start).sum(), todo, cuts: VecDeque::new(), next: 0 }
    }

    /// Elements that are not cut yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The first element that is not cut yet.
    pub(crate) fn next_element(&self) -> Option<u64> {
        self.todo.front().map(|range| range.start)
    }

    pub(crate) fn can_cut(&self, supplied: u64) -> bool {
        self.next_element().is_some_and(|next| next < supplied)
    }

    pub(crate) fn cut(&mut self, next: u64, count: u32, len: u64, supplied: u64) -> Option<Piece> {
        debug_assert_eq!(next, self.next);
        let range = self.todo.front_mut()?;
        let available = range.end.min(supplied).checked_sub(range.start).filter(|n| *n > 0)?;
        let len = len.clamp(1, available).min(u64::from(u32::MAX));
        let count = (available / len).min(u64::from(count));
        let piece = Piece {
            ordinal: next,
            index: next,
            element_first: range.start,
            len: len as u32,
            count: count as u32,
        };
        range.start += len * count;
        self.left -= len * count;
        if range.is_empty() {
            self.todo.pop_front();
        }
        self.next += count;
        let joins = |last: &Cut| {
            last.len == piece.len && last.element_first + (next - last.ordinal) * len == piece.element_first
        };
        if !self.cuts.back().is_some_and(joins) {
            self.cuts.push_back(Cut { ordinal: next, element_first: piece.element_first, len: piece.len });
        }
        Some(piece)
    }

    pub(crate) fn piece(&self, ordinal: u64, count: u32) -> Piece {
        let at = self.cuts.partition_point(|cut| cut.ordinal <= ordinal) - 1;
        let cut = self.cuts[at];
        let end = self.cuts.get(at + 1).map_or(self.next, |next| next.ordinal);
        Piece {
            ordinal,
            index: ordinal,
            element_first: cut.element_first + (ordinal - cut.ordinal) * u64::from(cut.len),
            len: cut.len,
            count: u64::from(count).min(end - ordinal) as u32,
        }
    }

    pub(crate) fn retire(&mut self, base: u64) {
        while self.cuts.get(1).is_some_and(|next| next.ordinal <= base) {
            self.cuts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_element_is_in_one_chunk_and_found_again(
            bounds in prop::collection::btree_set(0u64..400, 2..10),
            lens in prop::collection::vec((1u64..30, 1u32..6), 1..20),
        ) {
            let bounds: Vec<_> = bounds.into_iter().collect();
            let todo: Vec<_> = bounds.chunks_exact(2).map(|b| b[0]..b[1]).collect();
            let mut cutter = AutoCutter::new(400, todo.clone());
            let (mut next, mut seen, mut pieces) = (0, Vec::new(), Vec::new());
            for (len, count) in lens.into_iter().cycle() {
                let Some(piece) = cutter.cut(next, count, len, 400) else { break };
                next += u64::from(piece.count);
                pieces.push(piece);
                seen.extend(piece.element_first..piece.element_first + u64::from(piece.len) * u64::from(piece.count));
            }
            prop_assert_eq!(seen, todo.into_iter().flatten().collect::<Vec<_>>());
            prop_assert_eq!(cutter.left(), 0);
            for piece in pieces {
                let found = cutter.piece(piece.ordinal, piece.count);
                prop_assert_eq!(found, piece);
                cutter.retire(piece.ordinal);
                prop_assert_eq!(cutter.piece(piece.ordinal, piece.count), piece);
            }
        }
    }

    #[test]
    fn only_what_is_supplied_is_cut() {
        let mut cutter = AutoCutter::new(10, Vec::new());
        assert!(!cutter.can_cut(0));
        assert_eq!(cutter.cut(0, 3, 4, 0), None);
        assert_eq!(cutter.cut(0, 3, 4, 6).map(|p| (p.len, p.count)), Some((4, 1)));
        assert_eq!(cutter.cut(1, 3, 4, 6).map(|p| (p.len, p.count)), Some((2, 1)));
    }
}
