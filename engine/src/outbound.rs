//! Messages from the node to its controller.

use bytes::Bytes;
use phalanx_proto::frames::{Chunks, During, Failure, Output, Report, ReportPart};
use phalanx_proto::limits::{OUTPUT_BYTES_MAX, RUN_CHUNKS_MAX};
use phalanx_proto::v1::{self, node_message::Kind};
use tokio::sync::mpsc;

/// How many messages may wait for the connection; when it is full, workers wait.
pub(crate) const OUTBOUND_MESSAGES_MAX: usize = 256;

/// The way out to the controller.
pub(crate) type Outbound = mpsc::Sender<v1::NodeMessage>;

pub(crate) fn message(kind: Kind) -> v1::NodeMessage {
    v1::NodeMessage { kind: Some(kind) }
}

pub(crate) fn report(engine: u32, report: Report) -> v1::NodeMessage {
    let Chunks { job, first, count, attempt } = report.chunks;
    message(Kind::Report(v1::Report {
        job,
        engine,
        first_chunk: first,
        chunk_count: count,
        attempt,
        element_first: report.element_first,
        chunk_len: report.chunk_len,
        timings: report.timings,
        stride: report.stride,
        lens: report.lens,
        lens_behind: report.lens_behind,
        data: report.data,
        data_before: report.data_before,
        failures: report.failures.into_iter().map(failure).collect(),
        busy_ns: report.busy_ns,
        retrying: false,
        only: unpacked(&report.only),
    }))
}

fn failure(f: Failure) -> v1::ElementFailure {
    v1::ElementFailure {
        offset: f.offset,
        kind: i32::from(f.kind),
        message: f.message,
        location: f.location,
        backtrace: f.backtrace,
    }
}

pub(crate) fn report_part(engine: u32, part: ReportPart) -> v1::NodeMessage {
    let Chunks { job, first, attempt, .. } = part.chunks;
    message(Kind::Part(v1::ReportPart {
        job,
        engine,
        chunk: first,
        attempt,
        data: part.data,
        total: part.total,
    }))
}

/// `None` when it belongs to no job, or cannot be.
pub(crate) fn output(engine: u32, output: Output) -> Option<v1::NodeMessage> {
    let During { chunks, element_first, chunk_len } = output.during?;
    // A worker's word, or a page that its end has scribbled on: nothing else of this node may suffer.
    let is_sound = (1..=RUN_CHUNKS_MAX).contains(&chunks.count)
        && chunks.first.checked_add(chunks.count.into()).is_some()
        && output.data.len() <= OUTPUT_BYTES_MAX;
    if !is_sound {
        return None;
    }
    Some(message(Kind::Output(v1::Output {
        job: chunks.job,
        engine,
        first_chunk: chunks.first,
        chunk_count: chunks.count,
        attempt: chunks.attempt,
        element_first,
        chunk_len,
        is_stderr: output.is_stderr,
        dropped: output.dropped,
        data: output.data,
    })))
}

pub(crate) fn returned(engine: u32, chunks: Chunks) -> v1::NodeMessage {
    handed_back(engine, chunks, v1::Returned::default())
}

/// Chunks that the engine has no more, for a reason that the rest of the message gives.
fn handed_back(engine: u32, chunks: Chunks, why: v1::Returned) -> v1::NodeMessage {
    let Chunks { job, first, count, attempt } = chunks;
    message(Kind::Returned(v1::Returned {
        engine,
        job,
        first_chunk: first,
        chunk_count: count,
        attempt,
        ..why
    }))
}

/// Of these chunks, which were recalled, those that were not handed back have been begun.
pub(crate) fn begun(engine: u32, chunks: Chunks) -> v1::NodeMessage {
    let Chunks { job, first, count, attempt } = chunks;
    message(Kind::Begun(v1::Begun { engine, job, first_chunk: first, chunk_count: count, attempt }))
}

/// Chunks whose job's condition is not met here.
pub(crate) fn refused(engine: u32, chunks: Chunks, message: String) -> v1::NodeMessage {
    handed_back(engine, chunks, v1::Returned { refused: true, message, ..v1::Returned::default() })
}

/// A chunk that has been run, and of which a report would not fit.
pub(crate) fn untold(engine: u32, chunks: Chunks, message: String) -> v1::NodeMessage {
    handed_back(engine, chunks, v1::Returned { untold: true, message, ..v1::Returned::default() })
}

/// u32s as they lie in a frame.
pub(crate) fn packed(numbers: &[u32]) -> Bytes {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn unpacked(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
