//! The thread that runs chunks.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::Thread;

use phalanx_proto::frames::Frame;
use phalanx_proto::v1::FailureKind;

use super::call::Call;
use super::fault::Fault;
use super::input::Pumped;
use super::monitor;
use super::namespace::Namespace;
use super::output::ChunkResult;
use super::print_thread::say_rest;
use super::shared::Shared;
use super::work::Work;

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
    loop {
        while let Some(work) = shared.queue.begin() {
            shared.beat(monitor);
            let done = run(shared, &work, namespace, result);
            if shared.queue.is_last() {
                if shared.is_process {
                    say_rest();
                }
                let mut output = shared.lock_output();
                shared.board.idle();
                output.finish()?;
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

/// The job's condition is not met here: all that waits of it goes back.
fn refuse(shared: &Shared, job: u64, why: &str) -> io::Result<()> {
    let mut output = shared.lock_output();
    let mut refused = shared.queue.cancel(job).into_iter();
    refused.try_for_each(|chunks| output.send(&Frame::Refused(chunks, why.to_owned())))
}

fn run(shared: &Shared, work: &Work, namespace: &mut Namespace, result: &mut ChunkResult) -> io::Result<()> {
    begin(shared, work)?;
    if let Some(condition) = &work.job.condition
        && let Err(why) = condition.check(namespace)
    {
        return refuse(shared, work.chunks.job, &why);
    }
    let mut call = Call::new(work, namespace, shared, result);
    match &work.job.entry {
        Ok(entry) => entry(&mut call),
        Err(why) => {
            let fault =
                Fault::new(FailureKind::Program, format!("{} cannot be called: {why}", work.job.label));
            call.each(|_, _, _| Err(fault.clone()));
        }
    }
    match call.broken.take() {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

/// Notes what runs now, for the daemon and for what is printed.
fn begin(shared: &Shared, work: &Work) -> io::Result<()> {
    if shared.is_process {
        // Half a line of the run before is that run's.
        say_rest();
    }
    let mut output = shared.lock_output();
    output.begin(work)?;
    // A death in between is nobody's fault.
    shared.board.idle();
    shared.board.set_run(work.chunks.first, work.element_first, work.chunk_len);
    shared.board.start(work.chunks.job, work.chunks.first, work.chunks.attempt);
    Ok(())
}
