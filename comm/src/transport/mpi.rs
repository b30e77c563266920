//! Ranks that an MPI launcher starts: `mpirun -n 4 program`.
//!
//! The streams are made of MPI's point-to-point messages, so the operations, their order and their errors are the same as everywhere else; what MPI
//! adds is its launcher and its network. Messages are copied once on each side. MPI is started by the first use, on that thread, and ended with it:
//! [`MpiRunner`] is to be used by the main thread only.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::thread;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::request::{Request, StaticScope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, Destination, Source};

use super::{Interest, Transport};
use crate::program::Program;
use crate::runner::{Runner, conduct};
use crate::{CommError, Communicator};

/// One message of MPI carries at most so much of a stream.
const PIECE_BYTES: usize = 256 << 10;
/// So many may be under way to one rank.
const PIECES_MAX: usize = 8;
/// How long a rank that waits sleeps between two looks: MPI has no way to sleep until something comes.
const NAP: Duration = Duration::from_micros(100);
/// How long a rank that ends waits for what is under way.
const LINGER: Duration = Duration::from_secs(5);

thread_local! {
    static UNIVERSE: OnceCell<Option<Universe>> = const { OnceCell::new() };
}

/// One rank, as MPI started it.
struct Mpi {
    world: SimpleCommunicator,
    peers: Vec<Peer>,
}

#[derive(Default)]
struct Peer {
    /// Under way, oldest first.
    out: VecDeque<Piece>,
    /// Came, and was not read to its end.
    rest: Vec<u8>,
    rest_at: usize,
    closed: bool,
}

/// A message that MPI still reads from where it lies.
struct Piece {
    request: Option<Request<'static, [u8], StaticScope>>,
    bytes: *mut [u8],
}

impl Piece {
    /// `None` when it is still under way.
    #[allow(unsafe_code, reason = "MPI reads the bytes until it says that it has")]
    fn done(mut self) -> Result<(), Self> {
        let Some(request) = self.request.take() else { return Ok(()) };
        if let Err(request) = request.test() {
            self.request = Some(request);
            return Err(self);
        }
        // SAFETY: these bytes were leaked from a box by `send`, and MPI, the only one who had them since, is through.
        drop(unsafe { Box::from_raw(self.bytes) });
        Ok(())
    }
}

impl Mpi {
    fn new() -> Result<Self, CommError> {
        let world = UNIVERSE.with(|universe| {
            let universe = universe.get_or_init(|| {
                mpi::initialize_with_threading(Threading::Funneled).map(|(universe, _)| universe)
            });
            // Messages of one run must not be taken for those of the next.
            universe.as_ref().map(|universe| universe.world().duplicate())
        });
        let world = world.ok_or_else(|| {
            CommError::start(
                "MPI was started by another thread; run programs on it from the main thread only",
            )
        })?;
        let peers = (0..world.size()).map(|_| Peer::default()).collect();
        Ok(Self { world, peers })
    }

    fn send(&mut self, peer: usize, bytes: Vec<u8>) {
        let bytes: &'static mut [u8] = Box::leak(bytes.into_boxed_slice());
        let address: *mut [u8] = bytes;
        let request = self.world.process_at_rank(peer as i32).immediate_send(StaticScope, &*bytes);
        self.peers[peer].out.push_back(Piece { request: Some(request), bytes: address });
    }

    fn reclaim(&mut self, peer: usize) {
        let out = &mut self.peers[peer].out;
        while let Some(piece) = out.pop_front() {
            if let Err(piece) = piece.done() {
                out.push_front(piece);
                return;
            }
        }
    }
}

impl Transport for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn name(&self) -> &'static str {
        "mpi"
    }

    fn write(&mut self, peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.reclaim(peer);
        if self.peers[peer].out.len() >= PIECES_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut piece = Vec::with_capacity(bytes.iter().map(|b| b.len()).sum::<usize>().min(PIECE_BYTES));
        for part in bytes {
            piece.extend_from_slice(&part[..part.len().min(PIECE_BYTES - piece.len())]);
        }
        let len = piece.len();
        // An empty message is the end of the stream.
        if len > 0 {
            self.send(peer, piece);
        }
        Ok(len)
    }

    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize> {
        let from = &mut self.peers[peer];
        if from.rest_at == from.rest.len() && !from.closed {
            let Some((message, status)) = self.world.process_at_rank(peer as i32).immediate_matched_probe()
            else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            let len = status.count(u8::equivalent_datatype()) as usize;
            if 0 < len && len <= into.len() {
                message.matched_receive_into(&mut into[..len]);
                return Ok(len);
            }
            from.rest_at = 0;
            from.rest.resize(len, 0);
            message.matched_receive_into(&mut from.rest[..]);
            from.closed = len == 0;
        }
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
        (0..self.peers.len()).for_each(|peer| self.reclaim(peer));
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let me = self.rank();
        for peer in (0..self.peers.len()).filter(|peer| *peer != me) {
            self.send(peer, Vec::new());
        }
        let deadline = Instant::now() + LINGER;
        while Instant::now() < deadline {
            self.progress();
            if self.peers.iter().all(|peer| peer.out.is_empty()) {
                return;
            }
            thread::sleep(NAP);
        }
        // Nobody takes what is left. Its bytes stay where they are, for MPI may still read them.
        for request in self.peers.iter_mut().flat_map(|peer| peer.out.drain(..)).filter_map(|p| p.request) {
            std::mem::forget(request);
        }
    }
}

/// The ranks that `mpirun` started: every one of them calls [`run_spmd`](crate::run_spmd), and every one gets the values of all.
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
