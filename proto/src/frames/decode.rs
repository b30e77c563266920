//! Bytes to frames. Every length is checked before it is used.

use bytes::{Buf, Bytes};

use super::{
    ASSIGN, ASSIGN_PART, Assign, BEGUN, CANCEL, CLOSE, Chunks, During, Failure, Frame, FrameError,
    NOT_INITIALISED, OPEN, OPEN_PART, OUTPUT, Open, Output, Part, READY, RECALL, REFUSED, REPORT,
    REPORT_PART, RETURNED, Ready, Report, ReportPart, UNTOLD, WELCOME, Welcome,
};
use crate::timings;

impl Frame {
    /// Parses one frame without its length field.
    ///
    /// # Errors
    /// When it is not a frame that [`Frame::encode`] writes.
    pub fn decode(mut body: Bytes) -> Result<Self, FrameError> {
        let b = &mut body;
        let kind = u8(b)?;
        let frame = match kind {
            READY => Self::Ready(Ready { protocol: u32(b)?, pid: u32(b)?, version: text(b)? }),
            WELCOME => Self::Welcome(Welcome { engine: u32(b)?, predecessor: text(b)?, signal: u32(b)? }),
            OPEN_PART => Self::OpenPart(part(b)?),
            ASSIGN_PART => Self::AssignPart(part(b)?),
            OPEN => Self::Open(open(b)?),
            ASSIGN => Self::Assign(Assign {
                chunks: chunks(b)?,
                element_first: u64(b)?,
                chunk_len: u32(b)?,
                stride: u32(b)?,
                lens: bytes(b)?,
                only: bytes(b)?,
                urgent: flag(b)?,
                data: rest(b),
            }),
            RECALL => Self::Recall(chunks(b)?),
            RETURNED => Self::Returned(chunks(b)?),
            BEGUN => Self::Begun(chunks(b)?),
            REFUSED => Self::Refused(chunks(b)?, text(b)?),
            UNTOLD => Self::Untold(chunks(b)?, text(b)?),
            CANCEL => Self::Cancel(u64(b)?),
            CLOSE => Self::Close(u64(b)?),
            REPORT_PART => Self::ReportPart(ReportPart { chunks: chunks(b)?, total: u64(b)?, data: rest(b) }),
            REPORT => Self::Report(report(b)?),
            OUTPUT => Self::Output(output(b)?),
            NOT_INITIALISED => Self::NotInitialised,
            other => return Err(FrameError::UnknownKind(other)),
        };
        if body.has_remaining() {
            return Err(FrameError::Inconsistent("lengths"));
        }
        Ok(frame)
    }
}

fn open(b: &mut Bytes) -> Result<Open, FrameError> {
    let (job, entry, label) = (u64(b)?, i64(b)?, text(b)?);
    let ranks = u32(b)?;
    let (conditional, condition) = (u8(b)? != 0, i64(b)?);
    Ok(Open { job, entry, label, ranks, condition: conditional.then_some(condition), context: rest(b) })
}

fn report(b: &mut Bytes) -> Result<Report, FrameError> {
    let chunks = chunks(b)?;
    let report = Report {
        chunks,
        element_first: u64(b)?,
        chunk_len: u32(b)?,
        busy_ns: u64(b)?,
        stride: u32(b)?,
        data_before: u64(b)?,
        timings: bytes(b)?,
        lens: bytes(b)?,
        lens_behind: flag(b)?,
        only: bytes(b)?,
        failures: failures(b)?,
        data: rest(b),
    };
    if !timings::fit(&report.timings, chunks.count) {
        return Err(FrameError::Inconsistent("timings and count"));
    }
    Ok(report)
}

fn output(b: &mut Bytes) -> Result<Output, FrameError> {
    let flags = u8(b)?;
    if flags > 3 {
        return Err(FrameError::Inconsistent("flags"));
    }
    let dropped = u64(b)?;
    let during = match flags & 2 {
        0 => None,
        _ => Some(During { chunks: chunks(b)?, element_first: u64(b)?, chunk_len: u32(b)? }),
    };
    Ok(Output { during, is_stderr: flags & 1 == 1, dropped, data: rest(b) })
}

fn failures(b: &mut Bytes) -> Result<Vec<Failure>, FrameError> {
    let count = u32(b)? as usize;
    // Each takes 17 bytes at least: a forged count cannot make us reserve more than was sent.
    let mut failures = Vec::with_capacity(count.min(b.remaining() / 17));
    for _ in 0..count {
        failures.push(Failure {
            offset: u32(b)?,
            kind: u8(b)?,
            message: text(b)?,
            location: text(b)?,
            backtrace: text(b)?,
        });
    }
    Ok(failures)
}

fn chunks(b: &mut Bytes) -> Result<Chunks, FrameError> {
    let chunks = Chunks { job: u64(b)?, first: u64(b)?, count: u32(b)?, attempt: u32(b)? };
    if chunks.count == 0 || chunks.first.checked_add(u64::from(chunks.count)).is_none() {
        return Err(FrameError::Inconsistent("chunks"));
    }
    Ok(chunks)
}

fn part(b: &mut Bytes) -> Result<Part, FrameError> {
    Ok(Part { job: u64(b)?, total: u64(b)?, data: rest(b) })
}

fn u8(b: &mut Bytes) -> Result<u8, FrameError> {
    b.try_get_u8().map_err(|_| FrameError::Truncated)
}

fn flag(b: &mut Bytes) -> Result<bool, FrameError> {
    match u8(b)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(FrameError::Inconsistent("flags")),
    }
}

fn u32(b: &mut Bytes) -> Result<u32, FrameError> {
    b.try_get_u32_le().map_err(|_| FrameError::Truncated)
}

fn u64(b: &mut Bytes) -> Result<u64, FrameError> {
    b.try_get_u64_le().map_err(|_| FrameError::Truncated)
}

fn i64(b: &mut Bytes) -> Result<i64, FrameError> {
    b.try_get_i64_le().map_err(|_| FrameError::Truncated)
}

fn bytes(b: &mut Bytes) -> Result<Bytes, FrameError> {
    let len = u32(b)? as usize;
    if len > b.remaining() {
        return Err(FrameError::Truncated);
    }
    Ok(b.split_to(len))
}

fn text(b: &mut Bytes) -> Result<String, FrameError> {
    String::from_utf8(bytes(b)?.to_vec()).map_err(|_| FrameError::NotText)
}

fn rest(b: &mut Bytes) -> Bytes {
    b.split_to(b.len())
}
