//! What a rank knows of one other rank, and what is on its way between the two.

use std::collections::VecDeque;

use super::ledger::Ledger;
use super::waits::Post;
use crate::error::CommError;
use crate::frame::{CHUNK_BYTES, HEADER_BYTES, Header, WINDOW_BYTES};
use crate::stamp::Stamp;

/// What is read ahead: headers and short messages come in one read, long ones go to their place directly.
const INBOX_BYTES: usize = 16 << 10;

/// A message of which part has come.
pub(super) struct Partial {
    pub(super) stamp: Stamp,
    pub(super) total: usize,
    pub(super) got: usize,
    pub(super) place: Place,
}

/// Where a message goes.
pub(super) enum Place {
    /// To the receive of this number, of the exchange that runs.
    Job(usize),
    /// It came before anybody asked for it.
    Held(Vec<u8>),
    /// The communicator is broken, or the program over: nobody wants it.
    Dropped,
}

/// A frame on its way out, of the first unfinished message to this peer.
pub(super) struct Framing {
    pub(super) header: [u8; HEADER_BYTES],
    /// How many bytes the frame carries.
    pub(super) chunk: usize,
    /// How much of header and chunk was written.
    pub(super) at: usize,
}

/// Bytes that were read ahead.
pub(super) struct Inbox {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; INBOX_BYTES].into(), start: 0, end: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn take(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for at most so many more.
    pub(super) fn room(&mut self, most: usize) -> &mut [u8] {
        if self.start > 0 && self.bytes.len() - self.end < HEADER_BYTES {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let end = self.bytes.len().min(self.end.saturating_add(most));
        &mut self.bytes[self.end..end]
    }

    pub(super) fn filled(&mut self, n: usize) {
        self.end += n;
    }

    /// Whether what is left of a frame should be read ahead with what follows it.
    pub(super) fn prefers(left: usize) -> bool {
        left < INBOX_BYTES / 2
    }
}

pub(super) struct Peer {
    /// Frames that belong to no message, to be written when none is half written.
    pub(super) control: VecDeque<Vec<u8>>,
    /// How much of the first one was written.
    pub(super) control_at: usize,
    pub(super) framing: Option<Framing>,
    /// It does not take anything any more.
    pub(super) deaf: bool,
    /// Bytes of messages that it was sent, and of these how many its program has taken, as far as we know.
    pub(super) sent_bytes: u64,
    pub(super) taken_there: u64,
    /// The next message has to wait until it takes more.
    pub(super) window_full: bool,

    pub(super) inbox: Inbox,
    /// The frame that is being read, and how much of it is still to come.
    pub(super) head: Option<Header>,
    pub(super) left: usize,
    pub(super) message: Option<Partial>,
    pub(super) news: Vec<u8>,
    /// Messages that came before anybody asked for them.
    pub(super) held: VecDeque<(Stamp, Vec<u8>)>,
    /// Bytes of messages that came, of these how many were taken, and of these how many it was told of.
    pub(super) got_bytes: u64,
    pub(super) taken_bytes: u64,
    pub(super) told_bytes: u64,

    /// Messages begun towards it, and come from it completely.
    pub(super) sent: u64,
    pub(super) received: u64,

    pub(super) failure: Option<CommError>,
    /// Its program is over, after these collectives.
    pub(super) done: Option<Ledger>,
    pub(super) gone: bool,
    /// It said what makes no sense: nothing more of it can be understood.
    pub(super) garbled: bool,
    /// What it said last of what it waits for.
    pub(super) post: Option<Post>,
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            control: VecDeque::new(),
            control_at: 0,
            framing: None,
            deaf: false,
            sent_bytes: 0,
            taken_there: 0,
            window_full: false,
            inbox: Inbox::new(),
            head: None,
            left: 0,
            message: None,
            news: Vec::new(),
            held: VecDeque::new(),
            got_bytes: 0,
            taken_bytes: 0,
            told_bytes: 0,
            sent: 0,
            received: 0,
            failure: None,
            done: None,
            gone: false,
            garbled: false,
            post: None,
        }
    }

    /// Whether something waits to be written that is no message.
    pub(super) fn has_news_to_write(&self) -> bool {
        !self.control.is_empty() && !self.deaf && !self.gone
    }

    /// The stamps of all its messages that are here, in part or whole, and were not asked for.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &Stamp> {
        let partial = self.message.as_ref().filter(|m| matches!(m.place, Place::Held(_))).map(|m| &m.stamp);
        self.held.iter().map(|(stamp, _)| stamp).chain(partial)
    }

    /// How much more it may be sent now.
    pub(super) fn window(&self) -> u64 {
        WINDOW_BYTES.saturating_sub(self.sent_bytes - self.taken_there.min(self.sent_bytes))
    }

    /// What came from it and was not taken.
    pub(super) fn held_bytes(&self) -> u64 {
        self.got_bytes - self.taken_bytes
    }

    /// Whether it should be told how much was taken: now and then, and whenever it might have to wait.
    pub(super) fn owes_credit(&self) -> bool {
        let untold = self.taken_bytes - self.told_bytes;
        let left = WINDOW_BYTES.saturating_sub(self.got_bytes - self.told_bytes);
        untold >= WINDOW_BYTES / 4 || (untold > 0 && left < CHUNK_BYTES as u64)
    }
}
