//! Frames on their way out.

use std::io::{self, IoSlice};

use super::peer::Framing;
use super::{Courier, Outgoing};
use crate::frame::{CHUNK_BYTES, CHUNK_BYTES_MIN, HEADER_BYTES, Header, Kind, MESSAGE_BYTES};

/// News that wait to be written to one peer; more than that means that it reads nothing, and need not know.
const NEWS_FRAMES_MAX: usize = 64;

impl Courier {
    /// Writes what a peer takes.
    pub(super) fn write_to(&mut self, to: usize, sends: &mut [Outgoing<'_>]) {
        loop {
            let peer = &mut self.peers[to];
            if peer.deaf || peer.gone {
                return;
            }
            if peer.framing.is_none() && !peer.control.is_empty() {
                if !self.write_control(to) {
                    return;
                }
                continue;
            }
            let Some(send) = sends.iter_mut().find(|s| s.to == to && !s.done) else { return };
            let rest = &send.bytes[send.written..];
            if peer.framing.is_none() {
                let cost = if send.written == 0 { MESSAGE_BYTES } else { 0 };
                peer.window_full = peer.window() < cost + CHUNK_BYTES_MIN.min(rest.len() as u64);
                if peer.window_full {
                    return;
                }
                let chunk = rest.len().min(CHUNK_BYTES).min((peer.window() - cost) as usize);
                peer.sent_bytes += cost + chunk as u64;
                let first = send.written == 0;
                let header = Header {
                    kind: if first { Kind::Data } else { Kind::More },
                    stamp: first.then_some(send.stamp),
                    chunk,
                    total: send.bytes.len() as u64,
                };
                peer.framing = Some(Framing { header: header.encode(), chunk, at: 0 });
            }
            let Some(framing) = &mut peer.framing else { return };
            let header = &framing.header[framing.at.min(HEADER_BYTES)..];
            let payload = &rest[framing.at.saturating_sub(HEADER_BYTES)..framing.chunk];
            let written = self.transport.write(to, &[IoSlice::new(header), IoSlice::new(payload)]);
            match written {
                Ok(n) => {
                    framing.at += n;
                    self.moved_bytes += n as u64;
                    if framing.at == HEADER_BYTES + framing.chunk {
                        send.written += framing.chunk;
                        send.done = send.written == send.bytes.len();
                        peer.framing = None;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    // Why it takes nothing any more, reading will tell.
                    peer.deaf = e.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// Writes news; whether all of the first one went out.
    fn write_control(&mut self, to: usize) -> bool {
        let peer = &mut self.peers[to];
        let Some(first) = peer.control.front() else { return false };
        match self.transport.write(to, &[IoSlice::new(&first[peer.control_at..])]) {
            Ok(n) => {
                peer.control_at += n;
                if peer.control_at == first.len() {
                    peer.control.pop_front();
                    peer.control_at = 0;
                }
                true
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => true,
            Err(e) => {
                peer.deaf = e.kind() != io::ErrorKind::WouldBlock;
                false
            }
        }
    }

    /// News go out wherever no frame is half written.
    pub(super) fn write_news(&mut self) {
        for to in 0..self.size {
            let peer = &self.peers[to];
            if peer.has_news_to_write() && peer.framing.is_none() {
                self.write_to(to, &mut []);
            }
        }
    }

    /// Tells a peer how much of what it sent was taken, if it should know.
    pub(super) fn give_credit(&mut self, to: usize) {
        let peer = &mut self.peers[to];
        if peer.owes_credit() && !peer.gone {
            peer.told_bytes = peer.taken_bytes;
            let mut frame = Header::control(Kind::Credit, 8).encode().to_vec();
            frame.extend_from_slice(&peer.told_bytes.to_le_bytes());
            peer.control.push_back(frame);
            if peer.framing.is_none() {
                self.write_to(to, &mut []);
            }
        }
    }

    /// A frame for all peers.
    pub(super) fn tell_all(&mut self, kind: Kind, payload: &[u8]) {
        let mut frame = Header::control(kind, payload.len()).encode().to_vec();
        frame.extend_from_slice(payload);
        for (rank, peer) in self.peers.iter_mut().enumerate() {
            let wanted = kind != Kind::Post || peer.control.len() < NEWS_FRAMES_MAX;
            if rank != self.rank && !peer.gone && wanted {
                peer.control.push_back(frame.clone());
            }
        }
    }

    /// The exchange ends before its messages are out. Frames that were begun are completed, so that the news of why can follow.
    pub(super) fn abandon(&mut self, sends: &[Outgoing<'_>]) {
        for (to, peer) in self.peers.iter_mut().enumerate() {
            let Some(framing) = peer.framing.take() else { continue };
            let Some(send) = sends.iter().find(|s| s.to == to && !s.done) else { continue };
            if framing.at == 0 {
                continue;
            }
            let mut frame = framing.header[framing.at.min(HEADER_BYTES)..].to_vec();
            let payload = &send.bytes[send.written..][..framing.chunk];
            frame.extend_from_slice(&payload[framing.at.saturating_sub(HEADER_BYTES)..]);
            // Nothing of the frame that is first among the news was written: a message's frame was being written.
            peer.control.push_front(frame);
        }
    }
}
