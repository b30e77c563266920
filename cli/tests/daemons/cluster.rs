//! A place for clusters of real daemons, and proof that nothing of them is left.
//!
//! Every process that a test starts inherits the test's own `PHALANX_HOME`; whatever has it in its environment
//! belongs to the test, whoever its parent has become.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A home of profiles of its own. Dropping it kills every process that knows it.
pub(crate) struct Cluster {
    home: TempDir,
}

impl Cluster {
    pub(crate) fn new() -> Cluster {
        for name in ["controller", "engine"] {
            let program = program(name);
            assert!(
                program.is_file(),
                "{} is missing: these tests run the real daemons; build them first with: cargo build --workspace --bins",
                program.display()
            );
        }
        Cluster { home: tempfile::tempdir().unwrap() }
    }

    /// Where profiles are made. (Only its parent is the temporary directory, whose mode may be too open.)
    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// A directory for whatever else the test needs; it goes with the cluster.
    pub(crate) fn scratch(&self) -> &Path {
        self.home.path()
    }

    /// `program` in this home, with nothing of the outer environment that could change what it does.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PHALANX_HOME", self.home()).env_remove("PHALANX_PROFILE").env_remove("PHALANX_LOG");
        command
    }

    /// Runs `phalanx`; its exit code, standard output and standard error.
    pub(crate) fn phalanx(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        outcome(self.command(env!("CARGO_BIN_EXE_phalanx")).args(arguments).output().unwrap())
    }

    /// The processes of this home that run, by id and name.
    pub(crate) fn processes(&self) -> Vec<(i32, String)> {
        let mark = format!("PHALANX_HOME={}", self.home().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
            // Processes that end while we look are none of those that run.
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|b| *b == 0).any(|v| v == mark.as_bytes()) {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                found.push((pid, name.trim().to_owned()));
            }
        }
        found.sort_unstable();
        found
    }

    /// The one process called `name`.
    pub(crate) fn process(&self, name: &str) -> i32 {
        let found: Vec<i32> =
            self.processes().into_iter().filter(|(_, n)| n == name).map(|(pid, _)| pid).collect();
        let [pid] = found[..] else { panic!("not one {name}, but {:?}", self.processes()) };
        pid
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > end {
                break;
            }
            for (pid, _) in left {
                signal(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// A process that ends, at the latest, with this.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A daemon that was built together with this test.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_phalanx")).with_file_name(name)
}

pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
    // It may have ended by itself.
    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal);
}

/// The session of a process; 0 if its leader cannot be seen from here, as in a container whose first process was started from outside.
/// (`getsid` of rustix takes that for impossible.)
pub(crate) fn session(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // After the name, which may contain anything: state, parent, group, session.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    fields.split_whitespace().nth(3).and_then(|field| field.parse().ok()).expect("a session")
}

pub(crate) fn outcome(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits for `what` to be so, as long as an overloaded machine may take.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "it never came to be that {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
