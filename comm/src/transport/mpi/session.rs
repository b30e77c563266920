//! MPI as this process has it: started once, ended with the thread that started it.

use std::cell::{Cell, RefCell};
use std::fs;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _};

use super::piece::return_errors;
use super::watch::Watch;
use crate::CommError;

thread_local! {
    static SESSION: RefCell<Option<Rc<Session>>> = const { RefCell::new(None) };
}

/// All ranks of the launcher, and who of them still lives.
pub(super) struct Session {
    /// What is ours alone: the program may have its own messages under way.
    pub(super) world: ManuallyDrop<SimpleCommunicator>,
    pub(super) watch: Watch,
    /// A call of MPI's failed: there is no ending it in order.
    pub(super) spoilt: Cell<bool>,
    runs: Cell<u64>,
    universe: ManuallyDrop<Universe>,
}

impl Session {
    /// This thread's session and the number of its next run; MPI is started by the first call.
    pub(super) fn next_run() -> Result<(Rc<Self>, u64), CommError> {
        SESSION.with_borrow_mut(|session| {
            if session.is_none() {
                *session = Some(Rc::new(Self::start()?));
            }
            let session = Rc::clone(session.as_ref().expect("was started above"));
            session.runs.set(session.runs.get() + 1);
            let run = session.runs.get();
            Ok((session, run))
        })
    }

    fn start() -> Result<Self, CommError> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).ok_or_else(|| {
            CommError::start(
                "MPI was started by another thread; run programs on it from the main thread only",
            )
        })?;
        let world = universe.world().duplicate();
        return_errors(&world).map_err(CommError::start)?;
        // Processes can watch each other where they see each other: under one kernel, in one space of process ids.
        let here = [u64::from(std::process::id()), pid_space()];
        let mut all = vec![0; here.len() * world.size() as usize];
        world.all_gather_into(&here[..], &mut all[..]);
        let neighbours =
            all.chunks_exact(here.len()).map(|rank| (rank[1] == here[1]).then_some(rank[0] as u32));
        let watch = Watch::new(neighbours, world.rank() as usize);
        Ok(Self {
            world: ManuallyDrop::new(world),
            watch,
            spoilt: Cell::new(false),
            runs: Cell::new(0),
            universe: ManuallyDrop::new(universe),
        })
    }
}

impl Drop for Session {
    #[allow(unsafe_code, reason = "MPI is ended only while all ranks live")]
    fn drop(&mut self) {
        // Ending MPI waits for all ranks: with one that is lost, for ever.
        if self.spoilt.get() || self.watch.lost().is_some() {
            return;
        }
        // SAFETY: nobody uses them after this drop, and the communicator goes before MPI does.
        unsafe {
            ManuallyDrop::drop(&mut self.world);
            ManuallyDrop::drop(&mut self.universe);
        }
    }
}

/// A number for the kernel and the space of process ids that this process lives in.
fn pid_space() -> u64 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let hash = blake3::hash(format!("{boot}{}", space.display()).as_bytes());
    u64::from_le_bytes(std::array::from_fn(|i| hash.as_bytes()[i]))
}
