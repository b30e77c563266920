//! What user code prints, from the pipes to the daemon: read by the worker itself, for it alone knows which chunk ran meanwhile.
//!
//! ```text
//! user code ──▶ stdout, stderr (pipes) ──▶ Printed ──▶ frames ──▶ daemon
//!                                           ▲   ▲
//!                    executor, before a ────┘   └──── the thread "phalanx-output",
//!                    chunk's results go out           while a chunk runs or none does
//! ```
//!
//! A chunk's words go out before its results. How much goes out is bounded ([`Pace`]): beyond that the beginning and the end of what a
//! chunk says are kept ([`Held`]), and what lies between is counted.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use phalanx_engine::Running;
use phalanx_proto::frames::{During, Frame, Output};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::now_ns;
use super::held_text::{Held, TAIL_BYTES_MAX};
use super::pace::Pace;
use super::work::{Job, Work};

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;
/// The most that is read of a pipe before results go out: more than it holds, for others may go on writing.
const LOOK_BYTES_MAX: usize = 256 << 10;
/// The most chunks that words are put down to together.
const TOGETHER_CHUNKS_MAX: u32 = 4096;

/// Both pipes, and what was read and not sent.
pub(crate) struct Printed {
    streams: [Stream; 2],
    pace: Pace,
    /// The chunks to which what comes now may belong, and their job. None between calls.
    since: Option<(During, Arc<Job>)>,
    buffer: Box<[u8]>,
}

struct Stream {
    /// None when nobody can write to it any more.
    pipe: Option<OwnedFd>,
    held: Held,
}

impl Printed {
    pub(crate) fn new(pipes: [OwnedFd; 2]) -> Self {
        let stream = |pipe| Stream { pipe: Some(pipe), held: Held::default() };
        Self {
            streams: pipes.map(stream),
            pace: Pace::default(),
            since: None,
            buffer: vec![0; READ_BYTES].into(),
        }
    }

    /// A run begins that does not go on where the last one ended: what comes now belongs to its chunk `place`.
    pub(crate) fn begin(&mut self, work: &Work, place: u32, send: Send<'_>) -> io::Result<()> {
        self.settle(true, send)?;
        self.since = Some((work.during(place), Arc::clone(&work.job)));
        Ok(())
    }

    /// Looks what there is, while this runs.
    pub(crate) fn look(&mut self, running: Option<Running>, send: Send<'_>) -> io::Result<()> {
        let is_its = |now: &Running| {
            let chunks = self.since.as_ref().map(|(since, _)| since.chunks);
            chunks.is_some_and(|c| (c.job, c.attempt) == (now.job, now.attempt) && c.first <= now.chunk)
        };
        let running = running.filter(is_its);
        running.iter().for_each(|now| self.extend(now.chunk));
        self.take(send)?;
        if let Some(now) = running.filter(|_| !self.holds()) {
            self.go_on(now.chunk);
        }
        Ok(())
    }

    /// A chunk has ended: what comes from now on belongs to the next one.
    pub(crate) fn look_at_end(&mut self, chunk: u64, send: Send<'_>) -> io::Result<()> {
        self.extend(chunk);
        self.take(send)?;
        let is_full = self.since.as_ref().is_none_or(|(since, _)| since.chunks.count == TOGETHER_CHUNKS_MAX);
        if self.settle(is_full, send)? {
            self.go_on(chunk.saturating_add(1));
        }
        Ok(())
    }

    /// Nothing runs any more: what comes now belongs to no job.
    pub(crate) fn rest(&mut self, send: Send<'_>) -> io::Result<()> {
        self.settle(true, send)?;
        self.since = None;
        Ok(())
    }

    /// Whether anything waits to be sent.
    pub(crate) fn holds(&self) -> bool {
        self.streams.iter().any(|stream| stream.held.has_tail())
    }

    /// What comes may belong to this chunk too.
    fn extend(&mut self, chunk: u64) {
        if let Some((since, _)) = &mut self.since {
            let count = chunk.saturating_sub(since.chunks.first).saturating_add(1);
            since.chunks.count = u32::try_from(count).unwrap_or(u32::MAX).clamp(1, TOGETHER_CHUNKS_MAX);
        }
    }

    /// All that chunks before this one have written is sent.
    fn go_on(&mut self, chunk: u64) {
        if let Some((since, _)) = &mut self.since {
            let done = chunk.saturating_sub(since.chunks.first);
            since.element_first =
                since.element_first.saturating_add(done.saturating_mul(since.chunk_len.into()));
            since.chunks.first = chunk;
            since.chunks.count = 1;
        }
    }

    /// Reads what is there, and sends what may be sent now.
    fn take(&mut self, send: Send<'_>) -> io::Result<()> {
        let readable = self.readable();
        let printed = readable != [false; 2] || self.holds();
        if let Some((_, job)) = &self.since {
            job.prints.note(printed);
        }
        if !printed {
            return Ok(());
        }
        self.pace.refill(now_ns());
        for (index, is_readable) in readable.into_iter().enumerate() {
            if is_readable {
                self.read(index, send)?;
            }
            if self.streams[index].held.has_tail() && self.pace.allowed() >= TAIL_BYTES_MAX {
                self.send_tail(index, send)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize, send: Send<'_>) -> io::Result<()> {
        let mut read = 0;
        while read < LOOK_BYTES_MAX
            && let Some(pipe) = &self.streams[index].pipe
        {
            match rustix::io::read(pipe, &mut self.buffer[..]) {
                Ok(0) => self.streams[index].pipe = None,
                Ok(n) => {
                    read += n;
                    let head = self.streams[index].held.add(&self.buffer[..n], self.pace.allowed());
                    if !head.is_empty() {
                        self.pace.spend(head.len());
                        send(&self.frame(index, 0, head))?;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Which pipes have something: one system call when none has.
    fn readable(&self) -> [bool; 2] {
        let open: Vec<usize> = (0..2).filter(|&i| self.streams[i].pipe.is_some()).collect();
        let pipes = open.iter().filter_map(|&i| self.streams[i].pipe.as_ref());
        let mut fds: Vec<_> = pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        let mut readable = [false; 2];
        if poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap_or(0) > 0 {
            for (&index, fd) in open.iter().zip(&fds) {
                readable[index] = !fd.revents().is_empty();
            }
        }
        readable
    }

    /// Sends the ends of what was said, since it has ended. When there is too much even of those, they are dropped and counted, and
    /// the count is owed; unless `all`, when it goes out too. False when something is owed.
    fn settle(&mut self, all: bool, send: Send<'_>) -> io::Result<bool> {
        let mut owed = false;
        for index in 0..2 {
            let held = &mut self.streams[index].held;
            if !held.has_tail() {
                continue;
            }
            if !self.pace.may_overdraw() {
                held.drop_tail();
                if !all {
                    owed = true;
                    continue;
                }
            }
            self.send_tail(index, send)?;
        }
        Ok(!owed)
    }

    fn send_tail(&mut self, index: usize, send: Send<'_>) -> io::Result<()> {
        let (dropped, tail) = self.streams[index].held.take_tail();
        self.pace.spend(tail.len());
        send(&self.frame(index, dropped, tail))
    }

    fn frame(&self, index: usize, dropped: u64, data: Vec<u8>) -> Frame {
        let during = self.since.as_ref().map(|(since, _)| *since);
        Frame::Output(Output { during, is_stderr: index == 1, dropped, data: data.into() })
    }
}

/// Where frames go.
pub(crate) type Send<'a> = &'a mut dyn FnMut(&Frame) -> io::Result<()>;

#[cfg(test)]
#[path = "printed_tests.rs"]
mod tests;
