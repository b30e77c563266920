//! How all ranks come to the same error.
//!
//! Whoever notices a failure, or hears of one, tells all others the first it knew of, then waits until all others that still live have done so.
//! Each then knows the same set, and takes the smallest. A rank that only computes does not answer; after
//! [`SETTLE`] the others go without it, and when it comes to look, it finds what they said before it says anything itself.

use std::time::{Duration, Instant};

use super::Courier;
use super::peer::Place;
use super::waits::{Post, circle, mismatch};
use crate::error::CommError;
use crate::frame::{CONTROL_BYTES_MAX, Kind};

/// How long a rank waits to hear what the others know of a failure.
const SETTLE: Duration = Duration::from_secs(2);
/// How long it sleeps at a time meanwhile.
const NAP: Duration = Duration::from_millis(100);

impl Courier {
    /// Ends all work on all ranks: the error that they agree on.
    pub(crate) fn fail(&mut self, error: CommError) -> CommError {
        if let Err(before) = self.usable() {
            return before;
        }
        self.settling = true;
        self.drop_messages();
        // What others said before counts before what this rank would say.
        let _ = self.read_all(&mut []);
        let own = self.heard().unwrap_or(error);
        let bytes = encoded(&own);
        self.tell_all(Kind::Fail, &bytes);
        let deadline = Instant::now() + SETTLE;
        let settled = |c: &Self| {
            c.peers.iter().enumerate().all(|(rank, p)| {
                rank == c.rank
                    || p.gone
                    || ((p.failure.is_some() || p.garbled) && (p.control.is_empty() || p.deaf))
            })
        };
        while self.look(&settled) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            let interests = self.interests(&[]);
            if self.wait(&interests, left.min(NAP)).is_err() {
                break;
            }
        }
        let agreed = self.heard().map_or(own.clone(), |heard| heard.min(own));
        tracing::debug!(rank = self.rank, "the communicator is broken: {agreed}");
        self.failed.insert(agreed).clone()
    }

    /// The program of this rank is over. Waits until all others' are, or one fails.
    pub(crate) fn finish(&mut self) -> Result<(), CommError> {
        self.usable()?;
        let late = (0..self.size).try_for_each(|from| {
            self.peers[from].unasked().try_for_each(|stamp| self.check_late(from, stamp))
        });
        let late = late.and_then(|()| (0..self.size).try_for_each(|from| self.check_done(from, true)));
        if let Err(error) = late {
            return Err(self.fail(error));
        }
        self.drop_messages();
        let mut bytes = Vec::new();
        let ledger = self.groups.entry(0).or_default();
        if let Err(error) = phalanx_codec::encode(ledger, &mut bytes) {
            return Err(self.fail(CommError::start(error)));
        }
        self.tell_all(Kind::Done, &bytes);
        let ended = |c: &Self| {
            c.peers.iter().enumerate().all(|(rank, p)| {
                rank == c.rank || p.gone || (p.done.is_some() && (p.control.is_empty() || p.deaf))
            })
        };
        loop {
            self.write_news();
            // What is still sent to this rank is not wanted; but a peer that vanishes now is lost.
            if let Err(error) = self.read_all(&mut []) {
                return Err(self.fail(error));
            }
            if ended(self) {
                break;
            }
            let interests = self.interests(&[]);
            if let Err(error) = self.wait(&interests, NAP) {
                return Err(self.fail(error));
            }
        }
        self.finished = true;
        Ok(())
    }

    /// Writes and reads what there is; whether there is more to wait for.
    fn look(&mut self, settled: &dyn Fn(&Self) -> bool) -> bool {
        self.write_news();
        let _ = self.read_all(&mut []);
        !settled(self)
    }

    /// From now on messages go nowhere.
    fn drop_messages(&mut self) {
        self.dropping = true;
        for peer in &mut self.peers {
            peer.held.clear();
            peer.taken_bytes = peer.got_bytes;
            if let Some(message) = &mut peer.message {
                message.place = Place::Dropped;
            }
        }
    }

    /// The smallest failure that peers told of.
    fn heard(&self) -> Option<CommError> {
        self.peers.iter().filter_map(|p| p.failure.as_ref()).min().cloned()
    }

    /// News of a peer.
    pub(super) fn heed(&mut self, from: usize, kind: Kind) -> Result<(), CommError> {
        let news = std::mem::take(&mut self.peers[from].news);
        let garbled =
            |e: phalanx_codec::CodecError| CommError::Protocol { rank: from, message: e.to_string() };
        match kind {
            Kind::Done => {
                self.peers[from].done = Some(phalanx_codec::decode(&news).map_err(garbled)?);
                self.check_done(from, self.dropping)?;
            }
            Kind::Fail => {
                let error: CommError = phalanx_codec::decode(&news).map_err(garbled)?;
                self.peers[from].failure = Some(error.clone());
                if !self.settling {
                    return Err(error);
                }
            }
            Kind::Post => {
                let post: Post = phalanx_codec::decode(&news).map_err(garbled)?;
                let ours = self.groups.get(&post.stamp.group).filter(|_| post.stamp.is_collective());
                if let Some(ours) = ours.and_then(|ledger| ledger.differs(&post.stamp)) {
                    return Err(mismatch(self.rank, &ours, from, &post.stamp));
                }
                self.peers[from].post = Some(post);
                self.check_circle()?;
            }
            Kind::Credit => {
                let taken = news.try_into().map(u64::from_le_bytes).unwrap_or_default();
                let peer = &mut self.peers[from];
                peer.taken_there = peer.taken_there.max(taken.min(peer.sent_bytes));
            }
            Kind::Data | Kind::More => {}
        }
        Ok(())
    }

    /// Every rank must have taken part in every collective of the whole; `finished`: this one's program is over too.
    fn check_done(&self, from: usize, finished: bool) -> Result<(), CommError> {
        let Some(theirs) = self.peers[from].done.as_ref().filter(|_| !self.settling) else { return Ok(()) };
        let Some(ours) = self.groups.get(&0) else { return Ok(()) };
        if let Some((ours, theirs)) = ours.first_difference(theirs) {
            return Err(mismatch(self.rank, &ours, from, &theirs));
        }
        if let Some(call) = ours.call_after(theirs.next()) {
            return Err(CommError::Ended { rank: from, waiting: self.rank, call });
        }
        match theirs.call_after(ours.next()).filter(|_| finished) {
            Some(call) => Err(CommError::Ended { rank: self.rank, waiting: from, call }),
            None => Ok(()),
        }
    }

    /// Tells the others what this rank waits for.
    pub(super) fn announce(&mut self, post: &Post) {
        let mut bytes = Vec::new();
        if phalanx_codec::encode(post, &mut bytes).is_ok() && bytes.len() <= CONTROL_BYTES_MAX {
            self.tell_all(Kind::Post, &bytes);
            self.write_news();
        }
    }

    /// Whether this rank is one of those that wait for each other.
    pub(super) fn check_circle(&self) -> Result<(), CommError> {
        let posts: Vec<_> = (self.peers.iter().enumerate())
            .map(|(rank, peer)| if rank == self.rank { self.post.as_ref() } else { peer.post.as_ref() })
            .collect();
        circle(self.rank, &posts).map_or(Ok(()), Err)
    }
}

fn encoded(error: &CommError) -> Vec<u8> {
    let mut bytes = Vec::new();
    match phalanx_codec::encode(error, &mut bytes) {
        Ok(()) if bytes.len() <= CONTROL_BYTES_MAX => bytes,
        _ => encoded(&CommError::Start("an error too long to be told".to_owned())),
    }
}
