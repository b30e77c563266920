//! Results, as far as they can be checked without knowing the job.

use phalanx_proto::ids::{EngineId, JobKey};
use phalanx_proto::limits::{TEXT_BYTES_MAX, clip};
use phalanx_proto::timings;
use phalanx_proto::v1::Report;

use super::node::demand_chunks;
use super::{Refused, demand};

/// Longest place of a failure: `file:line:column`.
const LOCATION_BYTES_MAX: usize = 1 << 10;

/// A report that is consistent in itself. Its lengths, timings and data fit its counts; whether
/// the chunks are this engine's is for the scheduler to say.
#[derive(Debug)]
pub(crate) struct NodeReport {
    /// As received, with texts clipped.
    pub(crate) wire: Report,
    /// Offsets of the elements that failed, ascending, for the scheduler: relative to the chunk.
    pub(crate) failed: Vec<u32>,
}

impl NodeReport {
    pub(crate) fn parse(mut report: Report) -> Result<Self, Refused> {
        demand_chunks(report.first_chunk, report.chunk_count)?;
        demand(report.chunk_len > 0, "a report of chunks without elements")?;
        demand(
            timings::fit(&report.timings, report.chunk_count),
            "a report without a timing for each chunk",
        )?;
        let ran = elements_run(&report)?;
        let failed = failures(&mut report)?;
        demand_lengths(&report, ran)?;
        Ok(Self { wire: report, failed })
    }

    pub(crate) fn engine(&self) -> EngineId {
        EngineId(self.wire.engine)
    }

    pub(crate) fn job(&self) -> JobKey {
        JobKey(self.wire.job)
    }
}

/// How many elements this attempt ran.
fn elements_run(report: &Report) -> Result<u64, Refused> {
    if report.only.is_empty() {
        return Ok(u64::from(report.chunk_count) * u64::from(report.chunk_len));
    }
    demand(report.chunk_count == 1, "a report of some elements of several chunks")?;
    demand(
        is_ascending_below(&report.only, report.chunk_len),
        "a report of elements that are not in the chunk",
    )?;
    Ok(report.only.len() as u64)
}

/// Checks and clips the failures; gives their offsets.
fn failures(report: &mut Report) -> Result<Vec<u32>, Refused> {
    let offsets: Vec<u32> = report.failures.iter().map(|f| f.offset).collect();
    if offsets.is_empty() {
        return Ok(offsets);
    }
    demand(report.chunk_count == 1, "a report of failures in several chunks at once")?;
    demand(is_ascending_below(&offsets, report.chunk_len), "a report of failures that are not in the chunk")?;
    let ran = |offset: &u32| report.only.is_empty() || report.only.binary_search(offset).is_ok();
    demand(offsets.iter().all(ran), "a report of failures of elements that were not run")?;
    for failure in &mut report.failures {
        shorten(&mut failure.message, TEXT_BYTES_MAX);
        shorten(&mut failure.location, LOCATION_BYTES_MAX);
        shorten(&mut failure.backtrace, TEXT_BYTES_MAX);
    }
    Ok(offsets)
}

fn shorten(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        *text = clip(text, bytes_max);
    }
}

/// The values' lengths add up to the data. An element that failed has a value too, of no bytes.
fn demand_lengths(report: &Report, ran: u64) -> Result<(), Refused> {
    let data = u128::from(report.data_before) + report.data.len() as u128;
    if report.lens_behind {
        // What they say is in parts that have gone on. The client looks at them.
        let good = report.lens.is_empty() && report.stride == 0 && data >= 4 * u128::from(ran);
        return demand(good, "a report without a length for each value");
    }
    if report.lens.is_empty() {
        let good = data == u128::from(report.stride) * u128::from(ran);
        return demand(good, "a report whose data does not fit its elements");
    }
    let lens = report.lens.len() as u64;
    demand(lens == 4 * ran, "a report without a length for each value")?;
    let sum: u64 =
        report.lens.chunks_exact(4).map(|l| u64::from(u32::from_le_bytes([l[0], l[1], l[2], l[3]]))).sum();
    demand(u128::from(sum) == data, "a report whose data does not fit its lengths")
}

fn is_ascending_below(offsets: &[u32], end: u32) -> bool {
    offsets.windows(2).all(|pair| pair[0] < pair[1]) && offsets.last().is_none_or(|last| *last < end)
}
