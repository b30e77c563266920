//! Dense storage with stable slots: what refers to what, in the core, is a slot number.

use std::ops::{Index, IndexMut};

/// Values in slots; a slot that was vacated is used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    items: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { items: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            self.items[slot as usize] = Some(value);
            return slot;
        }
        let slot = u32::try_from(self.items.len())
            .expect("every slab is bounded far below this by the configuration");
        self.items.push(Some(value));
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let value = self.items[slot as usize].take().expect("the slot is in use");
        self.vacant.push(slot);
        value
    }

    /// The value in a slot that may have been vacated.
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.items.get(slot as usize)?.as_ref()
    }

    /// As [`get`](Self::get), to change it.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.items.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.vacant.len()
    }

    /// As [`iter`](Self::iter), to change them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.items.iter_mut().enumerate().filter_map(|(slot, item)| Some((slot as u32, item.as_mut()?)))
    }

    /// The slots in use, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.items.iter().enumerate().filter_map(|(slot, item)| Some((slot as u32, item.as_ref()?)))
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        self.items[slot as usize].as_ref().expect("the slot is in use")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.items[slot as usize].as_mut().expect("the slot is in use")
    }
}
