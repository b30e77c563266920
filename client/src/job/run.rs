//! Results as they came: a run of chunks at a time, decoded only when somebody asks.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use phalanx_proto::{timings, v1};

use crate::codec::Slots;
use crate::error::{RemoteError, RemoteErrorKind};

/// One report.
#[derive(Debug, Clone)]
pub(crate) struct RunResult {
    pub(crate) engine: u32,
    pub(crate) attempt: u32,
    pub(crate) first_chunk: u64,
    pub(crate) chunk_count: u32,
    pub(crate) chunk_len: u32,
    pub(crate) element_first: u64,
    pub(crate) received_ns: u64,
    /// Offsets of the elements that this attempt ran, when not all.
    pub(crate) only: Vec<u32>,
    /// Elements without a value, by offset in the run, ascending.
    pub(crate) failures: Vec<v1::ElementFailure>,
    /// Offsets that this report does not settle, ascending: settled by another before, or to be tried again.
    pub(crate) skip: Vec<u32>,
    timings: Bytes,
    stride: u32,
    lens: Bytes,
    data: Vec<Bytes>,
}

impl RunResult {
    /// Takes a report with the parts that went ahead of it; `None` when its numbers contradict each other.
    pub(crate) fn new(report: v1::Report, mut parts: Vec<Bytes>, received_ns: u64) -> Option<Self> {
        let before: usize = parts.iter().map(Bytes::len).sum();
        if before as u64 != report.data_before || !timings::fit(&report.timings, report.chunk_count) {
            return None;
        }
        if !report.data.is_empty() || parts.is_empty() {
            parts.push(report.data);
        }
        let lens_behind = report.lens_behind;
        let mut run = Self {
            engine: report.engine,
            attempt: report.attempt,
            first_chunk: report.first_chunk,
            chunk_count: report.chunk_count,
            chunk_len: report.chunk_len,
            element_first: report.element_first,
            received_ns,
            only: report.only,
            failures: report.failures,
            skip: Vec::new(),
            timings: report.timings,
            stride: report.stride,
            lens: report.lens,
            data: parts,
        };
        if lens_behind {
            run.lens = run.take_behind(run.count().checked_mul(4)?)?;
        }
        run.is_consistent().then_some(run)
    }

    /// Takes so many bytes off the end of the data.
    fn take_behind(&mut self, mut bytes: usize) -> Option<Bytes> {
        let mut pieces = Vec::new();
        while bytes > 0 {
            let mut last = self.data.pop()?;
            let piece = last.split_off(last.len().saturating_sub(bytes));
            bytes -= piece.len();
            if !last.is_empty() {
                self.data.push(last);
            }
            pieces.push(piece);
        }
        pieces.reverse();
        Some(pieces.concat().into())
    }

    fn is_consistent(&self) -> bool {
        let count = self.count();
        let total: u64 = if self.lens.is_empty() {
            u64::from(self.stride) * count as u64
        } else {
            self.lens.chunks_exact(4).map(|n| u64::from(u32::from_le_bytes([n[0], n[1], n[2], n[3]]))).sum()
        };
        let here: u64 = self.data.iter().map(|d| d.len() as u64).sum();
        let offsets_max = u64::from(self.chunk_len) * u64::from(self.chunk_count);
        total == here
            && (self.lens.is_empty() || self.lens.len() == count * 4)
            && self.failures.iter().all(|f| u64::from(f.offset) < offsets_max)
            && self.only.iter().all(|&o| u64::from(o) < offsets_max)
    }

    /// How many elements were run.
    pub(crate) fn count(&self) -> usize {
        if self.only.is_empty() {
            self.chunk_len as usize * self.chunk_count as usize
        } else {
            self.only.len()
        }
    }

    /// How many elements of each chunk were run.
    pub(crate) fn ran_together(&self) -> u32 {
        if self.only.is_empty() { self.chunk_len } else { self.only.len() as u32 }
    }

    /// All elements from the first to the last, run or not.
    pub(crate) fn elements(&self) -> Range<u64> {
        self.element_first..self.element_first + u64::from(self.chunk_len) * u64::from(self.chunk_count)
    }

    /// The offset in the run of the i-th element that was run.
    pub(crate) fn offset(&self, i: usize) -> u32 {
        if self.only.is_empty() { i as u32 } else { self.only[i] }
    }

    /// Calls `each` with the number and bytes of every element that this report settles; with its failure if it has one.
    pub(crate) fn for_each<E>(
        &self,
        each: impl FnMut(u64, Result<&[u8], RemoteError>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_in(&self.contiguous(), each)
    }

    fn for_each_in<'d, E>(
        &self,
        data: &'d [u8],
        mut each: impl FnMut(u64, Result<&'d [u8], RemoteError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut slots = Slots::new(self.stride, &self.lens);
        let mut failures = self.failures.iter().peekable();
        for i in 0..self.count() {
            let range = slots.next_range();
            let offset = self.offset(i);
            let failure = failures.next_if(|f| f.offset == offset);
            if !self.skip.is_empty() && self.skip.binary_search(&offset).is_ok() {
                continue;
            }
            let outcome = match failure {
                Some(failure) => Err(self.error(failure)),
                None => Ok(&data[range]),
            };
            each(self.element_first + u64::from(offset), outcome)?;
        }
        Ok(())
    }

    /// As [`for_each`](Self::for_each), with values that share the report's memory.
    #[cfg(feature = "hdf5")]
    pub(crate) fn for_each_shared<E>(
        &self,
        mut each: impl FnMut(u64, Result<Bytes, RemoteError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let data = match self.data.as_slice() {
            [one] => one.clone(),
            many => many.concat().into(),
        };
        self.for_each_in(&data, |element, outcome| each(element, outcome.map(|bytes| data.slice_ref(bytes))))
    }

    fn contiguous(&self) -> Cow<'_, [u8]> {
        match self.data.as_slice() {
            [one] => Cow::Borrowed(one),
            many => Cow::Owned(many.concat()),
        }
    }

    /// The data as it arrived.
    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.data
    }

    /// When each chunk of the run started and completed, in unix nanoseconds.
    pub(crate) fn timings(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        timings::read(&self.timings)
    }

    /// The failures as errors of the job's elements.
    pub(crate) fn errors(&self) -> impl Iterator<Item = RemoteError> + '_ {
        self.failures.iter().map(|f| self.error(f))
    }

    fn error(&self, f: &v1::ElementFailure) -> RemoteError {
        RemoteError {
            element: self.element_first + u64::from(f.offset),
            engine: Some(self.engine),
            attempt: self.attempt,
            kind: RemoteErrorKind::from_wire(f.kind),
            message: f.message.clone(),
            location: f.location.clone(),
            backtrace: f.backtrace.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values "a", "bc" and "def", cut into parts anywhere.
    #[test]
    fn lengths_behind_the_values_are_found_wherever_the_parts_end() {
        let whole: Vec<u8> =
            b"abcdef".iter().copied().chain([1_u32, 2, 3].into_iter().flat_map(u32::to_le_bytes)).collect();
        for (first, second) in (0..=whole.len()).flat_map(|a| (a..=whole.len()).map(move |b| (a, b))) {
            let parts = [&whole[..first], &whole[first..second]].map(Bytes::copy_from_slice).to_vec();
            let report = v1::Report {
                chunk_count: 1,
                chunk_len: 3,
                timings: vec![0; 10].into(),
                data_before: second as u64,
                data: Bytes::copy_from_slice(&whole[second..]),
                lens_behind: true,
                ..v1::Report::default()
            };
            let run = RunResult::new(report.clone(), parts.clone(), 0).expect("it fits");
            let mut values = Vec::new();
            let each = |_, value: Result<&[u8], RemoteError>| {
                values.push(value.expect("a value").to_vec());
                Ok::<(), ()>(())
            };
            run.for_each(each).expect("it goes well");
            assert_eq!(values, [&b"a"[..], b"bc", b"def"]);
            let too_many = v1::Report { chunk_len: 7, ..report };
            assert!(RunResult::new(too_many, parts, 0).is_none());
        }
    }
}
