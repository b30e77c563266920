//! Reading the socket: frames become work, or take work away.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use phalanx_proto::frames::{Assign, Chunks, Frame, FrameDecoder, Open, Part};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::RecvFlags;

use super::condition::Condition;
use super::entry::entry_at;
use super::monitor::flush;
use super::shared::Shared;
use super::work::{Job, Payload, Work};

/// A context's parts, until its last frame.
#[derive(Default)]
struct Parts(Vec<u8>);

/// The most that is reserved on the word of a first part; a larger payload grows as it comes.
const RESERVE_BYTES_MAX: u64 = 1 << 30;

impl Parts {
    fn add(&mut self, part: &Part) {
        if self.0.is_empty() {
            self.0.reserve_exact(part.total.min(RESERVE_BYTES_MAX) as usize);
        }
        self.0.extend_from_slice(&part.data);
    }

    /// The whole payload, `last` being its last part.
    fn finish(&mut self, last: Bytes) -> Bytes {
        if self.0.is_empty() {
            return last;
        }
        let mut whole = std::mem::take(&mut self.0);
        whole.extend_from_slice(&last);
        whole.into()
    }
}

/// The reading end of the socket.
pub(crate) struct Input {
    socket: UnixStream,
    decoder: FrameDecoder,
    jobs: HashMap<u64, Arc<Job>>,
    contexts: HashMap<u64, Parts>,
    /// Parts that came ahead of their assignment, and the job they are of.
    payload: (u64, Payload),
    /// Jobs that were cancelled: the news overtakes what was sent before, which may still come.
    cancelled: HashSet<u64>,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// Frames, or a part of one.
    Some,
    /// Nothing is there right now.
    Nothing,
    /// The daemon has closed its end.
    Closed,
}

impl Input {
    pub(crate) fn new(socket: UnixStream, decoder: FrameDecoder) -> Self {
        Self {
            socket,
            decoder,
            jobs: HashMap::new(),
            contexts: HashMap::new(),
            payload: (0, Payload::default()),
            cancelled: HashSet::new(),
        }
    }

    /// Reads what is there, waiting for it when `wait`, and does what it says.
    pub(crate) fn pump(&mut self, shared: &Shared, wait: bool) -> io::Result<Pumped> {
        let (socket, decoder) = (&self.socket, RefCell::new(&mut self.decoder));
        let read = || receive(socket, decoder.borrow_mut().buffer(), RecvFlags::DONTWAIT);
        let received = if wait {
            let some = |read: &io::Result<usize>| !would_block(read);
            // Who sleeps in `recv` is woken when the other end reads, too.
            phalanx_idle::wait(|| Some(read()).filter(some), || wait_for_input(socket).and_then(|()| read()))
        } else {
            read()
        };
        match received {
            Ok(0) => return Ok(Pumped::Closed),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Pumped::Nothing),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(Pumped::Some),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(Pumped::Closed),
            Err(e) => return Err(e),
        }
        self.drain(shared)?;
        Ok(Pumped::Some)
    }

    /// Does what the frames say that are here already.
    pub(crate) fn drain(&mut self, shared: &Shared) -> io::Result<()> {
        while let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
            self.handle(shared, frame)?;
        }
        Ok(())
    }

    fn handle(&mut self, shared: &Shared, frame: Frame) -> io::Result<()> {
        match frame {
            Frame::OpenPart(part) => self.contexts.entry(part.job).or_default().add(&part),
            Frame::Open(open) => self.open(open),
            Frame::AssignPart(part) => self.add_part(part),
            Frame::Assign(assign) => self.assign(shared, assign)?,
            Frame::Recall(chunks) => recall(shared, chunks)?,
            Frame::Cancel(job) => {
                self.cancelled.insert(job);
                give_back(shared, shared.queue.cancel(job))?;
            }
            Frame::Close(job) => {
                self.cancelled.remove(&job);
                self.jobs.remove(&job);
                self.contexts.remove(&job);
            }
            other => {
                let what = format!("a daemon does not send {other:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok(())
    }

    fn open(&mut self, open: Open) {
        let context = match self.contexts.remove(&open.job) {
            Some(mut parts) => parts.finish(open.context),
            None => open.context,
        };
        let entry = entry_at(open.entry).map_err(|e| e.to_string());
        let mut job = Job::new(entry, open.label, open.ranks, context);
        job.condition = open.condition.map(Condition::new);
        self.jobs.insert(open.job, Arc::new(job));
    }

    /// Keeps a part for its assignment. The one of a job that was cancelled may never come: its parts make way.
    fn add_part(&mut self, part: Part) {
        if self.cancelled.contains(&part.job) {
            return;
        }
        if self.payload.0 != part.job {
            self.payload = (part.job, Payload::default());
        }
        self.payload.1.add(part.data);
    }

    fn assign(&mut self, shared: &Shared, assign: Assign) -> io::Result<()> {
        let (of, data) = std::mem::take(&mut self.payload);
        let data = if of == assign.chunks.job { data } else { Payload::default() };
        if self.cancelled.contains(&assign.chunks.job) {
            if assign.urgent {
                shared.queue.refuse_urgent();
            }
            return give_back(shared, vec![assign.chunks]);
        }
        let Some(job) = self.jobs.get(&assign.chunks.job) else {
            let what = format!("chunks of job {}, which was never opened", assign.chunks.job);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let work = Work::new(Arc::clone(job), assign, data);
        let urgent = work.urgent;
        shared.queue.push(work);
        if urgent {
            shared.board.announce(shared.queue.urgent_come());
        }
        Ok(())
    }
}

/// Hands back what of these chunks was not begun; says so if that was not all.
fn recall(shared: &Shared, wanted: Chunks) -> io::Result<()> {
    let end = |chunks: &Chunks| chunks.first + u64::from(chunks.count);
    let returned = shared.queue.recall(wanted);
    // A run's tail goes with what was wanted of it.
    let got: u64 = returned.iter().map(|chunks| end(chunks).min(end(&wanted)) - chunks.first).sum();
    // What has ended is said before what has begun since.
    flush(shared, shared.lock_output())?;
    give_back(shared, returned)?;
    if got < wanted.count.into() {
        shared.lock_output().send(&Frame::Begun(wanted))?;
    }
    Ok(())
}

fn give_back(shared: &Shared, returned: Vec<Chunks>) -> io::Result<()> {
    let mut output = shared.lock_output();
    returned.into_iter().try_for_each(|chunks| output.send(&Frame::Returned(chunks)))
}

fn wait_for_input(socket: &UnixStream) -> io::Result<()> {
    poll(&mut [PollFd::new(socket, PollFlags::IN)], None)?;
    Ok(())
}

fn would_block(read: &io::Result<usize>) -> bool {
    read.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// Appends what can be read.
#[allow(unsafe_code, reason = "bytes that the kernel has written are initialised")]
pub(crate) fn receive(socket: &UnixStream, buffer: &mut BytesMut, flags: RecvFlags) -> io::Result<usize> {
    let (_, n) = rustix::net::recv(socket, buffer.spare_capacity_mut(), flags)?;
    // SAFETY: recv has initialised the first `n` bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + n) };
    Ok(n)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use phalanx_engine::Board;

    use super::super::output::Output;
    use super::*;

    /// A worker, and the daemon's end of its socket.
    fn worker() -> (Shared, UnixStream) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        let output = Output::new(ours.try_clone().unwrap(), None);
        let input = Input::new(ours, FrameDecoder::default());
        (Shared::new(Board::create().unwrap(), output, input, false), theirs)
    }

    fn open(job: u64) -> Frame {
        Frame::Open(Open {
            job,
            entry: 0,
            label: String::new(),
            ranks: 0,
            condition: None,
            context: Bytes::new(),
        })
    }

    fn part(job: u64, data: &'static [u8]) -> Frame {
        Frame::AssignPart(Part { job, total: 4, data: Bytes::from_static(data) })
    }

    fn assign(job: u64, data: &'static [u8]) -> Frame {
        let chunks = Chunks { job, first: 3, count: 1, attempt: 1 };
        let (lens, only, data) = (Bytes::new(), Bytes::new(), Bytes::from_static(data));
        Frame::Assign(Assign {
            chunks,
            element_first: 3,
            chunk_len: 1,
            stride: 4,
            lens,
            only,
            urgent: job == 4,
            data,
        })
    }

    fn tell(shared: &Shared, frames: impl IntoIterator<Item = Frame>) {
        let mut input = shared.input.lock().unwrap();
        frames.into_iter().for_each(|frame| input.handle(shared, frame).unwrap());
    }

    #[test]
    fn parts_of_a_job_that_was_cancelled_are_not_taken_for_anothers() {
        let (shared, _theirs) = worker();
        tell(&shared, [open(1), open(2), part(1, b"aa"), Frame::Cancel(1), part(1, b"bb")]);
        tell(&shared, [part(2, b"cc"), assign(2, b"dd")]);
        let work = shared.queue.begin().unwrap();
        assert_eq!((work.chunks.job, &work.data.whole()[..]), (2, &b"ccdd"[..]));
        // And when only the daemon knows that it was cancelled.
        tell(&shared, [open(3), part(3, b"aa"), assign(2, b"ee")]);
        assert_eq!(&shared.queue.begin().unwrap().data.whole()[..], b"ee");
    }

    #[test]
    fn what_comes_of_a_job_after_its_cancellation_is_handed_back_until_it_is_closed() {
        let (shared, mut theirs) = worker();
        tell(&shared, [Frame::Cancel(1), open(1), part(1, b"aa"), assign(1, b"bb")]);
        assert!(shared.queue.begin().is_none());
        let mut decoder = FrameDecoder::default();
        let mut piece = [0; 256];
        let returned = loop {
            if let Some(frame) = decoder.next_frame().unwrap() {
                break frame;
            }
            let n = theirs.read(&mut piece).unwrap();
            decoder.buffer().extend_from_slice(&piece[..n]);
        };
        assert_eq!(returned, Frame::Returned(Chunks { job: 1, first: 3, count: 1, attempt: 1 }));
        tell(&shared, [Frame::Cancel(4), open(4), assign(4, b"dd")]);
        assert_eq!(shared.queue.urgent_gone(), 1, "one that was announced is not waited for");
        tell(&shared, [Frame::Close(1), open(1), assign(1, b"cccc")]);
        assert_eq!(&shared.queue.begin().unwrap().data.whole()[..], b"cccc");
    }

    /// What has begun is named when it is asked for, and the rest is handed back.
    #[test]
    fn of_what_is_recalled_the_begun_is_named() {
        let (shared, mut theirs) = worker();
        let chunks = |first, count| Chunks { job: 1, first, count, attempt: 1 };
        let Frame::Assign(one) = assign(1, b"aa") else { unreachable!() };
        let data = Bytes::from_static(b"aaaabbbbcccc");
        let three = Assign { chunks: chunks(3, 3), stride: 4, data, ..one };
        tell(&shared, [open(1), Frame::Assign(three)]);
        assert!(shared.queue.begin().is_some() && shared.queue.claim() == Some(0));
        tell(&shared, [Frame::Recall(chunks(3, 3)), Frame::Recall(chunks(4, 2))]);
        drop(shared);
        let (mut decoder, mut wire) = (FrameDecoder::default(), Vec::new());
        theirs.read_to_end(&mut wire).unwrap();
        decoder.buffer().extend_from_slice(&wire);
        let said: Vec<Frame> = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect();
        let twice = Frame::Begun(chunks(4, 2));
        assert_eq!(said, [Frame::Returned(chunks(4, 2)), Frame::Begun(chunks(3, 3)), twice]);
    }
}
