//! Which engine has most to give back, without looking at all of them.
//!
//! Engines are kept in one list for each power of two of the work that could be recalled from them,
//! so moving one costs a few writes, and the heaviest (to within a factor of two) is found at once.

/// No engine, or no list.
const NONE: u32 = u32::MAX;
const LISTS: usize = 65;

#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
    list: u32,
}

/// Engines by the work that could be recalled from them.
#[derive(Debug)]
pub(crate) struct Load {
    links: Vec<Link>,
    heads: [u32; LISTS],
    /// Which lists are not empty; list 0 holds nothing and is never used.
    occupied: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self { links: Vec::new(), heads: [NONE; LISTS], occupied: 0 }
    }
}

impl Load {
    /// Notes that this much could be recalled from an engine.
    pub(crate) fn place(&mut self, engine: u32, work_ns: u64) {
        if self.links.len() <= engine as usize {
            self.links.resize(engine as usize + 1, Link { previous: NONE, next: NONE, list: 0 });
        }
        let list = u64::BITS - work_ns.leading_zeros();
        if self.links[engine as usize].list == list {
            return;
        }
        self.unlink(engine);
        if list == 0 {
            return;
        }
        let head = self.heads[list as usize];
        self.links[engine as usize] = Link { previous: NONE, next: head, list };
        if head != NONE {
            self.links[head as usize].previous = engine;
        }
        self.heads[list as usize] = engine;
        self.occupied |= 1 << (list - 1);
    }

    fn unlink(&mut self, engine: u32) {
        let Link { previous, next, list } = self.links[engine as usize];
        if list == 0 {
            return;
        }
        if previous == NONE {
            self.heads[list as usize] = next;
            if next == NONE {
                self.occupied &= !(1 << (list - 1));
            }
        } else {
            self.links[previous as usize].next = next;
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.links[engine as usize].list = 0;
    }

    /// Engines, the heaviest first.
    pub(crate) fn heaviest(&self) -> impl Iterator<Item = u32> {
        let mut left = self.occupied;
        let lists = std::iter::from_fn(move || {
            let list = u64::BITS - left.leading_zeros();
            left &= !(1u64.checked_shl(list.wrapping_sub(1)).unwrap_or(0));
            (list > 0).then_some(list)
        });
        lists.flat_map(|list| {
            let next = |engine: &u32| Some(self.links[*engine as usize].next).filter(|e| *e != NONE);
            std::iter::successors(Some(self.heads[list as usize]), next)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_heaviest_come_first(moves in prop::collection::vec((0u32..12, prop_oneof![Just(0), 1u64..40, Just(u64::MAX)]), 1..80)) {
            let mut load = Load::default();
            let mut model = BTreeMap::new();
            for (engine, work) in moves {
                load.place(engine, work);
                model.insert(engine, work);
                let found: Vec<_> = load.heaviest().collect();
                let magnitudes: Vec<_> = found.iter().map(|e| model[e].leading_zeros()).collect();
                prop_assert!(magnitudes.is_sorted());
                let mut sorted = found.clone();
                sorted.sort_unstable();
                let expected: Vec<_> = model.iter().filter(|(_, w)| **w > 0).map(|(e, _)| *e).collect();
                prop_assert_eq!(sorted, expected);
            }
        }
    }
}
