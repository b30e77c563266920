//! Results on their way out: chunks of one run are reported together, but none waits for long.

use std::io::{self, IoSlice, Write};
use std::os::unix::net::UnixStream;

use bytes::BytesMut;
use phalanx_engine::Running;
use phalanx_proto::frames::{Frame, ReportPart};
use phalanx_proto::limits::{FRAME_BYTES_MAX, PART_BYTES};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::held::{ChunkResult, Held};
use super::printed::Printed;
use super::work::Work;

/// Held back no longer than this while chunks follow each other.
pub(crate) const HOLD_NS_MAX: u64 = 1_000_000;
/// And no more bytes than this.
const HOLD_BYTES_MAX: usize = 64 << 10;
/// And no more chunks than this.
const HOLD_CHUNKS_MAX: u32 = 4096;

/// The writing end of the socket, and what waits to be written.
pub(crate) struct Output {
    wire: Wire,
    held: Option<Held>,
    /// When something was sent last, by the clock of the results.
    flushed_ns: u64,
    /// What is held back of a run that makes way for an urgent one, and its `flushed_ns`.
    aside: Option<(Held, u64)>,
    /// What user code prints, when this is a process of its own.
    printed: Option<Printed>,
}

/// The socket, and where frames are put together.
struct Wire {
    socket: UnixStream,
    head: BytesMut,
}

impl Output {
    pub(crate) fn new(socket: UnixStream, printed: Option<Printed>) -> Self {
        Self { wire: Wire { socket, head: BytesMut::new() }, held: None, flushed_ns: 0, aside: None, printed }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, work: &Work) -> io::Result<()> {
        if self.printed.is_none()
            || self.held.as_ref().is_some_and(|held| held.continues(work, work.chunks.first))
        {
            return Ok(());
        }
        if self.held.is_some() {
            self.look_at_end(None)?;
            self.flush()?;
        }
        let Self { printed: Some(printed), wire, .. } = self else { return Ok(()) };
        printed.begin(work, 0, &mut |frame| wire.send(frame))
    }

    /// A run makes way for an urgent one: what is held back of it is not sent before that one's result, unless that takes long.
    pub(crate) fn put_aside(&mut self) {
        self.aside = self.held.take().map(|held| (held, self.flushed_ns));
    }

    /// A run goes on with its chunk `place`, after an urgent one in between, of which nothing is held back.
    pub(crate) fn go_on(&mut self, work: &Work, place: u32) -> io::Result<()> {
        debug_assert!(self.held.is_none());
        if let Some((held, flushed_ns)) = self.aside.take() {
            (self.held, self.flushed_ns) = (Some(held), flushed_ns);
        }
        let Self { printed: Some(printed), wire, .. } = self else { return Ok(()) };
        printed.begin(work, place, &mut |frame| wire.send(frame))
    }

    /// Whether what was printed must be looked at before chunk `place` of a run is [`add`](Self::add)ed: because its words are to be
    /// told from others', or because results are going out, and no words shall come behind them.
    #[inline]
    pub(crate) fn wants_look(&self, work: &Work, place: u32, result: &ChunkResult) -> bool {
        self.printed.is_some() && (work.job.prints.is_worth_a_look() || self.flushes(work, place, result))
    }

    /// Sends what chunks have printed of which this is the last; by default the last that is held back.
    pub(crate) fn look_at_end(&mut self, chunk: Option<u64>) -> io::Result<()> {
        let chunk = chunk.or_else(|| self.held.as_ref().map(Held::last));
        let Self { printed: Some(printed), wire, .. } = self else { return Ok(()) };
        chunk.map_or(Ok(()), |chunk| printed.look_at_end(chunk, &mut |frame| wire.send(frame)))
    }

    /// Sends what was printed so far, while this runs; whether there is more that may not be sent yet.
    pub(crate) fn look(&mut self, running: Option<Running>) -> io::Result<bool> {
        let Self { printed: Some(printed), wire, .. } = self else { return Ok(false) };
        printed.look(running, &mut |frame| wire.send(frame))?;
        Ok(printed.holds())
    }

    /// Sends everything, for nothing is to be run.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.look_at_end(None)?;
        self.flush()?;
        let Self { printed: Some(printed), wire, .. } = self else { return Ok(()) };
        printed.rest(&mut |frame| wire.send(frame))
    }

    /// Adds the result of chunk `place` of a run; `result` comes back empty.
    pub(crate) fn add(&mut self, work: &Work, place: u32, result: &mut ChunkResult) -> io::Result<()> {
        let now = result.completed_ns;
        let alone = is_alone(work, result);
        let first = work.chunks.first + u64::from(place);
        if alone || !self.held.as_ref().is_some_and(|held| held.continues(work, first)) {
            self.flush()?;
        }
        match &mut self.held {
            Some(held) => held.append(result),
            None => self.held = Some(Held::new(work, place, result)),
        }
        result.clear();
        if alone || self.is_due(now) { self.flush() } else { Ok(()) }
    }

    /// Whether adding it sends something.
    fn flushes(&self, work: &Work, place: u32, result: &ChunkResult) -> bool {
        let first = work.chunks.first + u64::from(place);
        let (bytes, chunks) = match &self.held {
            Some(held) if !held.continues(work, first) => return true,
            Some(held) => (held.result.data.len(), held.chunks.count),
            None => (0, 0),
        };
        is_alone(work, result)
            || bytes + result.data.len() >= HOLD_BYTES_MAX
            || chunks + 1 >= HOLD_CHUNKS_MAX
            || result.completed_ns.saturating_sub(self.flushed_ns) >= HOLD_NS_MAX
    }

    fn is_due(&self, now: u64) -> bool {
        let full = |h: &Held| h.result.data.len() >= HOLD_BYTES_MAX || h.chunks.count >= HOLD_CHUNKS_MAX;
        self.held.as_ref().is_some_and(full) || now.saturating_sub(self.flushed_ns) >= HOLD_NS_MAX
    }

    /// Whether something has been held back since before `then`.
    pub(crate) fn holds_since(&self, then: u64) -> bool {
        let aside = self.aside.as_ref().is_some_and(|(_, flushed_ns)| *flushed_ns < then);
        aside || self.held.is_some() && self.flushed_ns < then
    }

    /// Sends everything that is held back, of a run that has made way too.
    pub(crate) fn flush_all(&mut self) -> io::Result<()> {
        if let Some((held, _)) = self.aside.take() {
            self.report(held)?;
        }
        self.flush()
    }

    /// Sends everything that is held back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.flushed_ns = held.result.completed_ns;
        self.report(held)
    }

    fn report(&mut self, mut held: Held) -> io::Result<()> {
        let data = held.take_data();
        let last = data.len().saturating_sub(1) / PART_BYTES * PART_BYTES;
        for at in (0..last).step_by(PART_BYTES) {
            let data_part = data.slice(at..at + PART_BYTES);
            self.send(&Frame::ReportPart(ReportPart {
                chunks: held.chunks,
                total: data.len() as u64,
                data: data_part,
            }))?;
        }
        let report = Frame::Report(held.into_report(last as u64, data.slice(last..)));
        self.send(&report)
    }

    /// Somebody waits for what was sent: the daemon has this core first, if it needs it.
    pub(crate) fn let_read(&self) {
        phalanx_idle::let_read(&self.wire.socket);
    }

    /// Sends one frame, after what is held back.
    pub(crate) fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.wire.send(frame)
    }
}

/// Whether it cannot be reported together with others.
fn is_alone(work: &Work, result: &ChunkResult) -> bool {
    !result.failures.is_empty() || !work.only.is_empty() || result.data.len() > HOLD_BYTES_MAX
}

impl Wire {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.head.clear();
        let data = frame.encode_head(&mut self.head);
        debug_assert!(self.head.len() + data.len() <= FRAME_BYTES_MAX + 4);
        if data.len() < 16 << 10 {
            self.head.extend_from_slice(&data);
            return self.socket.write_all(&self.head);
        }
        let sent = self.send_some(&data)?;
        let (head, data) = left_of(&self.head, &data, sent);
        self.socket.write_all(head)?;
        self.socket.write_all(data)
    }

    /// Head and data in one go, so that who reads them is woken once; how much of them.
    fn send_some(&self, data: &[u8]) -> io::Result<usize> {
        let parts = [IoSlice::new(&self.head), IoSlice::new(data)];
        // No signal when the daemon is gone, as with `write_all`.
        match sendmsg(&self.socket, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => Ok(0),
            sent => Ok(sent?),
        }
    }
}

/// What is left of both when the first `sent` bytes are gone.
fn left_of<'a>(head: &'a [u8], data: &'a [u8], sent: usize) -> (&'a [u8], &'a [u8]) {
    let of_head = sent.min(head.len());
    (&head[of_head..], &data[sent - of_head..])
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use phalanx_proto::frames::{FrameDecoder, Report};

    use super::*;

    fn done_at(completed_ns: u64) -> ChunkResult {
        ChunkResult { completed_ns, ..ChunkResult::default() }
    }

    /// The time of an urgent run of somebody else belongs to that.
    #[test]
    fn a_chunk_that_was_interrupted_was_busy_for_its_own_time_only() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = Output::new(ours, None);
        let work = Work::of_chunks(1, 0, 2);
        let mut result =
            ChunkResult { started_ns: 100, completed_ns: 1_000, away_ns: 700, ..ChunkResult::default() };
        output.add(&work, 0, &mut result).unwrap();
        assert_eq!(result.away_ns, 0, "the next chunk starts afresh");
        (result.started_ns, result.completed_ns) = (1_000, 1_050);
        output.add(&work, 1, &mut result).unwrap();
        output.flush().unwrap();
        drop(output);
        let reports = reports(&mut theirs);
        assert_eq!(reports.iter().map(|r| (r.chunks.count, r.busy_ns)).collect::<Vec<_>>(), [(2, 200 + 50)]);
    }

    fn reports(theirs: &mut UnixStream) -> Vec<Report> {
        let (mut decoder, mut wire) = (FrameDecoder::default(), Vec::new());
        theirs.read_to_end(&mut wire).unwrap();
        decoder.buffer().extend_from_slice(&wire);
        let next = || match decoder.next_frame().unwrap()? {
            Frame::Report(report) => Some(report),
            other => panic!("a report: {other:?}"),
        };
        std::iter::from_fn(next).collect()
    }

    /// Of a job that was submitted again for what is missing: elements 7, and 9 and 10, in chunks 0, 1 and 2.
    #[test]
    fn chunks_whose_elements_are_no_neighbours_are_reported_apart() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = Output::new(ours, None);
        for (first, count, element_first) in [(0, 1, 7), (1, 2, 9)] {
            let work = Work { element_first, ..Work::of_chunks(1, first, count) };
            for place in 0..count {
                output.add(&work, place, &mut ChunkResult::default()).unwrap();
            }
        }
        output.flush().unwrap();
        drop(output);
        let seen: Vec<_> = reports(&mut theirs).iter().map(|r| (r.element_first, r.chunks.count)).collect();
        assert_eq!(seen, [(7, 1), (9, 2)]);
    }

    #[test]
    fn an_urgent_result_goes_before_what_is_held_back_and_does_not_put_it_off() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = Output::new(ours, None);
        let (long, urgent) = (Work::of_chunks(1, 0, 3), Work::of_chunks(2, 0, 1));
        output.add(&long, 0, &mut done_at(1)).unwrap();
        output.put_aside();
        output.add(&urgent, 0, &mut done_at(HOLD_NS_MAX - 2)).unwrap();
        output.flush().unwrap();
        output.go_on(&long, 1).unwrap();
        output.add(&long, 1, &mut done_at(HOLD_NS_MAX - 1)).unwrap();
        assert!(output.held.is_some(), "it is not time yet");
        output.add(&long, 2, &mut done_at(HOLD_NS_MAX)).unwrap();
        assert!(output.held.is_none(), "it is time");
        drop(output);
        let seen: Vec<_> = reports(&mut theirs).iter().map(|r| (r.chunks.job, r.chunks.count)).collect();
        assert_eq!(seen, [(2, 1), (1, 3)]);
    }

    #[test]
    fn what_is_held_back_does_not_wait_for_an_urgent_run_that_takes_long() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = Output::new(ours, None);
        let long = Work::of_chunks(1, 0, 2);
        output.add(&long, 0, &mut done_at(10)).unwrap();
        output.put_aside();
        assert!(output.holds_since(11));
        output.flush_all().unwrap();
        assert!(!output.holds_since(11));
        output.go_on(&long, 1).unwrap();
        output.add(&long, 1, &mut done_at(20)).unwrap();
        output.flush_all().unwrap();
        drop(output);
        let seen: Vec<_> = reports(&mut theirs).iter().map(|r| (r.chunks.first, r.chunks.count)).collect();
        assert_eq!(seen, [(0, 1), (1, 1)]);
    }

    /// Beside the data they would make the report too long for a message.
    #[test]
    fn very_many_lengths_go_out_behind_the_values() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let n = 3 << 20;
        let writer = std::thread::spawn(move || {
            let mut output = Output::new(ours, None);
            let mut result = ChunkResult { data: vec![7; n / 2], ..ChunkResult::default() };
            (0..n).for_each(|i| result.lens.push((i % 2) as u32));
            output.add(&Work { chunk_len: n as u32, ..Work::of_chunks(1, 0, 1) }, 0, &mut result).unwrap();
            output.flush().unwrap();
        });
        let (mut decoder, mut wire, mut data) = (FrameDecoder::default(), Vec::new(), Vec::new());
        theirs.read_to_end(&mut wire).unwrap();
        writer.join().unwrap();
        decoder.buffer().extend_from_slice(&wire);
        let report = loop {
            match decoder.next_frame().unwrap().expect("a report comes") {
                Frame::ReportPart(part) => data.extend_from_slice(&part.data),
                Frame::Report(report) => break report,
                other => panic!("a report: {other:?}"),
            }
        };
        assert_eq!((report.data_before, report.lens.len(), report.lens_behind), (data.len() as u64, 0, true));
        data.extend_from_slice(&report.data);
        assert_eq!(data.len(), n / 2 + 4 * n);
        assert_eq!(data[n / 2..n / 2 + 8], [0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn what_did_not_go_out_at_once_goes_out_later() {
        let (head, data) = (&[1, 2][..], &[3, 4, 5][..]);
        let left: Vec<_> = (0..=5).map(|sent| left_of(head, data, sent)).collect();
        assert_eq!(left[..3], [(head, data), (&head[1..], data), (&[], data)]);
        assert_eq!(left[3..], [(&[][..], &data[1..]), (&[], &data[2..]), (&[], &[])]);
    }
}
