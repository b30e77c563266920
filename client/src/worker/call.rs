//! What an entry point sees of its worker: the run, the namespace, and where results go.

use std::io;
use std::ops::Range;
use std::sync::PoisonError;

use phalanx_proto::frames::Failure;
use phalanx_proto::limits::TEXT_BYTES_MAX;
use phalanx_proto::v1::FailureKind;

use super::clock::now_ns;
use super::fault::{Fault, guard};
use super::namespace::Namespace;
use super::output::ChunkResult;
use super::shared::Shared;
use super::work::Work;
use crate::codec::Slots;

/// One run being executed.
pub(crate) struct Call<'a> {
    pub(crate) work: &'a Work,
    pub(crate) namespace: &'a mut Namespace,
    pub(super) shared: &'a Shared,
    pub(super) result: &'a mut ChunkResult,
    /// The chunk it is at.
    pub(super) chunk: u64,
    /// Chunks that are claimed already: all, when it is run between two elements of another run.
    nested: Option<Range<u32>>,
    /// The daemon went away while results were being sent.
    pub(crate) broken: Option<io::Error>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        work: &'a Work,
        namespace: &'a mut Namespace,
        shared: &'a Shared,
        result: &'a mut ChunkResult,
    ) -> Self {
        Self { work, namespace, shared, result, chunk: work.chunks.first, nested: None, broken: None }
    }

    /// One that is run between two elements of another.
    pub(super) fn nested(self) -> Self {
        Self { nested: Some(0..self.work.chunks.count), ..self }
    }

    /// Calls the job's function for the run's chunks.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let Work { job, chunks, .. } = self.work;
        self.shared.board.start(chunks.job, chunks.first, chunks.attempt);
        match &job.entry {
            Ok(entry) => entry(self),
            Err(why) => {
                let fault =
                    Fault::new(FailureKind::Program, format!("{} cannot be called: {why}", job.label));
                self.each(|_, _, _| Err(fault.clone()));
            }
        }
        match self.broken.take() {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    #[inline]
    fn claim(&mut self) -> Option<u32> {
        match &mut self.nested {
            None => self.shared.queue.claim(),
            Some(chunks) => chunks.next(),
        }
    }

    /// Whether somebody else's urgent run is to go first. What is urgent itself is not interrupted: one client's calls keep their order.
    #[inline]
    fn is_called(&self) -> bool {
        self.shared.is_called() && !self.work.urgent
    }

    /// Runs every chunk of the run that is not recalled meanwhile. `element` gets an element's bytes and appends its
    /// result's bytes.
    #[inline]
    pub(crate) fn each(
        &mut self,
        mut element: impl FnMut(&mut Namespace, &[u8], &mut Vec<u8>) -> Result<(), Fault>,
    ) {
        let data = self.work.data.whole().clone();
        self.each_range(|ns, range, out| match data.get(range) {
            Some(bytes) => element(ns, bytes, out),
            None => Err(Fault::new(FailureKind::Decode, "the element's bytes are missing")),
        });
    }

    /// As [`each`](Self::each), with the element's place in the run's data.
    #[inline]
    pub(crate) fn each_range(
        &mut self,
        mut element: impl FnMut(&mut Namespace, Range<usize>, &mut Vec<u8>) -> Result<(), Fault>,
    ) {
        let lens = self.work.lens.clone();
        let mut slots = Slots::new(self.work.stride, &lens);
        let per_chunk = self.work.per_chunk();
        let mut now = now_ns();
        loop {
            // Before the claim, so that the chunk can still go elsewhere meanwhile.
            if self.is_called() {
                self.give_way();
                if self.broken.is_some() {
                    return;
                }
                now = now_ns();
            }
            let Some(place) = self.claim() else { return };
            self.chunk = self.work.chunks.first + u64::from(place);
            self.shared.board.advance(self.chunk);
            self.result.started_ns = now;
            self.result.away_ns = 0;
            for offset in 0..per_chunk {
                if offset > 0 && self.is_called() {
                    self.result.away_ns += self.give_way();
                    if self.broken.is_some() {
                        return;
                    }
                }
                self.shared.board.reach(offset as u32);
                let range = slots.next_range();
                let before = self.result.data.len();
                let outcome = guard(|| element(self.namespace, range, &mut self.result.data));
                if let Err(fault) = outcome.and_then(|()| self.check_len(before)) {
                    self.result.data.truncate(before);
                    self.fail(offset, fault);
                }
                self.result.lens.push((self.result.data.len() - before) as u32);
            }
            now = now_ns();
            self.result.completed_ns = now;
            let mut output = self.shared.output.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(e) = output.add(self.work, place, self.result) {
                self.broken = Some(e);
                return;
            }
        }
    }

    #[inline]
    fn check_len(&self, before: usize) -> Result<(), Fault> {
        let len = self.result.data.len() - before;
        if u32::try_from(len).is_ok() {
            return Ok(());
        }
        Err(Fault::new(
            FailureKind::Decode,
            format!("a result of {len} bytes is over the limit of 4 GiB per element"),
        ))
    }

    #[cold]
    fn fail(&mut self, offset: usize, fault: Fault) {
        // The chunk's failures travel in one frame: those after the first few thousand come without their texts.
        let texts: usize = self.result.failures.iter().map(|f| f.message.len() + f.backtrace.len()).sum();
        let full = texts < 16 * TEXT_BYTES_MAX;
        let text = |s: String| if full { s } else { String::new() };
        let offset = match self.work.only.chunks_exact(4).nth(offset) {
            Some(of_chunk) => u32::from_le_bytes(of_chunk.try_into().expect("four bytes")),
            None => offset as u32,
        };
        self.result.failures.push(Failure {
            offset,
            kind: fault.kind as u8,
            message: text(fault.message),
            location: fault.location,
            backtrace: text(fault.backtrace),
        });
    }
}
