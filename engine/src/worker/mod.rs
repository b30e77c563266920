//! Workers, as the daemon sees them: a process or thread, a socket to it, and the page it shares.

mod handle;
mod life;
mod process;
mod run_limits;
mod spawn;

use std::os::unix::net::UnixStream;

pub(crate) use handle::{Ended, Event, Gone, Order, Predecessor, Purpose, Worker, WorkerContext};

use crate::board::Board;

/// Names the descriptor of the socket in a worker's environment.
pub const WORKER_SOCKET_FD: &str = "PHALANX_WORKER_SOCKET_FD";
/// Names the descriptor of the shared page in a worker's environment.
pub const WORKER_BOARD_FD: &str = "PHALANX_WORKER_BOARD_FD";

/// Runs workers as threads of this process.
pub trait ThreadLauncher: Send + Sync {
    /// Speaks the workers' protocol over `socket` until the daemon closes it.
    fn run(&self, socket: UnixStream, board: Board);
}
