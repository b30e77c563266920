//! Reading the socket: frames become work, or take work away.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use phalanx_proto::frames::{Assign, Chunks, Frame, FrameDecoder, Open, Part};
use rustix::net::RecvFlags;

use super::entry::entry_at;
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
    payload: Payload,
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
        Self { socket, decoder, jobs: HashMap::new(), contexts: HashMap::new(), payload: Payload::default() }
    }

    /// Reads what is there, waiting for it when `wait`, and does what it says.
    pub(crate) fn pump(&mut self, shared: &Shared, wait: bool) -> io::Result<Pumped> {
        let (socket, decoder) = (&self.socket, RefCell::new(&mut self.decoder));
        let read = |flags| receive(socket, decoder.borrow_mut().buffer(), flags);
        let received = if wait {
            let some = |read: &io::Result<usize>| !would_block(read);
            phalanx_idle::wait(|| Some(read(RecvFlags::DONTWAIT)).filter(some), || read(RecvFlags::empty()))
        } else {
            read(RecvFlags::DONTWAIT)
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
            Frame::AssignPart(part) => self.payload.add(part.data),
            Frame::Assign(assign) => self.assign(shared, assign)?,
            Frame::Recall(chunks) => give_back(shared, shared.queue.recall(chunks))?,
            Frame::Cancel(job) => give_back(shared, shared.queue.cancel(job))?,
            Frame::Close(job) => {
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
        self.jobs.insert(open.job, Arc::new(Job::new(entry, open.label, context)));
    }

    fn assign(&mut self, shared: &Shared, assign: Assign) -> io::Result<()> {
        let data = std::mem::take(&mut self.payload);
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

fn give_back(shared: &Shared, returned: Vec<Chunks>) -> io::Result<()> {
    let mut output = shared.output.lock().unwrap_or_else(PoisonError::into_inner);
    returned.into_iter().try_for_each(|chunks| output.send(&Frame::Returned(chunks)))
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
