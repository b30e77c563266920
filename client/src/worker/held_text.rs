//! What was read of one stream and may not be sent yet: the latest of it, and how much was dropped before that.

use std::collections::VecDeque;

/// The most that is kept of the latest.
pub(crate) const TAIL_BYTES_MAX: usize = 8 << 10;

/// Text on its way out.
#[derive(Debug, Default)]
pub(crate) struct Held {
    dropped: u64,
    tail: VecDeque<u8>,
}

impl Held {
    /// Takes what was read, of which `allowed` bytes may be sent; gives those that are to be sent at once.
    pub(crate) fn add(&mut self, bytes: &[u8], allowed: usize) -> Vec<u8> {
        // What has a gap before it is the end so far.
        let room = if self.has_tail() { 0 } else { allowed };
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.tail.extend(tail);
        let over = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..over);
        self.dropped += over as u64;
        head.to_vec()
    }

    /// Whether there is an end, or a gap, that was not sent.
    pub(crate) fn has_tail(&self) -> bool {
        self.dropped > 0 || !self.tail.is_empty()
    }

    /// The latest, and how much is missing before it.
    pub(crate) fn take_tail(&mut self) -> (u64, Vec<u8>) {
        (std::mem::take(&mut self.dropped), std::mem::take(&mut self.tail).into())
    }

    /// The latest cannot be sent either.
    pub(crate) fn drop_tail(&mut self) {
        self.dropped += self.tail.len() as u64;
        self.tail.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_and_the_rest_is_counted() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|i| i.to_le_bytes()).collect();
        let mut held = Held::default();
        let mut sent = Vec::new();
        for piece in text.chunks(777) {
            let head = held.add(piece, 1000 - sent.len());
            sent.extend(head);
        }
        assert_eq!(sent, text[..1000]);
        let (dropped, tail) = held.take_tail();
        assert_eq!(tail, text[text.len() - TAIL_BYTES_MAX..]);
        assert_eq!(dropped as usize, text.len() - 1000 - TAIL_BYTES_MAX);
        assert!(!held.has_tail());
    }

    #[test]
    fn what_follows_a_gap_is_not_sent_before_it() {
        let mut held = Held::default();
        assert!(held.add(b"late", 0).is_empty());
        assert!(held.add(b"later", 100).is_empty());
        held.drop_tail();
        assert_eq!(held.take_tail(), (9, Vec::new()));
    }
}
