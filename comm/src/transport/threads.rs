//! Ranks that are threads of one process: streams are rings of bytes in memory.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Interest, Transport};

/// What one stream holds at most: small enough to stay in a core's cache between the writer's copy and the reader's.
const RING_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// Wakes one rank; rings also for those who come to listen later.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock() = true;
        self.ring.notify_one();
    }

    fn wait(&self, timeout: Duration) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.ring.wait_for(&mut rung, timeout);
        }
        *rung = false;
    }
}

#[derive(Debug)]
struct Hub {
    size: usize,
    /// The stream from one rank to another is at `from * size + to`.
    rings: Vec<Mutex<Ring>>,
    bells: Vec<Bell>,
}

/// One rank's ends.
#[derive(Debug)]
pub(crate) struct Threads {
    hub: Arc<Hub>,
    rank: usize,
}

/// The ends of all ranks of a new mesh.
pub(crate) fn threads(size: usize) -> Vec<Threads> {
    let rings = (0..size * size).map(|_| Mutex::default()).collect();
    let bells = (0..size).map(|_| Bell::default()).collect();
    let hub = Arc::new(Hub { size, rings, bells });
    (0..size).map(|rank| Threads { hub: Arc::clone(&hub), rank }).collect()
}

impl Threads {
    fn ring(&self, from: usize, to: usize) -> &Mutex<Ring> {
        &self.hub.rings[from * self.hub.size + to]
    }
}

impl Transport for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.hub.size
    }

    fn name(&self) -> &'static str {
        "threads"
    }

    fn write(&mut self, peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut ring = self.ring(self.rank, peer).lock();
        let mut written = 0;
        for part in bytes {
            let room = RING_BYTES_MAX - ring.bytes.len();
            let part = &part[..part.len().min(room)];
            ring.bytes.extend(part);
            written += part.len();
        }
        drop(ring);
        if written == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.hub.bells[peer].ring();
        Ok(written)
    }

    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize> {
        let mut ring = self.ring(peer, self.rank).lock();
        let was_full = ring.bytes.len() == RING_BYTES_MAX;
        let mut taken = 0;
        let (first, second) = ring.bytes.as_slices();
        for part in [first, second] {
            let part = &part[..part.len().min(into.len() - taken)];
            into[taken..taken + part.len()].copy_from_slice(part);
            taken += part.len();
        }
        ring.bytes.drain(..taken);
        let closed = ring.closed;
        drop(ring);
        if taken == 0 && !closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if was_full && taken > 0 {
            self.hub.bells[peer].ring();
        }
        Ok(taken)
    }

    fn wait(&mut self, _interests: &[Interest], timeout: Duration) -> io::Result<()> {
        self.hub.bells[self.rank].wait(timeout);
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for peer in 0..self.hub.size {
            self.ring(self.rank, peer).lock().closed = true;
            self.hub.bells[peer].ring();
        }
    }
}
