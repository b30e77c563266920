//! What a group has done: how ranks that disagree are found out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// How many operations back a rank remembers what it called.
const HISTORY_OPERATIONS: usize = 64;

/// The collectives of one group, on this rank.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    count: u64,
    last: VecDeque<Stamp>,
}

impl Ledger {
    /// The number of the next collective.
    pub(super) fn next(&self) -> u64 {
        self.count
    }

    /// A collective begins.
    pub(super) fn push(&mut self, stamp: Stamp) {
        if self.last.len() == HISTORY_OPERATIONS {
            self.last.pop_front();
        }
        self.last.push_back(stamp);
        self.count += 1;
    }

    /// What was called here after so many collectives, as far as it is remembered.
    pub(super) fn call_after(&self, count: u64) -> Option<String> {
        let back = usize::try_from(self.count.checked_sub(count)?).ok()?.min(self.last.len());
        self.last.get(self.last.len() - back).map(Stamp::call)
    }

    /// The first place, as far as both remember, where another rank called something else: what was called here, and there.
    pub(super) fn first_difference(&self, theirs: &Self) -> Option<(Stamp, Stamp)> {
        theirs.last.iter().find_map(|theirs| self.differs(theirs).map(|ours| (ours, *theirs)))
    }

    /// What was called here where another rank called this, if it is something else.
    pub(super) fn differs(&self, theirs: &Stamp) -> Option<Stamp> {
        let back = usize::try_from(self.count.checked_sub(theirs.seq)?).ok()?;
        let ours = self.last.get(self.last.len().checked_sub(back)?)?;
        (ours != theirs).then_some(*ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{ANY, NONE, Operation};

    fn stamp(seq: u64, count: u64) -> Stamp {
        Stamp { group: 0, seq, operation: Operation::Barrier, detail: 0, root: NONE, kind: 0, count }
    }

    #[test]
    fn only_what_is_remembered_can_differ() {
        let mut ledger = Ledger::default();
        for seq in 0..100 {
            assert_eq!(ledger.next(), seq);
            ledger.push(stamp(seq, ANY));
        }
        assert_eq!(ledger.differs(&stamp(99, ANY)), None);
        assert_eq!(ledger.differs(&stamp(99, 1)), Some(stamp(99, ANY)));
        assert_eq!(ledger.differs(&stamp(36, 1)), Some(stamp(36, ANY)));
        assert_eq!(ledger.differs(&stamp(35, 1)), None, "forgotten");
        assert_eq!(ledger.differs(&stamp(100, 1)), None, "not reached");

        let mut other = Ledger::default();
        (0..50).for_each(|seq| other.push(stamp(seq, if seq < 40 { ANY } else { seq })));
        assert_eq!(ledger.first_difference(&other), Some((stamp(40, ANY), stamp(40, 40))));
        assert_eq!(ledger.first_difference(&ledger.clone()), None);
    }
}
