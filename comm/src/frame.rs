//! What goes over the wire: frames of a fixed header and at most [`CHUNK_BYTES`].
//!
//! A message is one frame of kind `Data`, then as many of kind `More` as it takes. Between two frames of a message there
//! may be others, so that news of a failure never has to wait behind a gigabyte. For the same reason nobody sends more than
//! [`WINDOW_BYTES`] that the receiver's program has not taken: the receiver reads everything at once, and news always get through.

use crate::stamp::{Operation, Stamp};

/// Every header has this length.
pub(crate) const HEADER_BYTES: usize = 64;
/// No frame carries more. A multiple of every number's size.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// No message is longer; the codec's own limit.
pub(crate) const MESSAGE_BYTES_MAX: u64 = 64 << 30;
/// What may be under way from one rank to another, or be kept there, before the program takes it.
pub(crate) const WINDOW_BYTES: u64 = 64 << 20;
/// What a message counts in the window beyond its bytes, so that many empty ones are bounded too.
pub(crate) const MESSAGE_BYTES: u64 = 256;
/// With less room than that in the window, nothing is sent, unless it is all there is to send.
pub(crate) const CHUNK_BYTES_MIN: u64 = 4 << 10;
/// No report of a wait or of a failure is longer.
pub(crate) const CONTROL_BYTES_MAX: usize = 64 << 10;
/// So begins every frame.
const MAGIC: u32 = 0x3158_4850;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The beginning of a message.
    Data = 1,
    /// The next part of it.
    More,
    /// What the sender waits for.
    Post,
    /// What went wrong.
    Fail,
    /// The sender's program is over.
    Done,
    /// The sender has taken so many bytes of messages so far.
    Credit,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Of `Data`: what it belongs to.
    pub(crate) stamp: Option<Stamp>,
    /// How many bytes follow in this frame.
    pub(crate) chunk: usize,
    /// How many the whole message has.
    pub(crate) total: u64,
}

impl Header {
    /// A frame that belongs to no operation.
    pub(crate) fn control(kind: Kind, chunk: usize) -> Self {
        Self { kind, stamp: None, chunk, total: chunk as u64 }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4] = self.kind as u8;
        out[8..16].copy_from_slice(&(self.chunk as u64).to_le_bytes());
        out[16..24].copy_from_slice(&self.total.to_le_bytes());
        if let Some(stamp) = &self.stamp {
            out[5] = stamp.operation as u8;
            out[6] = stamp.detail;
            out[24..28].copy_from_slice(&stamp.root.to_le_bytes());
            for (i, n) in [stamp.group, stamp.seq, stamp.kind, stamp.count].into_iter().enumerate() {
                out[32 + 8 * i..40 + 8 * i].copy_from_slice(&n.to_le_bytes());
            }
        }
        out
    }

    /// Reads a header, whoever wrote it.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, String> {
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        if u32_at(0) != MAGIC {
            return Err(format!("a header that begins with {:02x?}", &bytes[..4]));
        }
        let kind = match bytes[4] {
            1 => Kind::Data,
            2 => Kind::More,
            3 => Kind::Post,
            4 => Kind::Fail,
            5 => Kind::Done,
            6 => Kind::Credit,
            other => return Err(format!("a frame of kind {other}")),
        };
        let (chunk, total) = (u64_at(8), u64_at(16));
        let chunk_max = if matches!(kind, Kind::Data | Kind::More) { CHUNK_BYTES } else { CONTROL_BYTES_MAX };
        if chunk > chunk_max as u64 || total > MESSAGE_BYTES_MAX || chunk > total {
            return Err(format!("a frame of {chunk} bytes of {total}"));
        }
        let stamp = match kind {
            Kind::Data => Some(Stamp {
                operation: Operation::from_wire(bytes[5]).ok_or_else(|| format!("operation {}", bytes[5]))?,
                detail: bytes[6],
                root: u32_at(24),
                group: u64_at(32),
                seq: u64_at(40),
                kind: u64_at(48),
                count: u64_at(56),
            }),
            _ => None,
        };
        Ok(Self { kind, stamp, chunk: chunk as usize, total })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn headers_come_back(group: u64, seq: u64, operation in 1u8..20, detail: u8, root: u32, kind: u64, count: u64, chunk in 0..CHUNK_BYTES) {
            let operation = Operation::from_wire(operation).unwrap();
            let stamp = Some(Stamp { group, seq, operation, detail, root, kind, count });
            let header = Header { kind: Kind::Data, stamp, chunk, total: chunk as u64 + 5 };
            prop_assert_eq!(Header::decode(&header.encode()).unwrap(), header);
        }

        #[test]
        fn garbage_is_refused(mut bytes: [u8; 32], magic: bool) {
            if magic { bytes[..4].copy_from_slice(&MAGIC.to_le_bytes()); }
            let mut whole = [0; HEADER_BYTES];
            whole[..32].copy_from_slice(&bytes);
            if let Ok(header) = Header::decode(&whole) {
                prop_assert!(header.chunk <= CHUNK_BYTES && header.total <= MESSAGE_BYTES_MAX);
            }
        }
    }
}
