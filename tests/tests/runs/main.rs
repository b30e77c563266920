//! Runs that go to a file, with real processes: killed and gone on with, copied while they go on, refused, out of room.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

mod interrupted;
mod listed;
mod refused;
mod simulations;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use phalanx_results::StoredRun;
use phalanx_tests::{DEADLINE, wait_until};

/// A run of the test program.
struct Run {
    child: Child,
}

/// The test program itself.
fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_runs").into()
}

impl Run {
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().unwrap() }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs it to its end.
fn ended(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs it to its end, which must be a good one, and gives what it printed.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = ended(&program(), arguments);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// What the line that starts like this goes on with.
#[track_caller]
fn after<'t>(text: &'t str, beginning: &str) -> &'t str {
    let found = text.lines().find_map(|line| line.strip_prefix(beginning));
    found.unwrap_or_else(|| panic!("no line starts with {beginning:?}: {text}"))
}

/// Waits until the file holds so many values, by looking at copies of it.
#[track_caller]
fn wait_for_rows(file: &Path, rows: usize) {
    let copy = file.with_extension("copy");
    wait_until(&format!("{rows} rows are in the file"), DEADLINE, || {
        if std::fs::copy(file, &copy).is_err() {
            return false;
        }
        StoredRun::read(&copy).unwrap().rows.len() >= rows
    });
}

/// A Python that has h5py.
fn python() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python");
    std::env::var_os("PHALANX_H5PY_PYTHON").map_or_else(beside, PathBuf::from)
}
