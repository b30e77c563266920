//! Frames on their way to and from a worker.

use std::io;

use bytes::BytesMut;
use phalanx_idle::{QuietReader, QuietWriter};
use phalanx_proto::frames::{Frame, FrameDecoder};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Where a worker's frames come from.
pub(super) struct Wire {
    pub(super) from: QuietReader,
    pub(super) decoder: FrameDecoder,
}

/// Small frames go out together; large payloads go out as they lie, and what has become urgent meanwhile before the next one.
pub(super) async fn write_frames(
    to: &mut QuietWriter,
    frames: &mut Vec<Frame>,
    urgent: &mut mpsc::Receiver<Frame>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    for frame in frames.drain(..) {
        while let Ok(urgent) = urgent.try_recv() {
            urgent.encode(&mut buffer);
        }
        let data = frame.encode_head(&mut buffer);
        if data.len() < 16 << 10 {
            buffer.extend_from_slice(&data);
        } else {
            to.write_all(&buffer).await?;
            buffer.clear();
            to.write_all(&data).await?;
        }
    }
    to.write_all(&buffer).await
}

#[cfg(test)]
mod tests;
