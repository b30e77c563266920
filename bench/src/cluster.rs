//! A cluster as users run it: a `controller` and an `engine` daemon, in a profile that is gone afterwards.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use phalanx::Client;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tempfile::TempDir;

use crate::error::Error;
use crate::process::sibling;

const PROFILE: &str = "bench";
/// A daemon that was asked to end does so within this time, or is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Daemons and a client. Dropping it ends all three.
pub(crate) struct Cluster {
    client: Option<Client>,
    engine: Daemon,
    controller: Daemon,
    /// Removed last.
    home: TempDir,
}

impl Cluster {
    /// Starts a cluster of `engines` engines and connects to it.
    pub(crate) fn start(engines: u32) -> Result<Self, Error> {
        Self::start_with(engines, &[])
    }

    /// As [`start`](Self::start), with arguments for the controller.
    pub(crate) fn start_with(engines: u32, controller: &[&str]) -> Result<Self, Error> {
        let home =
            tempfile::Builder::new().prefix("phalanx-bench-").tempdir().map_err(Error::system("a folder"))?;
        let mut controller = Daemon::start("controller", home.path(), controller)?;
        controller.wait_for_line("controller ready")?;
        let engine = Daemon::start("engine", home.path(), &["-n", &engines.to_string()])?;
        let client = Client::connect_file(home.path().join(PROFILE).join("client.json"))?;
        let cluster = Self { client: Some(client), engine, controller, home };
        cluster.client().wait_for_engines(engines as usize, Duration::from_secs(30))?;
        Ok(cluster)
    }

    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until the cluster is dropped")
    }

    /// The daemons' process ids.
    pub(crate) fn controller(&self) -> u32 {
        self.controller.child.id()
    }

    pub(crate) fn engine(&self) -> u32 {
        self.engine.child.id()
    }

    pub(crate) fn client_file(&self) -> PathBuf {
        self.home.path().join(PROFILE).join("client.json")
    }

    /// A place for files that workers are told of.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.client.take());
        self.engine.end();
        self.controller.end();
    }
}

/// One daemon process; ended when dropped.
struct Daemon {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Daemon {
    fn start(name: &'static str, home: &Path, arguments: &[&str]) -> Result<Self, Error> {
        let program = sibling(name)?;
        let log = home.join(format!("{name}.log"));
        let stderr = File::create(&log).map_err(|source| Error::File { path: log.clone(), source })?;
        let mut command = Command::new(&program);
        end_with_parent(&mut command);
        let mut child = command
            .args(["--profile", PROFILE, "--log", "warn"])
            .args(arguments)
            .env("PHALANX_HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        Ok(Self { name, child, stdout, log })
    }

    /// Reads its output up to a line that begins like this.
    fn wait_for_line(&mut self, beginning: &str) -> Result<(), Error> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.stdout.read_line(&mut line) {
                Ok(0) | Err(_) => {
                    return Err(Error::Child {
                        program: self.name.to_owned(),
                        what: format!("it ended before it said `{beginning}`"),
                        stderr: std::fs::read_to_string(&self.log).unwrap_or_default(),
                    });
                }
                Ok(_) if line.starts_with(beginning) => return Ok(()),
                Ok(_) => {}
            }
        }
    }

    fn end(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Has the kernel ask the daemon to end should this program be killed: nothing of ours could run then. The kernel takes the death of
/// the thread that started the daemon for that of its process; daemons are started by the main thread only.
#[allow(unsafe_code, reason = "the signal must be set between fork and exec")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call (prctl) and nothing else: no allocation, no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}
