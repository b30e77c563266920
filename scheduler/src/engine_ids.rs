//! Ids of engines: small, each granted once.

use phalanx_proto::ids::EngineId;

/// An id that a node wants is granted when it is at most this far above those in use; it bounds
/// the memory that a wish can cost.
const WANTED_AHEAD_MAX: u32 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Unused,
    Gone,
    Alive(u32),
}

/// All ids that were ever granted, and the slots of those whose engine is alive.
#[derive(Debug, Default)]
pub(crate) struct EngineIds {
    entries: Vec<Entry>,
    /// All ids below have been granted.
    lowest: u32,
}

impl EngineIds {
    /// The slot of an engine that is alive.
    pub(crate) fn slot(&self, id: EngineId) -> Option<u32> {
        match self.entries.get(id.0 as usize) {
            Some(Entry::Alive(slot)) => Some(*slot),
            _ => None,
        }
    }

    /// Whether the wish can be granted.
    pub(crate) fn is_free(&self, id: EngineId) -> bool {
        id.0 < self.lowest.saturating_add(WANTED_AHEAD_MAX)
            && self.entries.get(id.0 as usize).is_none_or(|entry| *entry == Entry::Unused)
    }

    /// The lowest id that was never granted.
    pub(crate) fn next(&mut self) -> EngineId {
        while self.entries.get(self.lowest as usize).is_some_and(|entry| *entry != Entry::Unused) {
            self.lowest += 1;
        }
        EngineId(self.lowest)
    }

    /// Grants a free id.
    pub(crate) fn grant(&mut self, id: EngineId, slot: u32) {
        debug_assert!(self.is_free(id));
        if self.entries.len() <= id.0 as usize {
            self.entries.resize(id.0 as usize + 1, Entry::Unused);
        }
        self.entries[id.0 as usize] = Entry::Alive(slot);
    }

    /// The engine is no more, and its id never comes back.
    pub(crate) fn retire(&mut self, id: EngineId) {
        self.entries[id.0 as usize] = Entry::Gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_granted_once() {
        let mut ids = EngineIds::default();
        assert!(ids.is_free(EngineId(5)));
        ids.grant(EngineId(5), 0);
        let granted: Vec<_> = (1..7)
            .map(|slot| {
                let id = ids.next();
                ids.grant(id, slot);
                id.0
            })
            .collect();
        assert_eq!(granted, [0, 1, 2, 3, 4, 6]);
        ids.retire(EngineId(5));
        assert!(!ids.is_free(EngineId(5)));
        assert_eq!((ids.slot(EngineId(5)), ids.slot(EngineId(6))), (None, Some(6)));
        assert!(!ids.is_free(EngineId(u32::MAX)), "a wish must not cost gigabytes");
    }
}
