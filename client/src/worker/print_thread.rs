//! The thread that reads what is printed while a chunk runs, or none does: so that it can be seen at once, and nobody blocks on a full pipe.
//! It sleeps while nothing is printed.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::shared::Shared;

/// What is printed within this time is read together.
const GATHER: Duration = Duration::from_millis(2);
/// How soon it is looked whether what was held back may be sent.
const HELD_TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Starts it. The pipes are its own copies.
pub(crate) fn start(shared: &Arc<Shared>, pipes: [OwnedFd; 2]) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("phalanx-output".into())
        .stack_size(256 << 10)
        .spawn(move || watch(&shared, pipes.into()))?;
    Ok(())
}

/// Until nobody can print any more, or the daemon is gone: then the executor notices too.
fn watch(shared: &Shared, mut pipes: Vec<OwnedFd>) {
    let mut holds = false;
    while !pipes.is_empty() {
        let mut fds: Vec<_> = pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        // Interrupted by a signal, it looks, which does no harm.
        let _ = poll(&mut fds, holds.then_some(&HELD_TICK));
        let open: Vec<bool> = fds.iter().map(|fd| is_open(fd.revents())).collect();
        drop(fds);
        let mut open = open.into_iter();
        pipes.retain(|_| open.next().unwrap_or(true));
        thread::sleep(GATHER);
        let looked = {
            let mut output = shared.lock_output();
            output.look(shared.board.running())
        };
        match looked {
            Ok(held) => holds = held,
            Err(_) => return,
        }
    }
}

fn is_open(events: PollFlags) -> bool {
    events.contains(PollFlags::IN) || !events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Sends half a line on its way that is still in the buffer of [`io::stdout`]. A program that holds the lock of its standard output for
/// good, on another thread, is waited for.
pub(crate) fn say_rest() {
    // Where nobody reads it, nobody misses it.
    let _ = io::stdout().flush();
}
