//! A set of small numbers, as bits: with thousands of engines a tree would miss the cache at every level.

/// Slots, or ids, of engines. It takes a bit for each number up to the largest that it has had.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: u32,
}

impl Bits {
    #[inline]
    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = (number as usize / 64, number % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.len += u32::from(self.words[word] & (1 << bit) == 0);
        self.words[word] |= 1 << bit;
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut(number as usize / 64) {
            let bit = 1 << (number % 64);
            self.len -= u32::from(*word & bit != 0);
            *word &= !bit;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// All of them, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.iter_from(0)
    }

    /// Those that are no less than `first`, ascending.
    pub(crate) fn iter_from(&self, first: u32) -> impl Iterator<Item = u32> {
        let skipped = first / 64;
        let words = self.words.get(skipped as usize..).unwrap_or_default();
        words.iter().zip(skipped..).flat_map(move |(&word, at)| {
            let word = if at == skipped { word & (u64::MAX << (first % 64)) } else { word };
            let some = |word: u64| Some(word).filter(|word| *word != 0);
            let lowest_first = std::iter::successors(some(word), move |left| some(left & (left - 1)));
            lowest_first.map(move |left| at * 64 + left.trailing_zeros())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_in_order(steps in prop::collection::vec((0u32..300, any::<bool>()), 0..120), first in 0u32..400) {
            let (mut bits, mut model) = (Bits::default(), BTreeSet::new());
            for (number, is_in) in steps {
                if is_in {
                    bits.insert(number);
                    model.insert(number);
                } else {
                    bits.remove(number);
                    model.remove(&number);
                }
                prop_assert_eq!(bits.is_empty(), model.is_empty());
            }
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bits.iter_from(first).collect::<Vec<_>>(), model.range(first..).copied().collect::<Vec<_>>());
        }
    }
}
