//! Ranks that an MPI launcher starts: `mpirun -n 4 program`.
//!
//! The streams are made of MPI's point-to-point messages, so the operations, their order and their errors are the same as everywhere else; what MPI
//! adds is its launcher and its network. Messages are copied once on each side. MPI is started by the first use, on that thread, and ended with it:
//! [`MpiRunner`] is to be used by the main thread only.
//!
//! MPI does not survive the death of a rank, but we do: the ranks of a host watch each other's processes (`watch.rs`), calls that fail return errors
//! (`piece.rs`), and with a rank lost MPI is not ended in order (`session.rs`), for that would take for ever.

mod piece;
mod session;
mod watch;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use mpi::traits::Communicator as _;

use super::{Interest, Transport};
use crate::program::Program;
use crate::runner::{Runner, conduct};
use crate::{CommError, Communicator};
use piece::{Piece, probe};
use session::Session;

/// One message of MPI carries at most so much of a stream.
const PIECE_BYTES: usize = 256 << 10;
/// So many may be under way to one rank.
const PIECES_MAX: usize = 8;
/// Each begins with the number of its run, for what one run left unread must not be taken for the next one's.
const RUN_BYTES: usize = size_of::<u64>();
/// How long a rank that waits sleeps between two looks: MPI has no way to sleep until something comes.
const NAP: Duration = Duration::from_micros(100);
/// How long a rank that ends waits for what is under way.
const LINGER: Duration = Duration::from_secs(5);

/// One rank, as MPI started it.
struct Mpi {
    session: Rc<Session>,
    run: u64,
    peers: Vec<Peer>,
    /// Rooms for messages that were sent, at most [`PIECES_MAX`]: fresh memory costs more than the copy into it.
    spare: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Peer {
    /// Under way to it, oldest first.
    out: VecDeque<Piece>,
    /// Under way from it.
    coming: Option<Piece>,
    /// Came, and was not read to its end.
    rest: Vec<u8>,
    rest_at: usize,
    closed: bool,
}

impl Mpi {
    fn new() -> Result<Self, CommError> {
        let (session, run) = Session::next_run()?;
        let peers = (0..session.world.size()).map(|_| Peer::default()).collect();
        Ok(Self { session, run, peers, spare: Vec::new() })
    }

    /// Sends the bytes after the room for the run's number.
    fn send(&mut self, peer: usize, mut piece: Vec<u8>) -> io::Result<()> {
        piece[..RUN_BYTES].copy_from_slice(&self.run.to_le_bytes());
        self.peers[peer].out.push_back(Piece::send(&self.session, peer, piece)?);
        Ok(())
    }

    fn reclaim(&mut self, peer: usize) -> io::Result<()> {
        let out = &mut self.peers[peer].out;
        while let Some(piece) = out.pop_front() {
            match piece.done(&self.session.watch)? {
                Ok(room) if self.spare.len() < PIECES_MAX => self.spare.push(room),
                Ok(_) => {}
                Err(piece) => {
                    out.push_front(piece);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes the next message of a stream, if it is there.
    fn next(&mut self, peer: usize) -> io::Result<()> {
        let coming = match self.peers[peer].coming.take() {
            Some(coming) => coming,
            None => {
                let Some(arrived) = probe(&self.session, peer)? else { return self.nothing(peer) };
                self.peers[peer].rest_at = 0;
                arrived.receive(&self.session.watch, std::mem::take(&mut self.peers[peer].rest))?
            }
        };
        match coming.done(&self.session.watch)? {
            Err(coming) => {
                self.peers[peer].coming = Some(coming);
                self.nothing(peer)
            }
            Ok(bytes) => {
                let of_this_run = bytes.starts_with(&self.run.to_le_bytes());
                let from = &mut self.peers[peer];
                from.closed = of_this_run && bytes.len() == RUN_BYTES;
                from.rest_at = if of_this_run { RUN_BYTES } else { bytes.len() };
                from.rest = bytes;
                Ok(())
            }
        }
    }

    /// What MPI refuses once, it may never end.
    fn note(&self, error: io::Error) -> io::Error {
        let spoilt = error.kind() != io::ErrorKind::WouldBlock;
        self.session.spoilt.set(self.session.spoilt.get() || spoilt);
        error
    }

    /// Nothing has come: of one that died nothing will.
    fn nothing(&mut self, peer: usize) -> io::Result<()> {
        if self.session.watch.is_silent(peer) {
            self.peers[peer].closed = true;
            return Ok(());
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Transport for Mpi {
    fn rank(&self) -> usize {
        self.session.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.session.world.size() as usize
    }

    fn name(&self) -> &'static str {
        "mpi"
    }

    fn write(&mut self, peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.session.watch.is_dead(peer) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.reclaim(peer).map_err(|e| self.note(e))?;
        if self.peers[peer].out.len() >= PIECES_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = bytes.iter().map(|b| b.len()).sum::<usize>().min(PIECE_BYTES);
        let mut piece = self.spare.pop().unwrap_or_default();
        piece.clear();
        piece.reserve(RUN_BYTES + len);
        piece.resize(RUN_BYTES, 0);
        for part in bytes {
            piece.extend_from_slice(&part[..part.len().min(RUN_BYTES + len - piece.len())]);
        }
        // An empty message is the end of the stream.
        if len > 0 {
            self.send(peer, piece).map_err(|e| self.note(e))?;
        }
        Ok(len)
    }

    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize> {
        while self.peers[peer].rest_at == self.peers[peer].rest.len() && !self.peers[peer].closed {
            self.next(peer).map_err(|e| self.note(e))?;
        }
        let from = &mut self.peers[peer];
        let rest = &from.rest[from.rest_at..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        from.rest_at += n;
        Ok(n)
    }

    fn wait(&mut self, _interests: &[Interest], timeout: Duration) -> io::Result<()> {
        thread::sleep(timeout.min(NAP));
        Ok(())
    }

    fn progress(&mut self) {
        // What cannot be sent any more is noticed by the next who sends there.
        (0..self.peers.len()).for_each(|peer| drop(self.reclaim(peer)));
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let me = self.rank();
        for peer in (0..self.peers.len()).filter(|peer| *peer != me) {
            // Who is not there to hear of the end needs not.
            let _ = self.send(peer, vec![0; RUN_BYTES]);
        }
        let deadline = Instant::now() + LINGER;
        let taken = |mpi: &Self| {
            let dead = |rank| mpi.session.watch.is_dead(rank);
            mpi.peers.iter().enumerate().all(|(rank, peer)| peer.out.is_empty() || dead(rank))
        };
        // What nobody takes by then stays where it is, for MPI may still read it.
        while Instant::now() < deadline {
            self.progress();
            if taken(self) {
                return;
            }
            thread::sleep(NAP);
        }
    }
}

/// The ranks that `mpirun` started: every one of them calls [`run_spmd`](crate::run_spmd), and every one gets the values of all.
///
/// When a rank dies, `mpirun` kills all the others, unless it was told not to: under `mpirun --enable-recovery` they get
/// [`CommError::PeerLost`] as everywhere else, and no program runs on this MPI any more.
#[derive(Debug, Clone, Copy, Default)]
pub struct MpiRunner;

impl Runner for MpiRunner {
    fn name(&self) -> &str {
        "mpi"
    }

    fn run(&self, size: usize, program: &Program<'_>) -> Result<Vec<Vec<u8>>, CommError> {
        let transport = Mpi::new()?;
        if size != transport.size() {
            let started = transport.size();
            return Err(CommError::start(format_args!(
                "the program asks for {size} ranks, but MPI started {started}; try mpirun -n {size}"
            )));
        }
        let comm = Communicator::new(Box::new(transport));
        conduct(&comm, |comm| {
            let value = program.call(comm)?;
            comm.all_gather(value).map_err(|e| e.to_string())
        })
    }
}
