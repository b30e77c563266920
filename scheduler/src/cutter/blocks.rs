//! Chunks by the block split: their number is known from the start.

use std::ops::Range;

use super::Piece;

/// A stretch of chunk indices that are to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    index: u64,
    ordinal: u64,
}

/// `chunks` blocks of `elements` elements: see [`phalanx_proto::block::block_range`].
#[derive(Debug)]
pub(crate) struct Blocks {
    /// divmod(elements, chunks)
    q: u64,
    r: u64,
    /// Ascending; the ordinals run through.
    todo: Vec<Stretch>,
    /// Chunks to be done.
    total: u64,
}

impl Blocks {
    /// All blocks, or those whose first element is in `remaining` if that is not empty. `chunks` is
    /// not zero, and `remaining` has been checked by [`fault_in`](super::fault_in).
    pub(crate) fn new(elements: u64, chunks: u64, remaining: &[Range<u64>]) -> Self {
        let mut blocks = Self { q: elements / chunks, r: elements % chunks, todo: Vec::new(), total: 0 };
        if remaining.is_empty() {
            blocks.push(0..chunks);
        }
        for range in remaining {
            let (start, end) = (blocks.first_at(range.start), blocks.first_at(range.end));
            blocks.push(start..end.min(chunks));
        }
        blocks
    }

    fn push(&mut self, indices: Range<u64>) {
        if indices.is_empty() {
            return;
        }
        let next = Stretch { index: indices.start, ordinal: self.total };
        let joins = |last: &Stretch| next.index - last.index == next.ordinal - last.ordinal;
        if !self.todo.last().is_some_and(joins) {
            self.todo.push(next);
        }
        self.total += indices.end - indices.start;
    }

    /// The first block that begins at this element or behind it.
    fn first_at(&self, element: u64) -> u64 {
        let long = self.r * (self.q + 1);
        if element <= long {
            element.div_ceil(self.q + 1)
        } else {
            self.r + (element - long).div_ceil(self.q.max(1))
        }
    }

    /// Chunks to be done.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The most elements that a chunk has.
    pub(crate) fn len_max(&self) -> u64 {
        self.q + u64::from(self.r > 0)
    }

    /// The first element of a block.
    fn start(&self, index: u64) -> u64 {
        index * self.q + index.min(self.r)
    }

    fn len(&self, index: u64) -> u64 {
        self.q + u64::from(index < self.r)
    }

    /// Index of a chunk, and how many ordinals from it on are neighbours.
    fn index(&self, ordinal: u64) -> (u64, u64) {
        let at = self.todo.partition_point(|s| s.ordinal <= ordinal) - 1;
        let stretch = self.todo[at];
        let end = self.todo.get(at + 1).map_or(self.total, |next| next.ordinal);
        (stretch.index + (ordinal - stretch.ordinal), end - ordinal)
    }

    pub(crate) fn ordinal(&self, index: u64) -> Option<u64> {
        let at = self.todo.partition_point(|s| s.index <= index).checked_sub(1)?;
        let stretch = self.todo[at];
        let ordinal = stretch.ordinal + (index - stretch.index);
        let end = self.todo.get(at + 1).map_or(self.total, |next| next.ordinal);
        (ordinal < end).then_some(ordinal)
    }

    pub(crate) fn piece(&self, ordinal: u64, count: u32) -> Piece {
        let (index, neighbours) = self.index(ordinal);
        let alike = if index < self.r { self.r - index } else { u64::MAX };
        let count = u64::from(count).min(neighbours).min(alike) as u32;
        Piece { ordinal, index, element_first: self.start(index), len: self.len(index) as u32, count }
    }

    /// How many chunks from `ordinal` on, at most `count` and in one piece, lie below `supplied`.
    pub(crate) fn supplied_from(&self, ordinal: u64, count: u32, supplied: u64) -> u32 {
        if ordinal >= self.total {
            return 0;
        }
        let piece = self.piece(ordinal, count);
        let end = piece.element_first + u64::from(piece.len) * u64::from(piece.count);
        if end <= supplied {
            return piece.count;
        }
        (supplied.saturating_sub(piece.element_first) / u64::from(piece.len)) as u32
    }

    pub(crate) fn cut(&mut self, next: u64, count: u32, supplied: u64) -> Option<Piece> {
        let count = self.supplied_from(next, count, supplied);
        (count > 0).then(|| Piece { count, ..self.piece(next, count) })
    }
}

#[cfg(test)]
mod tests {
    use phalanx_proto::block::block_range;
    use proptest::prelude::*;

    use super::*;

    fn cut_all(blocks: &mut Blocks, step: u32, elements: u64) -> Vec<(u64, Range<u64>)> {
        let mut chunks = Vec::new();
        let mut next = 0;
        while let Some(piece) = blocks.cut(next, step, elements) {
            assert_eq!(piece, blocks.piece(next, piece.count));
            for i in 0..u64::from(piece.count) {
                let first = piece.element_first + i * u64::from(piece.len);
                assert_eq!(blocks.ordinal(piece.index + i), Some(next + i));
                chunks.push((piece.index + i, first..first + u64::from(piece.len)));
            }
            next += u64::from(piece.count);
        }
        assert_eq!(next, blocks.total());
        chunks
    }

    #[test]
    fn a_chunk_is_to_do_when_its_first_element_remains() {
        // Blocks of ten elements by four: 0..4, 4..7, 7..10.
        let mut blocks = Blocks::new(10, 3, &[1..5, 9..10]);
        assert_eq!(cut_all(&mut blocks, 9, 10), [(1, 4..7)]);
        assert_eq!((blocks.ordinal(0), blocks.ordinal(2)), (None, None));
        assert_eq!(Blocks::new(10, 3, &[8..9, 9..10]).total(), 0);
    }

    #[test]
    fn only_what_is_supplied_is_cut() {
        let mut blocks = Blocks::new(10, 3, &[]);
        assert_eq!(blocks.cut(0, 5, 3), None);
        assert_eq!(blocks.cut(0, 5, 4).map(|p| p.count), Some(1));
        assert_eq!(blocks.cut(1, 5, 9).map(|p| p.count), Some(1));
        assert_eq!(blocks.cut(1, 5, 10).map(|p| p.count), Some(2));
    }

    proptest! {
        #[test]
        fn blocks_are_the_block_split(n in 1u64..500, parts in 1u64..500, step in 1u32..40) {
            let parts = parts.min(n);
            let cut = cut_all(&mut Blocks::new(n, parts, &[]), step, n);
            let expected: Vec<_> = (0..parts).map(|i| (i, block_range(n, parts, i))).collect();
            prop_assert_eq!(cut, expected);
        }

        #[test]
        fn remaining_picks_blocks_by_their_first_element(
            n in 1u64..300, parts in 1u64..100, step in 1u32..40, bounds in prop::collection::btree_set(0u64..300, 2..12),
        ) {
            let (parts, bounds) = (parts.min(n), bounds.into_iter().filter(|b| *b <= n).collect::<Vec<_>>());
            let remaining: Vec<_> = bounds.chunks_exact(2).map(|b| b[0]..b[1]).collect();
            prop_assume!(!remaining.is_empty());
            let cut = cut_all(&mut Blocks::new(n, parts, &remaining), step, n);
            let expected: Vec<_> = (0..parts)
                .map(|i| (i, block_range(n, parts, i)))
                .filter(|(_, block)| remaining.iter().any(|r| r.contains(&block.start)))
                .collect();
            prop_assert_eq!(cut, expected);
        }
    }
}
