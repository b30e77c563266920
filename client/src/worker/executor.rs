//! The thread that runs chunks.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::Thread;

use super::call::Call;
use super::held::ChunkResult;
use super::input::Pumped;
use super::monitor;
use super::namespace::Namespace;
use super::print_thread::say_rest;
use super::shared::Shared;
use super::work::Work;

/// So many runs of one element may come between those of a job of many.
const CALLS_IN_A_ROW: u32 = 3;

/// Runs what the daemon sends until it closes the connection.
pub(crate) fn serve(shared: &Arc<Shared>, mut namespace: Namespace) -> io::Result<()> {
    let monitor = monitor::start(shared)?;
    let mut result = ChunkResult::default();
    let outcome = work_loop(shared, &monitor, &mut namespace, &mut result);
    shared.ended.store(true, std::sync::atomic::Ordering::Release);
    monitor.unpark();
    outcome
}

fn work_loop(
    shared: &Shared,
    monitor: &Thread,
    namespace: &mut Namespace,
    result: &mut ChunkResult,
) -> io::Result<()> {
    let mut calls_in_a_row = 0;
    loop {
        while let Some(work) = shared.queue.begin() {
            shared.beat(monitor);
            make_way(&work, &mut calls_in_a_row);
            let done = Call::new(&work, namespace, shared, result).run();
            let is_last = shared.queue.is_last();
            if is_last || work.urgent {
                end_of_run(shared, is_last)?;
            }
            shared.beat(monitor);
            done?;
        }
        let mut input = shared.input.lock().unwrap_or_else(PoisonError::into_inner);
        if !shared.queue.is_last() {
            continue;
        }
        if input.pump(shared, true)? == Pumped::Closed {
            return Ok(());
        }
    }
}

/// Whoever computes in bulk makes way for those that pass messages. A call of one element is a message itself, and is answered as one when such calls
/// come one after the other.
fn make_way(work: &Work, calls_in_a_row: &mut u32) {
    if work.urgent {
        return;
    }
    if work.elements() > 1 {
        *calls_in_a_row = 0;
        phalanx_idle::make_way();
    } else if *calls_in_a_row < CALLS_IN_A_ROW {
        *calls_in_a_row += 1;
    } else {
        phalanx_idle::about_to_wait();
    }
}

/// Sends what the run has left: nothing follows, or somebody waits for it.
fn end_of_run(shared: &Shared, is_last: bool) -> io::Result<()> {
    if shared.is_process {
        say_rest();
    }
    let mut output = shared.lock_output();
    if is_last {
        shared.board.idle();
        return output.finish();
    }
    output.look_at_end(None)?;
    output.flush()?;
    output.let_read();
    Ok(())
}
