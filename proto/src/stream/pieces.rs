//! Messages being encoded.

use std::collections::VecDeque;

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use super::PREFIX_BYTES;

/// A field at least this long is sent from where it lies. A shorter one is copied for less than it costs to write and read a frame more.
const ALONE_BYTES: usize = 64 << 10;

/// Encoded messages, in order: short fields together, long ones as they are.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    done: VecDeque<Bytes>,
    done_bytes: usize,
    open: BytesMut,
}

impl Pieces {
    /// Adds a message with its prefix.
    pub(super) fn add(&mut self, message: &impl Message) -> Result<(), u64> {
        let len = message.encoded_len();
        let announced = u32::try_from(len).map_err(|_| len as u64)?;
        if len < ALONE_BYTES {
            self.open.reserve(PREFIX_BYTES + len);
        }
        self.put_u8(0);
        self.put_u32(announced);
        message.encode_raw(self);
        Ok(())
    }

    /// All bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.done_bytes + self.open.len()
    }

    /// The next piece.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        if self.done.is_empty() && !self.open.is_empty() {
            self.close();
        }
        let piece = self.done.pop_front()?;
        self.done_bytes -= piece.len();
        Some(piece)
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let piece = self.open.split().freeze();
            self.push(piece);
        }
    }

    fn push(&mut self, piece: Bytes) {
        self.done_bytes += piece.len();
        self.done.push_back(piece);
    }
}

#[allow(unsafe_code, reason = "a buffer to encode into; everything about memory is left to BytesMut")]
// SAFETY: `chunk_mut` and `advance_mut` are those of the open buffer, whose contract they keep.
unsafe impl BufMut for Pieces {
    fn remaining_mut(&self) -> usize {
        usize::MAX - self.open.len()
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        // SAFETY: the caller has initialised `n` bytes of what `chunk_mut` gave.
        unsafe { self.open.advance_mut(n) }
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.open.chunk_mut()
    }

    fn put<T: Buf>(&mut self, mut source: T) {
        let len = source.remaining();
        if len >= ALONE_BYTES {
            self.close();
            // `Bytes` hands itself over here, without a copy.
            let piece = source.copy_to_bytes(len);
            self.push(piece);
        } else {
            self.open.put(source);
        }
    }

    fn put_slice(&mut self, source: &[u8]) {
        self.open.extend_from_slice(source);
    }
}
