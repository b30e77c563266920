//! What an entry point sees of its worker: the run, the namespace, and where results go.

use std::io;
use std::ops::Range;

use phalanx_engine::NO_ELEMENT;
use phalanx_proto::frames::{Chunks, Failure, Frame};
use phalanx_proto::limits::{REPORT_FAILURES_MAX, TEXT_BYTES_MAX, clip};
use phalanx_proto::v1::FailureKind;

use super::clock::now_ns;
use super::fault::{Fault, guard};
use super::held::ChunkResult;
use super::here::{Here, set_here};
use super::namespace::Namespace;
use super::print_thread::say_rest;
use super::reference;
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
    /// References look names up in the engine's namespace, which is not here meanwhile.
    pub(super) lends_names: bool,
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
        let chunk = work.chunks.first;
        Self { work, namespace, shared, result, chunk, nested: None, lends_names: false, broken: None }
    }

    /// One that is run between two elements of another.
    pub(super) fn nested(self) -> Self {
        Self { nested: Some(0..self.work.chunks.count), ..self }
    }

    /// Calls the job's function for the run's chunks, if its condition is met.
    pub(super) fn run(&mut self) -> io::Result<()> {
        self.begin()?;
        // A condition asks where it is, as functions do.
        self.enter();
        let job = &self.work.job;
        if let Some(condition) = &job.condition
            && let Err(why) = condition.check(self.namespace)
        {
            return self.refuse(&why);
        }
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

    /// Notes what runs now, for the daemon and for what is printed.
    fn begin(&self) -> io::Result<()> {
        if self.shared.is_process {
            // Half a line of the run before is that run's.
            say_rest();
        }
        let mut output = self.shared.lock_output();
        output.begin(self.work)?;
        self.note_run();
        Ok(())
    }

    pub(super) fn note_run(&self) {
        let (Work { chunks, element_first, chunk_len, .. }, board) = (self.work, &self.shared.board);
        // A death in between is nobody's fault.
        board.idle();
        board.set_run(chunks.first, *element_first, *chunk_len);
        board.start(chunks.job, self.chunk, chunks.attempt);
    }

    /// The job's condition is not met here: all that waits of it goes back.
    fn refuse(&self, why: &str) -> io::Result<()> {
        let Chunks { job, .. } = self.work.chunks;
        let own = self.nested.as_ref().map(|_| self.work.chunks);
        let mut output = self.shared.lock_output();
        let mut refused = self.shared.queue.cancel(job).into_iter().chain(own);
        refused.try_for_each(|chunks| output.send(&Frame::Refused(chunks, why.to_owned())))
    }

    /// Its chunk's place in the run.
    pub(super) fn place(&self) -> u32 {
        (self.chunk - self.work.chunks.first) as u32
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

    /// [`Reference`](super::Reference)s that `run` decodes get the values of this engine's namespace.
    pub(crate) fn with_references(&mut self, run: impl FnOnce(&mut Self)) {
        reference::open(self.namespace);
        self.lends_names = true;
        run(self);
        self.lends_names = false;
        reference::close(self.namespace);
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
        'chunks: loop {
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
                    if self.shared.queue.is_interrupted() {
                        return self.give_up(place);
                    }
                }
                self.shared.board.reach(offset as u32);
                let range = slots.next_range();
                let before = self.result.data.len();
                let outcome = guard(|| element(self.namespace, range, &mut self.result.data));
                if let Err(fault) = outcome.and_then(|()| self.check_len(before)) {
                    self.result.data.truncate(before);
                    self.fail(offset, fault);
                    if self.result.failures.len() > REPORT_FAILURES_MAX {
                        if let Err(e) = self.leave_untold(place) {
                            self.broken = Some(e);
                            return;
                        }
                        now = now_ns();
                        continue 'chunks;
                    }
                }
                self.result.lens.push((self.result.data.len() - before) as u32);
                if self.shared.queue.is_interrupted() {
                    return self.give_up(place);
                }
            }
            self.shared.board.reach(NO_ELEMENT);
            now = now_ns();
            self.result.completed_ns = now;
            if let Err(e) = self.hand_in(place) {
                self.broken = Some(e);
                return;
            }
        }
    }

    /// Says where functions run from here on. A direct job has one chunk for each engine, whose place is the chunk's.
    pub(super) fn enter(&self) {
        let Chunks { first, attempt, .. } = self.work.chunks;
        let (rank, size) = match self.work.job.ranks {
            0 => (0, 1),
            ranks => (first as u32, ranks),
        };
        set_here(Some(Here { engine: self.namespace.engine(), rank, size, attempt }));
    }

    /// The job was aborted: the chunk under way is handed back unfinished, and none follows; so are those that were claimed with it.
    #[cold]
    fn give_up(&mut self, place: u32) {
        self.result.clear();
        let first = self.work.chunks.first + u64::from(place);
        let claimed = self.nested.take().map_or(0, |rest| rest.len() as u32);
        let returned = Frame::Returned(Chunks { first, count: 1 + claimed, ..self.work.chunks });
        let mut output = self.shared.lock_output();
        if let Err(e) = output.send(&returned) {
            self.broken = Some(e);
        }
    }

    /// So many elements of the chunk have failed that no report holds it: it fails as a whole, without what is left of it.
    #[cold]
    fn leave_untold(&mut self, place: u32) -> io::Result<()> {
        self.shared.board.reach(NO_ELEMENT);
        let first = self.work.chunks.first + u64::from(place);
        let reason = self.result.failures.first().map_or("", |failure| &failure.message);
        let text = format!(
            "more than {REPORT_FAILURES_MAX} elements of its chunk failed, which was given up, the first with: {}; use a smaller chunksize to have those that do not fail",
            clip(reason, TEXT_BYTES_MAX / 2),
        );
        self.result.clear();
        let mut output = self.shared.lock_output();
        output.look_at_end(Some(first))?;
        output.flush()?;
        output.send(&Frame::Untold(Chunks { first, count: 1, ..self.work.chunks }, text))
    }

    /// Hands in the results of a chunk, and before them what it printed.
    #[inline]
    fn hand_in(&mut self, place: u32) -> io::Result<()> {
        let mut output = self.shared.lock_output();
        if output.wants_look(self.work, place, self.result) {
            // What is half a line may still be in the buffer. It is not waited for with the lock: somebody must read what others write.
            drop(output);
            say_rest();
            output = self.shared.lock_output();
            output.look_at_end(Some(self.work.chunks.first + u64::from(place)))?;
        }
        output.add(self.work, place, self.result)
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
        let full = self.result.failure_text_bytes < 16 * TEXT_BYTES_MAX;
        let text = |s: String| if full { s } else { String::new() };
        let offset = match self.work.only.chunks_exact(4).nth(offset) {
            Some(of_chunk) => u32::from_le_bytes(of_chunk.try_into().expect("four bytes")),
            None => offset as u32,
        };
        let failure = Failure {
            offset,
            kind: fault.kind as u8,
            message: text(fault.message),
            location: text(fault.location),
            backtrace: text(fault.backtrace),
        };
        self.result.failure_text_bytes +=
            failure.message.len() + failure.location.len() + failure.backtrace.len();
        self.result.failures.push(failure);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use phalanx_engine::Board;
    use phalanx_proto::frames::FrameDecoder;

    use super::super::input::Input;
    use super::super::namespace::Predecessor;
    use super::super::output::Output;
    use super::*;

    /// A daemon that does not read may be slow; the function has returned.
    #[test]
    fn an_element_whose_result_is_being_sent_runs_no_more() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let output = Output::new(ours.try_clone().unwrap(), None);
        let input = Input::new(ours, FrameDecoder::default());
        let shared = Shared::new(Board::create().unwrap(), output, input, false);
        let work = Work::of_chunks(1, 0, 1);
        let place = || shared.board.running().map(|running| running.place);
        let has_run = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut namespace, mut result) =
                    (Namespace::new(0, Predecessor::default()), ChunkResult::default());
                let mut call = Call::new(&work, &mut namespace, &shared, &mut result).nested();
                call.begin().unwrap();
                assert_eq!(place(), Some(NO_ELEMENT), "it has not begun");
                call.each(|_, _, out| {
                    assert_eq!(place(), Some(0));
                    out.resize(8 << 20, 0);
                    has_run.store(true, Ordering::Release);
                    Ok(())
                });
                assert!(call.broken.is_none());
            });
            let deadline = Instant::now() + Duration::from_secs(20);
            let is_sending = || has_run.load(Ordering::Acquire) && place() == Some(NO_ELEMENT);
            while !is_sending() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            let seen = is_sending();
            // Whatever was seen, the other thread comes to its end.
            theirs.read_exact(&mut vec![0; 8 << 20]).unwrap();
            assert!(seen, "the element is still said to run");
        });
    }
}
