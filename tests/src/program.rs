//! A user's program: a client of the cluster under test.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::binaries;
use crate::cluster::Cluster;
use crate::wait::wait_until;

/// A program of this crate's `src/bin/`, running. It is killed when dropped, and printed when its test fails.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
    deadline: Instant,
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Program {
    /// Starts a program against a cluster. It has [`DEADLINE`](crate::DEADLINE) to end.
    #[must_use]
    pub fn start(cluster: &Cluster, binary: &str, arguments: &[&str]) -> Self {
        let name = format!("{binary} {}", arguments.join(" "));
        let file = cluster.fresh_name(binary);
        let (out, err) =
            (cluster.home().join(format!("{file}.out")), cluster.home().join(format!("{file}.err")));
        let create = |path| File::create(path).expect("the test's folder can be written to");
        let mut command = Command::new(binaries::find(binary));
        command.args(arguments).env("PHALANX_HOME", cluster.home()).stdin(Stdio::null());
        command.stdout(create(&out)).stderr(create(&err));
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        Self { name, child, out, err, deadline: Instant::now() + crate::DEADLINE }
    }

    /// Runs a program to its end, as [`start`](Self::start) and [`finish`](Self::finish).
    #[track_caller]
    pub fn run(cluster: &Cluster, binary: &str, arguments: &[&str]) -> Finished {
        Self::start(cluster, binary, arguments).finish()
    }

    /// Gives it so much longer: its work takes a good part of the usual deadline on a machine of its own.
    #[must_use]
    pub fn patiently(mut self, longer: std::time::Duration) -> Self {
        self.deadline += longer;
        self
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// What it has complained of so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.err)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is this process's child").is_some()
    }

    /// Waits until it has printed a line that starts like this, and gives the line.
    #[track_caller]
    pub fn wait_for_line(&mut self, beginning: &str) -> String {
        let mut found = None;
        let what = format!("{} prints {beginning:?}", self.name);
        wait_until(&what, self.left(), || {
            let ended = self.has_ended();
            found = self.stdout().lines().find(|line| line.starts_with(beginning)).map(str::to_owned);
            assert!(
                found.is_some() || !ended,
                "{} has ended before it printed {beginning:?}; its errors:\n{}",
                self.name,
                self.stderr()
            );
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is this process's child");
        self.child.wait().expect("it is this process's child");
    }

    /// Waits for its end, and demands that it went well.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let what = format!("{} ends", self.name);
        wait_until(&what, self.left(), || self.has_ended());
        let status = self.child.wait().expect("it is this process's child");
        let finished = Finished { status, stdout: self.stdout(), stderr: self.stderr() };
        assert!(status.success(), "{} ended with {status}", self.name);
        finished
    }

    /// Waits for its end, however it is.
    #[track_caller]
    pub fn wait(mut self) -> Finished {
        let what = format!("{} ends", self.name);
        wait_until(&what, self.left(), || self.has_ended());
        let status = self.child.wait().expect("it is this process's child");
        Finished { status, stdout: self.stdout(), stderr: self.stderr() }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Finished {
    /// The line that starts like this.
    #[must_use]
    #[track_caller]
    pub fn line(&self, beginning: &str) -> &str {
        let found = self.stdout.lines().find(|line| line.starts_with(beginning));
        found
            .unwrap_or_else(|| panic!("no line starts with {beginning:?}:\n{}\n{}", self.stdout, self.stderr))
    }

    /// The lines that start like this.
    #[must_use]
    pub fn lines(&self, beginning: &str) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.starts_with(beginning)).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {} ----\n{}{}", self.name, self.stdout(), self.stderr());
        }
    }
}

fn read(path: &PathBuf) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
