//! What the worker's two threads share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use phalanx_engine::Board;

use super::input::Input;
use super::output::Output;
use super::queue::Queue;

/// The executor runs chunks and, while it has none, reads the socket itself (no hand-over on the way of a short
/// call). While it runs something long, the monitor does its reading and sending for it.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) board: Board,
    pub(crate) output: Mutex<Output>,
    pub(crate) input: Mutex<Input>,
    /// Counts the runs begun and ended: odd while one is under way.
    beat: AtomicU64,
    /// The monitor sleeps until it is woken.
    parked: AtomicBool,
    pub(crate) ended: AtomicBool,
    /// Whether this is a process of its own, or a thread of the client's.
    pub(crate) is_process: bool,
}

impl Shared {
    pub(crate) fn new(board: Board, output: Output, input: Input, is_process: bool) -> Self {
        Self {
            queue: Queue::default(),
            board,
            output: Mutex::new(output),
            input: Mutex::new(input),
            beat: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            is_process,
        }
    }

    pub(crate) fn lock_output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executor begins or ends a run.
    pub(crate) fn beat(&self, monitor: &Thread) {
        self.beat.fetch_add(1, Ordering::AcqRel);
        if self.parked.load(Ordering::Acquire) && self.parked.swap(false, Ordering::AcqRel) {
            monitor.unpark();
        }
    }

    pub(crate) fn beats(&self) -> u64 {
        self.beat.load(Ordering::Acquire)
    }

    /// The monitor goes to sleep, unless a run began meanwhile.
    pub(crate) fn park_monitor(&self, seen: u64) {
        self.parked.store(true, Ordering::Release);
        if self.beats() == seen && !self.ended.load(Ordering::Acquire) {
            std::thread::park();
        }
        self.parked.store(false, Ordering::Release);
    }
}
