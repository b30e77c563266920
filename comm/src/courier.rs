//! Moves messages between this rank and the others: the part of a communicator that all transports share.
//!
//! Everything happens in [`Courier::exchange`], on the thread of the program: it sends some messages and receives others, all of them at the same
//! time, until all are done. Messages that nobody asked for yet are held, within a window beyond which nobody sends.
//!
//! - `jobs.rs`: what an exchange is to do; `peer.rs`: what is under way with one other rank;
//! - `reading.rs`, `writing.rs`: frames in and out;
//! - `ledger.rs`: which collectives this rank called; a message that says otherwise is a [`CommError::Mismatch`];
//! - `waits.rs`: ranks that wait for each other; `failure.rs`: the agreement on one error.

mod failure;
mod jobs;
mod ledger;
mod peer;
mod reading;
#[cfg(test)]
mod tests;
mod waits;
mod writing;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use phalanx_idle::Window;

use crate::error::CommError;
use crate::frame::{CHUNK_BYTES_MIN, MESSAGE_BYTES, WINDOW_BYTES};
use crate::stamp::Stamp;
use crate::transport::{Interest, Transport};
pub(crate) use jobs::{Fold, Incoming, Outgoing, Sink, State, zeroed};
use ledger::Ledger;
use peer::Peer;
use waits::{Post, mismatch};

/// A rank that made no progress for so long tells the others what it waits for.
const POST_AFTER: Duration = Duration::from_secs(1);
/// A busy rank looks at all its peers once in so many exchanges: one that has failed may be none that it talks with.
const SWEEP_EXCHANGES: u64 = 64;

pub(crate) struct Courier {
    transport: Box<dyn Transport>,
    rank: usize,
    size: usize,
    peers: Vec<Peer>,
    groups: HashMap<u64, Ledger>,
    /// The failure that all agreed on.
    failed: Option<CommError>,
    /// Nobody wants messages any more: the communicator is broken, or the program over.
    dropping: bool,
    /// The communicator is broken: nothing that happens now makes it worse.
    settling: bool,
    finished: bool,
    window: Window,
    timeout: Option<Duration>,
    /// Bytes of messages that were moved, for those who ask whether there is progress.
    moved_bytes: u64,
    exchanges: u64,
    /// Something that was read from the transport already was not looked at yet.
    more_to_read: bool,
    waits: u64,
    post: Option<Post>,
}

/// How long an exchange has been waiting.
struct Patience {
    /// Since when there is no progress.
    since: Option<Instant>,
    posted: Option<Instant>,
}

impl Patience {
    fn moved(&mut self, window: &mut Window) {
        self.posted = None;
        if let Some(since) = self.since.take() {
            let now = Instant::now();
            window.came_after(now - since, now);
        }
    }
}

impl Courier {
    pub(crate) fn new(transport: Box<dyn Transport>) -> Self {
        let (rank, size) = (transport.rank(), transport.size());
        Self {
            transport,
            rank,
            size,
            peers: (0..size).map(|_| Peer::new()).collect(),
            groups: HashMap::new(),
            failed: None,
            dropping: false,
            settling: false,
            finished: false,
            window: Window::default(),
            timeout: None,
            moved_bytes: 0,
            exchanges: 0,
            more_to_read: false,
            waits: 0,
            post: None,
        }
    }

    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn transport_name(&self) -> &'static str {
        self.transport.name()
    }

    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    pub(crate) fn failure(&self) -> Option<&CommError> {
        self.failed.as_ref()
    }

    /// A group's collectives are numbered from here on.
    pub(crate) fn add_group(&mut self, group: u64) {
        self.groups.entry(group).or_default();
    }

    pub(crate) fn remove_group(&mut self, group: u64) {
        self.groups.remove(&group);
    }

    /// Whether there is any point in going on.
    pub(crate) fn usable(&self) -> Result<(), CommError> {
        match &self.failed {
            Some(failure) => Err(failure.clone()),
            None if self.finished => Err(CommError::Finished),
            None => Ok(()),
        }
    }

    /// A collective begins on this rank: its stamp, with its number.
    pub(crate) fn begin(&mut self, mut stamp: Stamp) -> Result<Stamp, CommError> {
        self.usable()?;
        let ledger = self.groups.entry(stamp.group).or_default();
        stamp.seq = ledger.next();
        ledger.push(stamp);
        for (rank, peer) in self.peers.iter().enumerate() {
            let posted = peer.post.as_ref().map(|post| &post.stamp);
            let other = peer.unasked().chain(posted);
            let other = other.filter(|s| s.is_collective() && s.same_place(&stamp)).find(|s| **s != stamp);
            if let Some(other) = other {
                let error = mismatch(self.rank, &stamp, rank, other);
                return Err(self.fail(error));
            }
        }
        Ok(stamp)
    }

    /// Sends and receives, all at the same time, until all is done.
    pub(crate) fn exchange(
        &mut self,
        sends: &mut [Outgoing<'_>],
        receives: &mut [Incoming<'_>],
    ) -> Result<(), CommError> {
        self.usable()?;
        for send in &*sends {
            self.peers[send.to].sent += 1;
        }
        self.exchanges += 1;
        self.run(sends, receives).map_err(|error| {
            self.abandon(sends);
            self.fail(error)
        })
    }

    fn run(&mut self, sends: &mut [Outgoing<'_>], receives: &mut [Incoming<'_>]) -> Result<(), CommError> {
        self.take_held(receives)?;
        if self.exchanges.is_multiple_of(SWEEP_EXCHANGES) {
            self.read_all(receives)?;
        }
        let mut patience = Patience { since: None, posted: None };
        loop {
            let before = self.moved_bytes;
            for i in 0..sends.len() {
                if !sends[i].done {
                    let to = sends[i].to;
                    self.write_to(to, sends);
                }
            }
            for i in 0..receives.len() {
                let from = receives[i].from;
                if receives[i].state != State::Done && (i == 0 || receives[i - 1].from != from) {
                    self.read_from(from, receives)?;
                }
            }
            if self.moved_bytes != before {
                patience.moved(&mut self.window);
            }
            if sends.iter().all(|s| s.done) && receives.iter().all(|r| r.state == State::Done) {
                return Ok(());
            }
            // Where our messages go, others may come from: they must not wait for each other.
            for i in 0..sends.len() {
                if !sends[i].done && (i == 0 || sends[i - 1].to != sends[i].to) {
                    self.read_from(sends[i].to, receives)?;
                }
            }
            if self.moved_bytes == before {
                self.idle(&mut patience, sends, receives)?;
            }
        }
    }

    /// Nothing can be done just now: polls for a moment, then sleeps.
    fn idle(
        &mut self,
        patience: &mut Patience,
        sends: &mut [Outgoing<'_>],
        receives: &mut [Incoming<'_>],
    ) -> Result<(), CommError> {
        phalanx_idle::about_to_wait();
        let now = Instant::now();
        let since = *patience.since.get_or_insert(now);
        if now - since < self.window.len() {
            thread::yield_now();
            if now.elapsed() > Window::TURN_MAX {
                self.window.crowded(now);
            }
            return Ok(());
        }
        self.check_ended(sends, receives)?;
        self.check_window(receives)?;
        let quiet = now - since;
        if let Some(timeout) = self.timeout.filter(|timeout| quiet >= *timeout) {
            let (call, missing) = waiting_for(sends, receives);
            return Err(CommError::timed_out(self.rank, call, timeout, missing));
        }
        if quiet >= POST_AFTER && patience.posted.is_none_or(|at| now - at >= POST_AFTER) {
            let first = patience.posted.replace(now).is_none();
            self.post_wait(first, sends, receives)?;
        }
        let interests = self.interests(sends);
        let nap = self.timeout.map_or(POST_AFTER, |t| POST_AFTER.min(t.saturating_sub(quiet)));
        self.wait(&interests, nap)?;
        self.write_news();
        self.read_all(receives)
    }

    fn wait(&mut self, interests: &[Interest], nap: Duration) -> Result<(), CommError> {
        if std::mem::take(&mut self.more_to_read) {
            return Ok(());
        }
        self.transport.wait(interests, nap).map_err(|e| CommError::Protocol {
            rank: self.rank,
            message: format!("its own system refuses to wait: {e}"),
        })
    }

    fn interests(&self, sends: &[Outgoing<'_>]) -> Vec<Interest> {
        let mut interests: Vec<_> = self
            .peers
            .iter()
            .enumerate()
            .map(|(rank, peer)| Interest {
                read: rank != self.rank && !peer.gone && !peer.garbled,
                write: rank != self.rank && peer.has_news_to_write(),
            })
            .collect();
        for send in sends.iter().filter(|s| !s.done) {
            let peer = &self.peers[send.to];
            interests[send.to].write |= !peer.deaf && (peer.framing.is_some() || !peer.window_full);
        }
        interests
    }

    /// Who ended its program will send nothing more, and take nothing.
    fn check_ended(&self, sends: &[Outgoing<'_>], receives: &[Incoming<'_>]) -> Result<(), CommError> {
        let receives = receives.iter().filter(|r| r.state != State::Done).map(|r| (r.from, &r.stamp));
        let sends = sends.iter().filter(|s| !s.done).map(|s| (s.to, &s.stamp));
        for (peer, stamp) in receives.chain(sends) {
            if self.peers[peer].done.is_some() {
                return Err(CommError::Ended { rank: peer, waiting: self.rank, call: stamp.call() });
            }
        }
        Ok(())
    }

    /// Who may send nothing more before this rank takes what it holds will not send what this rank waits for.
    fn check_window(&self, receives: &[Incoming<'_>]) -> Result<(), CommError> {
        for receive in receives.iter().filter(|r| r.state == State::Waiting) {
            let held_bytes = self.peers[receive.from].held_bytes();
            if held_bytes + MESSAGE_BYTES + CHUNK_BYTES_MIN > WINDOW_BYTES {
                let (rank, call, from) = (self.rank, receive.stamp.call(), receive.from);
                return Err(CommError::Overflow { rank, call, from, held_bytes });
            }
        }
        Ok(())
    }

    /// Looks at all peers.
    fn read_all(&mut self, receives: &mut [Incoming<'_>]) -> Result<(), CommError> {
        self.transport.progress();
        for peer in 0..self.size {
            if peer != self.rank {
                self.read_from(peer, receives)?;
            }
        }
        Ok(())
    }

    /// Tells the others what this rank waits for, if that is news to them.
    fn post_wait(
        &mut self,
        first: bool,
        sends: &[Outgoing<'_>],
        receives: &[Incoming<'_>],
    ) -> Result<(), CommError> {
        self.waits += u64::from(first);
        let waiting = receives.iter().filter(|r| r.state == State::Waiting).map(|r| &r.stamp);
        let blocked = sends.iter().filter(|s| !s.done).map(|s| &s.stamp);
        let Some(&stamp) = waiting.chain(blocked).next() else { return Ok(()) };
        let waiting = receives.iter().filter(|r| r.state == State::Waiting);
        let receives = waiting.map(|r| (r.from as u32, self.peers[r.from].received)).collect();
        let blocked = sends.iter().filter(|s| !s.done && self.peers[s.to].window_full);
        let sends = blocked
            .map(|s| (s.to as u32, self.peers[s.to].sent_bytes, self.peers[s.to].taken_there))
            .collect();
        let sent = self.peers.iter().map(|p| p.sent).collect();
        let got = self.peers.iter().map(|p| (p.got_bytes, p.told_bytes)).collect();
        let post = Post { wait: self.waits, stamp, receives, sends, sent, got };
        if self.post.as_ref() != Some(&post) {
            self.announce(&post);
            self.post = Some(post);
        }
        self.check_circle()
    }
}

/// In which call a rank waits, and for whom.
fn waiting_for(sends: &[Outgoing<'_>], receives: &[Incoming<'_>]) -> (String, Vec<usize>) {
    let receives = receives.iter().filter(|r| r.state != State::Done).map(|r| (r.stamp, r.from));
    let sends = sends.iter().filter(|s| !s.done).map(|s| (s.stamp, s.to));
    let mut all: Vec<_> = receives.chain(sends).collect();
    let call = all.first().map_or_else(String::new, |(stamp, _)| stamp.call());
    all.sort_by_key(|(_, peer)| *peer);
    all.dedup_by_key(|(_, peer)| *peer);
    (call, all.into_iter().map(|(_, peer)| peer).collect())
}
