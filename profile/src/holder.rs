//! Which process holds a profile's lock: what it wrote into the lock file about itself.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::validity::Moment;

/// The process that holds a profile's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id, on [`Holder::host`].
    pub pid: u32,
    /// The name of the machine it runs on: a home directory may be shared by many.
    pub host: String,
    /// When it took the lock, in seconds since 1970.
    pub since: u64,
    /// Its version of Phalanx.
    pub version: String,
    /// When the process itself began, in clock ticks since its machine's boot: with the process id,
    /// this tells it from a later process that was given the same id.
    pub start_ticks: u64,
}

impl Holder {
    /// This process.
    pub(crate) fn this_process() -> Holder {
        Holder {
            pid: std::process::id(),
            host: this_host(),
            since: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_ticks: start_ticks(std::process::id()).unwrap_or(0),
        }
    }

    /// Whether it runs on this machine, so that its process id can be used.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        self.host == this_host()
    }

    /// Whether its process id still means the process that wrote this: ask before sending a signal.
    #[must_use]
    pub fn is_running_here(&self) -> bool {
        self.is_on_this_host() && start_ticks(self.pid) == Some(self.start_ticks)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { pid, host, version, .. } = self;
        write!(f, "process {pid} on {host} (version {version}")?;
        let since = i64::try_from(self.since).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        if let Some(since) = since {
            write!(f, ", since {}", Moment(since))?;
        }
        f.write_str(")")
    }
}

fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): when the process began.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 2 is the command in parentheses and may itself hold spaces and parentheses.
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_here_and_its_ghosts_do_not() {
        let this = Holder::this_process();
        assert!(this.is_running_here());
        assert!(this.start_ticks > 0);
        let recycled = Holder { start_ticks: this.start_ticks - 1, ..this.clone() };
        assert!(!recycled.is_running_here());
        let elsewhere = Holder { host: "not-this-machine".to_owned(), ..this.clone() };
        assert!(!elsewhere.is_on_this_host() && !elsewhere.is_running_here());
        let gone = Holder { pid: u32::MAX, ..this };
        assert!(!gone.is_running_here());
    }

    #[test]
    fn it_introduces_itself() {
        let holder = Holder {
            pid: 7,
            host: "node1".into(),
            since: 1_800_000_000,
            version: "0.1.0".into(),
            start_ticks: 1,
        };
        assert_eq!(holder.to_string(), "process 7 on node1 (version 0.1.0, since 2027-01-15 08:00:00 UTC)");
        let damaged = Holder { since: u64::MAX, ..holder };
        assert_eq!(damaged.to_string(), "process 7 on node1 (version 0.1.0)");
    }
}
