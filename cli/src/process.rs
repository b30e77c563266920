//! A process on this machine, and whether it is still the one that was meant.
//!
//! A process id alone is not enough: after the process has ended, the number is given to another, and a signal
//! would reach a stranger. With the moment it began, in clock ticks since boot, it is. (A pidfd would do the same,
//! but cannot be written to a file, and kernels before 5.3, which clusters still run, do not have it.)

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// Between two looks at a process that is ending.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// One process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start_ticks: u64,
}

impl Process {
    /// The process that has this id now.
    pub(crate) fn with_pid(pid: u32) -> Option<Process> {
        let (_, start_ticks) = look(pid)?;
        Some(Process { pid, start_ticks })
    }

    /// Whether it still runs. One that has ended and that its parent has not noticed yet does not.
    pub(crate) fn is_running(self) -> bool {
        look(self.pid).is_some_and(|(state, ticks)| ticks == self.start_ticks && !matches!(state, 'Z' | 'X'))
    }

    /// Asks it to end. One that has ended already is no error.
    pub(crate) fn terminate(self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends it.
    pub(crate) fn kill(self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Waits until it has ended, for so long at most; whether it has.
    pub(crate) async fn has_ended_within(self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.is_running() {
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }

    fn signal(self, signal: Signal) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        if !self.is_running() {
            return Ok(());
        }
        match kill_process(pid, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Fields 3 and 22 of `/proc/PID/stat` (proc_pid_stat(5)): its state, and when it began.
fn look(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 2 is the command in parentheses and may itself hold spaces and parentheses.
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn a_child_runs_until_it_is_told_to_end_even_before_it_is_reaped() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::with_pid(child.id()).unwrap();
        assert!(process.is_running());
        assert!(!process.has_ended_within(Duration::ZERO).await);
        process.terminate().unwrap();
        assert!(process.has_ended_within(Duration::from_secs(10)).await);
        process.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_running());
    }

    #[test]
    fn a_stranger_with_the_same_id_is_left_alone() {
        let this = Process::with_pid(std::process::id()).unwrap();
        let stranger = Process { start_ticks: this.start_ticks - 1, ..this };
        assert!(!stranger.is_running());
        // Were it not, this test would end here.
        stranger.kill().unwrap();
        assert!(Process::with_pid(u32::MAX).is_none());
    }
}
