//! A stream of bytes to frames, without I/O.

use bytes::BytesMut;

use super::{Frame, FrameError};
use crate::limits::FRAME_BYTES_MAX;

/// How much room a read is given.
const READ_BYTES: usize = 256 << 10;

/// Collects what was read and yields whole frames, whose data are slices of the read buffer.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Where to read into: append to it. Has room for a good read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        let want = match self.announced() {
            Some(len) if len <= FRAME_BYTES_MAX => (len + 4).saturating_sub(self.buffer.len()),
            _ => 0,
        };
        self.buffer.reserve(want.max(READ_BYTES / 4));
        &mut self.buffer
    }

    /// The next frame, when all of it is here.
    ///
    /// # Errors
    /// When the stream is not one of frames: it cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(len) = self.announced() else { return Ok(None) };
        if len > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(len));
        }
        if self.buffer.len() < 4 + len {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(4 + len);
        let body = frame.split_off(4).freeze();
        Frame::decode(body).map(Some)
    }

    fn announced(&self) -> Option<usize> {
        let head: [u8; 4] = self.buffer.get(..4)?.try_into().ok()?;
        Some(u32::from_le_bytes(head) as usize)
    }
}
