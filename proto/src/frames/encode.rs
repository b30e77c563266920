//! Frames to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    ASSIGN, ASSIGN_PART, BEGUN, CANCEL, CLOSE, Chunks, Frame, NOT_INITIALISED, OPEN, OPEN_PART, OUTPUT,
    READY, RECALL, REFUSED, REPORT, REPORT_PART, RETURNED, UNTOLD, WELCOME,
};

impl Frame {
    /// Writes all of the frame but its data, which is returned and must be sent next.
    pub fn encode_head(&self, out: &mut BytesMut) -> Bytes {
        let start = out.len();
        out.put_u32_le(0);
        let data = self.put(out);
        let len = out.len() - start - 4 + data.len();
        let len = u32::try_from(len).expect("senders cut payloads into parts far below 4 GiB");
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
        data
    }

    /// Writes the whole frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let data = self.encode_head(out);
        out.extend_from_slice(&data);
    }

    fn put(&self, out: &mut BytesMut) -> Bytes {
        match self {
            Self::Ready(m) => {
                out.put_u8(READY);
                out.put_u32_le(m.protocol);
                out.put_u32_le(m.pid);
                put_bytes(out, m.version.as_bytes());
            }
            Self::Welcome(m) => {
                out.put_u8(WELCOME);
                out.put_u32_le(m.engine);
                put_bytes(out, m.predecessor.as_bytes());
                out.put_u32_le(m.signal);
            }
            Self::OpenPart(m) | Self::AssignPart(m) => {
                out.put_u8(if matches!(self, Self::OpenPart(_)) { OPEN_PART } else { ASSIGN_PART });
                out.put_u64_le(m.job);
                out.put_u64_le(m.total);
                return m.data.clone();
            }
            Self::Open(m) => {
                out.put_u8(OPEN);
                out.put_u64_le(m.job);
                out.put_i64_le(m.entry);
                put_bytes(out, m.label.as_bytes());
                out.put_u32_le(m.ranks);
                out.put_u8(m.condition.is_some().into());
                out.put_i64_le(m.condition.unwrap_or_default());
                return m.context.clone();
            }
            Self::Assign(m) => {
                out.put_u8(ASSIGN);
                put_chunks(out, m.chunks);
                out.put_u64_le(m.element_first);
                out.put_u32_le(m.chunk_len);
                out.put_u32_le(m.stride);
                put_bytes(out, &m.lens);
                put_bytes(out, &m.only);
                out.put_u8(m.urgent.into());
                return m.data.clone();
            }
            Self::Recall(chunks) => {
                out.put_u8(RECALL);
                put_chunks(out, *chunks);
            }
            Self::Returned(chunks) => {
                out.put_u8(RETURNED);
                put_chunks(out, *chunks);
            }
            Self::Begun(chunks) => {
                out.put_u8(BEGUN);
                put_chunks(out, *chunks);
            }
            Self::Refused(chunks, message) | Self::Untold(chunks, message) => {
                out.put_u8(if matches!(self, Self::Refused(..)) { REFUSED } else { UNTOLD });
                put_chunks(out, *chunks);
                put_bytes(out, message.as_bytes());
            }
            Self::Cancel(job) => {
                out.put_u8(CANCEL);
                out.put_u64_le(*job);
            }
            Self::Close(job) => {
                out.put_u8(CLOSE);
                out.put_u64_le(*job);
            }
            Self::ReportPart(m) => {
                out.put_u8(REPORT_PART);
                put_chunks(out, m.chunks);
                out.put_u64_le(m.total);
                return m.data.clone();
            }
            Self::Report(m) => return put_report(out, m),
            Self::Output(m) => {
                out.put_u8(OUTPUT);
                out.put_u8(u8::from(m.is_stderr) | u8::from(m.during.is_some()) << 1);
                out.put_u64_le(m.dropped);
                if let Some(during) = m.during {
                    put_chunks(out, during.chunks);
                    out.put_u64_le(during.element_first);
                    out.put_u32_le(during.chunk_len);
                }
                return m.data.clone();
            }
            Self::NotInitialised => out.put_u8(NOT_INITIALISED),
        }
        Bytes::new()
    }
}

fn put_report(out: &mut BytesMut, m: &super::Report) -> Bytes {
    out.put_u8(REPORT);
    put_chunks(out, m.chunks);
    out.put_u64_le(m.element_first);
    out.put_u32_le(m.chunk_len);
    out.put_u64_le(m.busy_ns);
    out.put_u32_le(m.stride);
    out.put_u64_le(m.data_before);
    put_bytes(out, &m.timings);
    put_bytes(out, &m.lens);
    out.put_u8(m.lens_behind.into());
    put_bytes(out, &m.only);
    out.put_u32_le(u32::try_from(m.failures.len()).expect("a run's offsets are 32 bits"));
    for f in &m.failures {
        out.put_u32_le(f.offset);
        out.put_u8(f.kind);
        put_bytes(out, f.message.as_bytes());
        put_bytes(out, f.location.as_bytes());
        put_bytes(out, f.backtrace.as_bytes());
    }
    m.data.clone()
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32_le(u32::try_from(bytes.len()).expect("fields are far below 4 GiB"));
    out.put_slice(bytes);
}

fn put_chunks(out: &mut BytesMut, c: Chunks) {
    out.put_u64_le(c.job);
    out.put_u64_le(c.first);
    out.put_u32_le(c.count);
    out.put_u32_le(c.attempt);
}
