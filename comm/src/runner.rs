//! Ways to run a program on several ranks, chosen by name.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Communicator;
use crate::error::{CommError, clip};
use crate::program::Program;
use crate::transport::{Serial, threads};

/// More threads than that are a mistake: there are as many streams as their square.
const THREADS_MAX: usize = 512;

/// A way to run a program on all ranks of a new communicator.
pub trait Runner: Send + Sync {
    /// What it is called in the [registry](crate::register).
    fn name(&self) -> &str;

    /// Runs the program on so many ranks; the encoded values of all, by rank. The error is the one that all ranks agree on.
    fn run(&self, size: usize, program: &Program<'_>) -> Result<Vec<Vec<u8>>, CommError>;
}

/// Runs a rank's program on a communicator, to its end on all ranks: an error that it returns, or a panic, becomes the error of all
/// ranks. This is what a runner does on each rank.
///
/// ```
/// use phalanx_comm::{CommError, Communicator, conduct, transport::Serial};
/// let comm = Communicator::new(Box::new(Serial));
/// let end = conduct(&comm, |comm| comm.broadcast(0, Some(5)));
/// assert_eq!(end, Ok(5));
///
/// let comm = Communicator::new(Box::new(Serial));
/// let end: Result<(), _> = conduct(&comm, |_| Err("out of luck"));
/// assert_eq!(end, Err(CommError::Remote { rank: 0, message: "out of luck".into() }));
/// ```
pub fn conduct<T, E: Display>(
    comm: &Communicator,
    program: impl FnOnce(&Communicator) -> Result<T, E>,
) -> Result<T, CommError> {
    match catch_unwind(AssertUnwindSafe(|| program(comm))) {
        Ok(Ok(value)) => comm.finish().map(|()| value),
        Ok(Err(error)) => Err(comm.fail(format_args!("{error:#}"))),
        Err(panic) => Err(comm.fail(format_args!("it panicked: {}", said(&*panic)))),
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).map_or("?".to_owned(), clip)
}

/// One rank, whatever number is asked for: what a program falls back to.
#[derive(Debug, Clone, Copy, Default)]
pub struct SerialRunner;

impl Runner for SerialRunner {
    fn name(&self) -> &str {
        "serial"
    }

    fn run(&self, _size: usize, program: &Program<'_>) -> Result<Vec<Vec<u8>>, CommError> {
        let comm = Communicator::new(Box::new(Serial));
        conduct(&comm, |comm| program.call(comm)).map(|value| vec![value])
    }
}

/// A thread for each rank.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadsRunner;

impl Runner for ThreadsRunner {
    fn name(&self) -> &str {
        "threads"
    }

    fn run(&self, size: usize, program: &Program<'_>) -> Result<Vec<Vec<u8>>, CommError> {
        if size == 0 || size > THREADS_MAX {
            return Err(CommError::start(format_args!("{size} ranks; threads run 1 to {THREADS_MAX}")));
        }
        let ends: Vec<Result<Vec<u8>, CommError>> = std::thread::scope(|scope| {
            let ranks = threads(size).into_iter().enumerate().map(|(rank, transport)| {
                let rank_main =
                    move || conduct(&Communicator::new(Box::new(transport)), |comm| program.call(comm));
                std::thread::Builder::new().name(format!("rank {rank}")).spawn_scoped(scope, rank_main)
            });
            // One that cannot be started drops its transport, so that the others find it lost.
            let ranks: Vec<_> = ranks.collect();
            ranks.into_iter().map(joined).collect()
        });
        ends.into_iter().collect()
    }
}

type Started<'s> = std::io::Result<std::thread::ScopedJoinHandle<'s, Result<Vec<u8>, CommError>>>;

fn joined(thread: Started<'_>) -> Result<Vec<u8>, CommError> {
    let thread = thread.map_err(|e| CommError::start(format_args!("a thread could not be started: {e}")))?;
    thread.join().unwrap_or_else(|panic| Err(CommError::start(said(&*panic))))
}
