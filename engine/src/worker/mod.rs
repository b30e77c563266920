//! Workers, as the daemon sees them: a process or thread, a socket to it, and the page it shares.

mod handle;
mod life;
mod pipes;
mod process;
mod run_limits;
mod said;
mod served;
mod spawn;
mod wire;

use std::os::unix::net::UnixStream;

pub(crate) use handle::{Ended, Event, Gone, Order, Predecessor, Purpose, Worker, WorkerContext};

use crate::board::Board;

/// Names the descriptor of the socket in a worker's environment.
pub const WORKER_SOCKET_FD: &str = "PHALANX_WORKER_SOCKET_FD";
/// Names the descriptor of the shared page in a worker's environment.
pub const WORKER_BOARD_FD: &str = "PHALANX_WORKER_BOARD_FD";
/// Names the descriptors in a worker's environment where what it writes to its standard output and error can be read.
pub const WORKER_OUTPUT_FDS: [&str; 2] = ["PHALANX_WORKER_STDOUT_FD", "PHALANX_WORKER_STDERR_FD"];

/// Runs workers as threads of this process.
pub trait ThreadLauncher: Send + Sync {
    /// Speaks the workers' protocol over `socket` until the daemon closes it.
    fn run(&self, socket: UnixStream, board: Board);
}
