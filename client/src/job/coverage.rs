//! Which elements of a job are settled.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint ranges that do not touch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage {
    ranges: BTreeMap<u64, u64>,
    covered: u64,
}

impl Coverage {
    /// How many are covered.
    pub(crate) fn covered(&self) -> u64 {
        self.covered
    }

    /// Whether one is covered.
    pub(crate) fn contains(&self, element: u64) -> bool {
        self.ranges.range(..=element).next_back().is_some_and(|(_, &end)| element < end)
    }

    /// Whether any of these is covered.
    pub(crate) fn intersects(&self, range: &Range<u64>) -> bool {
        self.ranges.range(..range.end).next_back().is_some_and(|(_, &end)| range.start < end)
    }

    /// Covers these, none of which may be covered: see [`intersects`](Self::intersects).
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        debug_assert!(!self.intersects(&range));
        if range.is_empty() {
            return;
        }
        self.covered += range.end - range.start;
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&before, &before_end)) = self.ranges.range(..start).next_back()
            && before_end == start
        {
            start = before;
        }
        if let Some(after_end) = self.ranges.remove(&end) {
            end = after_end;
        }
        self.ranges.insert(start, end);
    }

    /// What is not covered of `0..n`.
    pub(crate) fn gaps(&self, n: u64) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut next = 0;
        for (&start, &end) in &self.ranges {
            if next < start {
                gaps.push(next..start);
            }
            next = end;
        }
        if next < n {
            gaps.push(next..n);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(cuts in proptest::collection::vec((0u64..60, 1u64..8), 0..30)) {
            let mut coverage = Coverage::default();
            let mut model = [false; 80];
            for (start, len) in cuts {
                let range = start..start + len;
                let hit = model[start as usize..(start + len) as usize].iter().any(|x| *x);
                prop_assert_eq!(coverage.intersects(&range), hit);
                if !hit {
                    coverage.insert(range);
                    model[start as usize..(start + len) as usize].fill(true);
                }
            }
            prop_assert_eq!(coverage.covered(), model.iter().filter(|x| **x).count() as u64);
            for gap in coverage.gaps(80) {
                for i in gap {
                    prop_assert!(!model[i as usize]);
                    model[i as usize] = true;
                }
            }
            prop_assert!((0..80).all(|i| model[i as usize]));
        }
    }
}
