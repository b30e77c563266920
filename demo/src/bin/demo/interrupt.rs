//! Ctrl-C, and the other signals that ask a program to end.

use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Returns at once unless a signal has come; then never, for the thread that waits for signals ends the process.
/// To be called before an error is shown: calls fail when the cluster is taken from under them.
pub(crate) fn yield_to_interrupt() {
    while INTERRUPTED.load(Ordering::Acquire) {
        std::thread::park();
    }
}

/// Has `clean_up` called, and the process ended with 128 + the signal's number as shells do, when the first of
/// SIGINT, SIGTERM and SIGHUP comes.
pub(crate) fn on_interrupt(
    clean_up: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    let wait = move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hang_up.recv() => SignalKind::hangup(),
            }
        });
        INTERRUPTED.store(true, Ordering::Release);
        eprintln!("\ndemo: interrupted; ending the cluster");
        if let Err(failure) = clean_up() {
            eprintln!("demo: {failure}");
        }
        exit(128 + kind.as_raw_value())
    };
    std::thread::Builder::new().name("interrupt".into()).spawn(wait).map(drop)
}
