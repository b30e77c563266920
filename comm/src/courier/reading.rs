//! Frames on their way in.

use std::io;

use super::peer::{Inbox, Partial, Place};
use super::waits::mismatch;
use super::{Courier, Incoming, State};
use crate::error::CommError;
use crate::frame::{HEADER_BYTES, Header, Kind, MESSAGE_BYTES, WINDOW_BYTES};
use crate::stamp::Stamp;

/// Then the others have their turn.
const STEPS_PER_TURN: usize = 16;

impl Courier {
    /// Reads what has come from a peer, and puts it to its place.
    pub(super) fn read_from(&mut self, from: usize, jobs: &mut [Incoming<'_>]) -> Result<(), CommError> {
        for _ in 0..STEPS_PER_TURN {
            let step = self.read_step(from, jobs);
            if let Err(CommError::Protocol { .. }) = step {
                self.peers[from].garbled = true;
            }
            if !step? {
                return Ok(());
            }
        }
        self.more_to_read = true;
        Ok(())
    }

    /// One header, or one piece; whether there may be more.
    fn read_step(&mut self, from: usize, jobs: &mut [Incoming<'_>]) -> Result<bool, CommError> {
        if self.peers[from].gone || self.peers[from].garbled {
            return Ok(false);
        }
        let Some(head) = self.peers[from].head else { return self.read_header(from) };
        let is_message = matches!(head.kind, Kind::Data | Kind::More);
        if head.kind == Kind::Data && self.peers[from].message.is_none() {
            self.begin_message(from, &head, jobs)?;
        }
        if self.peers[from].left > 0 && !self.read_piece(from, is_message, jobs)? {
            return Ok(false);
        }
        if self.peers[from].left == 0 {
            self.peers[from].head = None;
            if is_message {
                self.complete(from, jobs);
            } else {
                self.heed(from, head.kind)?;
            }
        }
        Ok(true)
    }

    fn read_header(&mut self, from: usize) -> Result<bool, CommError> {
        let peer = &mut self.peers[from];
        if peer.inbox.len() < HEADER_BYTES {
            // Of a long message nothing but the header, so that what follows goes straight to its place.
            let most = if peer.message.is_some() { HEADER_BYTES - peer.inbox.len() } else { usize::MAX };
            return self.read_ahead(from, most);
        }
        let bytes = peer.inbox.bytes()[..HEADER_BYTES].try_into().expect("a slice of that length");
        let head = Header::decode(&bytes).map_err(|message| CommError::Protocol { rank: from, message })?;
        let in_order = match head.kind {
            Kind::Data => peer.message.is_none(),
            Kind::More => peer
                .message
                .as_ref()
                .is_some_and(|m| m.total as u64 == head.total && m.got + head.chunk <= m.total),
            _ => true,
        };
        if !in_order {
            let message = "a part of a message without its beginning".to_owned();
            return Err(CommError::Protocol { rank: from, message });
        }
        if matches!(head.kind, Kind::Data | Kind::More) {
            let cost = if head.kind == Kind::Data { MESSAGE_BYTES } else { 0 };
            if peer.got_bytes + cost + head.chunk as u64 - peer.told_bytes > WINDOW_BYTES {
                let message = "more than it may send before it is taken".to_owned();
                return Err(CommError::Protocol { rank: from, message });
            }
        }
        peer.inbox.take(HEADER_BYTES);
        peer.left = head.chunk;
        peer.head = Some(head);
        peer.news.clear();
        Ok(true)
    }

    /// Fills the inbox; whether something came.
    fn read_ahead(&mut self, from: usize, most: usize) -> Result<bool, CommError> {
        let read = self.transport.read(from, self.peers[from].inbox.room(most));
        match self.came(from, read)? {
            0 => Ok(false),
            n => {
                self.peers[from].inbox.filled(n);
                Ok(true)
            }
        }
    }

    fn came(&mut self, from: usize, read: io::Result<usize>) -> Result<usize, CommError> {
        use io::ErrorKind::{Interrupted, WouldBlock};
        match read {
            Ok(0) => self.lost(from).map(|()| 0),
            Ok(n) => Ok(n),
            Err(e) if matches!(e.kind(), WouldBlock | Interrupted) => Ok(0),
            Err(_) => self.lost(from).map(|()| 0),
        }
    }

    /// A peer is gone: as it should be when its program is over or the communicator broken, else not.
    fn lost(&mut self, from: usize) -> Result<(), CommError> {
        let peer = &mut self.peers[from];
        peer.gone = true;
        if peer.done.is_some() || peer.failure.is_some() || self.settling {
            return Ok(());
        }
        Err(CommError::ended(from))
    }

    /// The first frame of a message: finds its place.
    fn begin_message(
        &mut self,
        from: usize,
        head: &Header,
        jobs: &mut [Incoming<'_>],
    ) -> Result<(), CommError> {
        let Some(stamp) = head.stamp else { return Ok(()) };
        let place = if self.dropping {
            self.check_late(from, &stamp)?;
            Place::Dropped
        } else if let Some(i) = jobs.iter().position(|job| job.wants(from, &stamp)) {
            self.check_same(&jobs[i].stamp, from, &stamp)?;
            jobs[i].begin(self.rank, head.total)?;
            Place::Job(i)
        } else {
            let ours = self.groups.get(&stamp.group).filter(|_| stamp.is_collective());
            if let Some(ours) = ours.and_then(|ledger| ledger.differs(&stamp)) {
                return Err(mismatch(self.rank, &ours, from, &stamp));
            }
            Place::Held(Vec::with_capacity(head.total.min(WINDOW_BYTES) as usize))
        };
        let peer = &mut self.peers[from];
        peer.got_bytes += MESSAGE_BYTES;
        if !matches!(place, Place::Held(_)) {
            peer.taken_bytes += MESSAGE_BYTES;
        }
        self.moved_bytes += 1;
        peer.message = Some(Partial { stamp, total: head.total as usize, got: 0, place });
        Ok(())
    }

    /// A piece of a frame; whether something came.
    fn read_piece(
        &mut self,
        from: usize,
        is_message: bool,
        jobs: &mut [Incoming<'_>],
    ) -> Result<bool, CommError> {
        let peer = &mut self.peers[from];
        if peer.inbox.len() == 0 {
            let message = peer.message.as_ref().filter(|_| is_message && !Inbox::prefers(peer.left));
            if let Some(Partial { place: Place::Job(i), got, .. }) = message {
                let room = jobs[*i].room(*got);
                let most = room.len().min(peer.left);
                let read = self.transport.read(from, &mut room[..most]);
                let n = self.came(from, read)?;
                self.placed(from, n, jobs);
                return Ok(n > 0);
            }
            if !self.read_ahead(from, usize::MAX)? {
                return Ok(false);
            }
        }
        let peer = &mut self.peers[from];
        let mut piece = &peer.inbox.bytes()[..peer.inbox.len().min(peer.left)];
        match peer.message.as_mut().filter(|_| is_message) {
            None => peer.news.extend_from_slice(piece),
            Some(message) => match &mut message.place {
                Place::Held(bytes) => bytes.extend_from_slice(piece),
                Place::Dropped => {}
                Place::Job(i) => {
                    let room = jobs[*i].room(message.got);
                    piece = &piece[..piece.len().min(room.len())];
                    room[..piece.len()].copy_from_slice(piece);
                }
            },
        }
        let n = piece.len();
        peer.inbox.take(n);
        if is_message {
            self.placed(from, n, jobs);
        } else {
            self.peers[from].left -= n;
        }
        Ok(true)
    }

    /// So many bytes of a message are where they belong.
    fn placed(&mut self, from: usize, n: usize, jobs: &mut [Incoming<'_>]) {
        let peer = &mut self.peers[from];
        peer.left -= n;
        peer.got_bytes += n as u64;
        self.moved_bytes += n as u64;
        let Some(message) = &mut peer.message else { return };
        message.got += n;
        match message.place {
            Place::Held(_) => return,
            Place::Job(i) => jobs[i].filled(n),
            Place::Dropped => {}
        }
        peer.taken_bytes += n as u64;
        self.give_credit(from);
    }

    /// The frame is over; perhaps the message too.
    fn complete(&mut self, from: usize, jobs: &mut [Incoming<'_>]) {
        let peer = &mut self.peers[from];
        let Some(message) = peer.message.take_if(|m| m.got == m.total) else { return };
        peer.received += 1;
        match message.place {
            Place::Job(i) => jobs[i].state = State::Done,
            Place::Held(bytes) => peer.held.push_back((message.stamp, bytes)),
            Place::Dropped => {}
        }
    }

    /// The program of this rank is over: is this message part of an operation that it did not take part in?
    pub(super) fn check_late(&self, from: usize, stamp: &Stamp) -> Result<(), CommError> {
        let ledger = self.groups.get(&stamp.group).filter(|_| stamp.is_collective() && !self.settling);
        if let Some(ours) = ledger.and_then(|ledger| ledger.differs(stamp)) {
            return Err(mismatch(self.rank, &ours, from, stamp));
        }
        match ledger {
            Some(ledger) if stamp.seq >= ledger.next() => {
                Err(CommError::Ended { rank: self.rank, waiting: from, call: stamp.call() })
            }
            _ => Ok(()),
        }
    }

    fn check_same(&self, ours: &Stamp, from: usize, theirs: &Stamp) -> Result<(), CommError> {
        if ours == theirs { Ok(()) } else { Err(mismatch(self.rank, ours, from, theirs)) }
    }

    /// Messages that came before they were asked for.
    pub(super) fn take_held(&mut self, jobs: &mut [Incoming<'_>]) -> Result<(), CommError> {
        for (i, job) in jobs.iter_mut().enumerate() {
            let peer = &mut self.peers[job.from];
            if let Some(at) = peer.held.iter().position(|(stamp, _)| job.wants(job.from, stamp)) {
                let Some((stamp, bytes)) = peer.held.remove(at) else { continue };
                peer.taken_bytes += bytes.len() as u64 + MESSAGE_BYTES;
                self.give_credit(job.from);
                self.check_same(&job.stamp, job.from, &stamp)?;
                job.deliver(self.rank, bytes)?;
                continue;
            }
            let Some(message) = &mut peer.message else { continue };
            if let Place::Held(bytes) = &mut message.place
                && job.wants(job.from, &message.stamp)
            {
                let (stamp, total, bytes) = (message.stamp, message.total, std::mem::take(bytes));
                message.place = Place::Job(i);
                peer.taken_bytes += bytes.len() as u64 + MESSAGE_BYTES;
                self.give_credit(job.from);
                self.check_same(&job.stamp, job.from, &stamp)?;
                job.begin(self.rank, total as u64)?;
                job.put(&bytes);
            }
        }
        Ok(())
    }
}
