//! One daemon process and its log.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::binaries;
use crate::processes::{children, signal};
use crate::wait::{wait_for, wait_until};

/// A `controller` or an `engine`. It is killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn start<S: AsRef<OsStr>>(binary: &str, name: &str, home: &Path, arguments: &[S]) -> Self {
        let log = home.join(format!("{name}.log"));
        let out = File::create(&log).expect("the test's folder can be written to");
        let err = out.try_clone().expect("a file has a second handle");
        let mut command = Command::new(binaries::find(binary));
        command.args(arguments).env("PHALANX_HOME", home).env("NO_COLOR", "1");
        // The log is one file for both, so that it reads in order.
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes that it has started: an engine daemon's workers, one that has ended included while the daemon has
    /// not taken note of it.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, which: Signal) {
        assert!(signal(self.pid(), which), "{} has ended before it was sent {which:?}", self.name);
    }

    /// Kills it with SIGKILL and waits for its end.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let status = self.wait(Duration::from_secs(10));
        assert!(!status.success(), "{} was killed and ended with {status}", self.name);
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait_for(&what, deadline, || self.child.try_wait().expect("it is this process's child"))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is this process's child").is_some()
    }

    /// What it has printed and logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until its log has this text.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str) {
        let what = format!("the log of {} says {text:?}", self.name);
        wait_until(&what, crate::DEADLINE, || {
            let ended = self.has_ended();
            let said = self.log().contains(text);
            assert!(
                said || !ended,
                "{} has ended before it said {text:?}; it said:\n{}",
                self.name,
                self.log()
            );
            said
        });
    }

    pub(crate) fn print_log(&self) {
        eprintln!("---- {} (process {}) ----\n{}", self.name, self.pid(), self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, and has then been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
