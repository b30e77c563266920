//! Bytes in the frames in which they arrived.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// What was received and not read yet.
#[derive(Debug, Default)]
pub(super) struct Rope {
    /// None of them is empty.
    frames: VecDeque<Bytes>,
    len: usize,
}

impl Rope {
    pub(super) fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.len += frame.len();
            self.frames.push_back(frame);
        }
    }

    /// The first bytes, if so many are here; they stay.
    pub(super) fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        if self.len < N {
            return None;
        }
        let mut first = [0; N];
        let mut bytes = self.frames.iter().flatten();
        first.iter_mut().for_each(|b| *b = bytes.next().copied().unwrap_or_default());
        Some(first)
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.frames.front().map_or(&[], |frame| frame)
    }

    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.len, "advanced past the end");
        self.len -= n;
        while n > 0 {
            let Some(frame) = self.frames.front_mut() else { return };
            if n < frame.len() {
                return frame.advance(n);
            }
            n -= frame.len();
            self.frames.pop_front();
        }
    }

    /// A slice of a frame, where one frame holds all of it; else a copy.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        assert!(len <= self.len, "read past the end");
        match self.frames.front_mut() {
            Some(frame) if len < frame.len() => {
                self.len -= len;
                frame.split_to(len)
            }
            Some(frame) if len == frame.len() => {
                self.len -= len;
                self.frames.pop_front().unwrap_or_default()
            }
            _ => {
                let mut joined = BytesMut::with_capacity(len);
                while joined.len() < len {
                    let chunk = self.chunk();
                    let n = chunk.len().min(len - joined.len());
                    joined.extend_from_slice(&chunk[..n]);
                    self.advance(n);
                }
                joined.freeze()
            }
        }
    }
}
