//! Runs this command again as the leader of a session of its own, and waits for it: what it starts there outlives the terminal.
//!
//! All daemons of a cluster on this machine are to share one session. Linux shares the cores among sessions before it shares them among the
//! processes of each (autogroups; see `sched(7)`): with a session each, a controller that forwards another program's results has as much of
//! them as all engines together, and whatever a call needs waits for the turn of three sessions instead of two.

use std::io;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal, setsid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// What tells the second one that it is that.
const FLAG: &str = "--in-own-session";

/// Ctrl-C reaches this process only; so it is passed on, and the command ends as it does when it is asked to itself.
pub(crate) async fn run_again() -> io::Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut command = Command::new("/proc/self/exe");
    let mut own = std::env::args_os().skip(1);
    // `start`, and then the rest.
    command.arg0("phalanx").args(own.by_ref().take(1)).arg(FLAG).args(own);
    lead_a_session(&mut command);
    let mut child = command.spawn()?;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(code_of(ended?)),
            _ = interrupt.recv() => interrupt_it(&child),
            _ = terminate.recv() => interrupt_it(&child),
        }
    }
}

fn interrupt_it(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It has ended, then.
        let _ = kill_process(pid, Signal::INT);
    }
}

fn code_of(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[allow(unsafe_code, reason = "the standard library cannot start a child in a new session yet")]
fn lead_a_session(command: &mut Command) {
    // SAFETY: between fork and exec only setsid(2) and prctl(2) are called, which are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            set_parent_process_death_signal(Some(Signal::INT))?;
            Ok(())
        });
    }
}
