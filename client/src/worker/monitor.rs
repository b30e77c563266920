//! The thread that keeps a busy worker reachable: it sends results that a long chunk would hold back, reads recalls and
//! cancellations, and notices that the daemon is gone. It ticks while runs come and sleeps otherwise.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, TryLockError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::clock::now_ns;
use super::input::Pumped;
use super::output::{HOLD_NS_MAX, Output};
use super::shared::Shared;

const TICK: Duration = Duration::from_millis(2);
/// A chunk that has run for long is looked after less often.
const TICK_LONG: Duration = Duration::from_millis(20);
/// Ticks on one and the same chunk before that.
const LONG_TICKS: u32 = 500;
/// Ticks without any run before it sleeps.
const IDLE_TICKS_MAX: u32 = 50;

/// Starts it.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Thread> {
    let shared = Arc::clone(shared);
    let handle = thread::Builder::new()
        .name("phalanx-monitor".into())
        .stack_size(256 << 10)
        .spawn(move || watch(&shared))?;
    Ok(handle.thread().clone())
}

fn watch(shared: &Shared) {
    let (mut seen, mut same) = (shared.beats(), 0_u32);
    while !shared.ended.load(Ordering::Acquire) {
        let busy = seen % 2 == 1;
        thread::park_timeout(if busy && same > LONG_TICKS { TICK_LONG } else { TICK });
        let beats = shared.beats();
        same = if beats == seen { same.saturating_add(1) } else { 0 };
        seen = beats;
        if busy && same > 0 && tick(shared).is_err() {
            leave(shared);
        }
        if seen.is_multiple_of(2) && same > IDLE_TICKS_MAX {
            shared.park_monitor(seen);
            same = 0;
        }
    }
}

fn tick(shared: &Shared) -> io::Result<()> {
    match shared.output.try_lock() {
        Ok(output) if output.holds_since(now_ns().saturating_sub(HOLD_NS_MAX)) => flush(shared, output)?,
        Ok(_) | Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Poisoned(e)) => flush(shared, e.into_inner())?,
    }
    // The executor reads for itself when it is not busy; then it holds the lock.
    let Ok(mut input) = shared.input.try_lock() else { return Ok(()) };
    // Bounded, so that a stream of frames cannot keep results waiting.
    for _ in 0..64 {
        match input.pump(shared, false)? {
            Pumped::Some => {}
            Pumped::Nothing => break,
            Pumped::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
    Ok(())
}

/// Sends what is held back, and first what was printed. What is half a line stays with the executor: only that may wait for its buffer.
pub(super) fn flush(shared: &Shared, mut output: MutexGuard<'_, Output>) -> io::Result<()> {
    output.look(shared.board.running())?;
    output.flush_all()
}

/// The daemon is gone and a user's function is running: nobody waits for it any more.
fn leave(shared: &Shared) {
    shared.queue.clear();
    if shared.is_process {
        exit_now();
    }
}

#[allow(unsafe_code, reason = "no handlers of the user's program may run: its function is still busy")]
fn exit_now() -> ! {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(1) }
}
