//! `demo --short` as its users run it: a real controller, real engines, files that another reader understands, and
//! nothing left behind, however it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A place for one demo. Every process that it starts has the place in its environment, whoever becomes its parent.
struct Stage {
    directory: TempDir,
}

impl Stage {
    fn new() -> Self {
        for name in ["controller", "engine"] {
            let daemon = Path::new(env!("CARGO_BIN_EXE_demo")).with_file_name(name);
            assert!(
                daemon.is_file(),
                "{} is missing: build it first with: cargo build --workspace --bins",
                daemon.display()
            );
        }
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tmp")).unwrap();
        Self { directory }
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn temporary(&self) -> PathBuf {
        self.directory.path().join("tmp")
    }

    fn command(&self, seed: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command
            .args(["--short", "--seed", seed, "--out"])
            .arg(self.out())
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a demo and waits until its engines work on the study.
    fn at_work(&self) -> (Child, BufReader<ChildStdout>) {
        let mut child = self.command("5").spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("sweeps of a 32 × 32 lattice") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the demo ended before its study");
        }
        let names: Vec<String> = self.processes().into_iter().map(|(_, name)| name).collect();
        assert!(["controller", "engine", "demo"].iter().all(|n| names.iter().any(|m| m == n)), "{names:?}");
        (child, output)
    }

    /// The processes of this stage, by id and name.
    fn processes(&self) -> Vec<(i32, String)> {
        let mark = format!("TMPDIR={}", self.temporary().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
            // Those that end while we look are none of those that run.
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|b| *b == 0).any(|v| v == mark.as_bytes()) {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                found.push((pid, name.trim().to_owned()));
            }
        }
        found
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.processes(), []);
        let files: Vec<_> = fs::read_dir(self.temporary()).unwrap().flatten().map(|e| e.path()).collect();
        assert_eq!(files, Vec::<PathBuf>::new());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            signal(pid, Signal::KILL);
        }
    }
}

fn signal(pid: i32, signal: Signal) {
    // It may have ended by itself.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// Waits until `so`, as long as an overloaded machine may take.
fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "it never came to be that {what}");
        std::thread::yield_now();
    }
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A Python that has h5py.
fn python() -> PathBuf {
    let python = std::env::var_os("PHALANX_H5PY_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python"),
        PathBuf::from,
    );
    let found = Command::new(&python).args(["-c", "import h5py"]).output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "{} is no Python with h5py: run `make setup`, or name one in PHALANX_H5PY_PYTHON",
        python.display()
    );
    python
}

/// Reads both files with h5py: seeds, temperatures and engines of the runs, scenarios and their sums.
const READ: &str = r#"
import sys, h5py, numpy as np
runs = h5py.File(sys.argv[1] + "/ising.h5")
n = runs.attrs["elements"]
seeds, temperatures = runs["parameters/seed"][:], runs["parameters/temperature"][:]
assert seeds.dtype == np.uint64 and seeds.shape == (n,), seeds
assert np.array_equal(seeds, runs["values/spec/seed"][:])
energies = runs["values/energy/mean"][:]
assert energies.shape == (n,) and energies.min() >= -2 and energies[0] < -1.9 < -1.0 < energies[-1]
assert (runs["elements/status"][:] == 0).all() and (runs["elements/seconds"][:] > 0).all()
assert set(runs["elements/engine"][:]) == {0, 1, 2, 3}
sums = h5py.File(sys.argv[1] + "/sums.h5")
scenarios, values = sums["parameters"][:], sums["values"][:]
assert scenarios.shape == (5000, 3) and values.shape == (5000,)
windows = h5py.File(sys.argv[1] + "/wang-landau.h5")
assert windows.attrs["complete"] and len(windows["sessions/job"]) == 2
assert (windows["elements/element"][:] == range(8)).all() and (windows["elements/status"][:] == 0).all()
assert len(set(windows["elements/session"][:])) == 2 and windows["values/converged"][:].all()
assert windows["parameters/arguments/low"][0] == -128 and windows["parameters/seed"][0] == seeds[0]
assert all(len(e) == len(g) for e, g in zip(windows["values/energies"][:], windows["values/ln_states"][:]))
assert np.allclose(scenarios.sum(axis=1), values, rtol=1e-15, atol=0)
print(n, len(set(seeds)), len(set(temperatures)), seeds[0])
"#;

#[test]
fn it_shows_agreement_leaves_files_and_nothing_else() {
    let stage = Stage::new();
    let output = stage.command("5").output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    stage.assert_nothing_is_left();

    for expected in [
        "[0, 1, 2, 3]",
        "[40, 54, 70, 88]",
        "[30, 30, 30, 30]",
        "500/500 tasks finished after",
        "50/50 tasks finished after",
        "the total calculation time is: ",
        "both views give the same 5000 sums",
        "24/24 tasks finished after",
        "seed 5: `--short --seed 5` repeats",
        "was killed (SIGKILL) when ",
        "of 8 pieces are in ",
        "largest relative error of ln g: ",
        "speed-up",
    ] {
        assert!(stdout.contains(expected), "{expected:?} is missing in:\n{stdout}");
    }
    let heads: Vec<&str> = stdout.split("       par1      par2      par3       sum\n").skip(1).collect();
    let rows = |head: &str| head.lines().take(5).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(heads.len(), 2, "{stdout}");
    assert_eq!(rows(heads[0]), rows(heads[1]));

    for picture in ["ising.png", "wang-landau.png"] {
        let png = fs::read(stage.out().join(picture)).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{picture}: {} bytes", png.len());
    }
    let table = fs::read_to_string(stage.out().join("ising.txt")).unwrap();
    assert!(stdout.contains(&table), "{table}");

    let read = Command::new(python()).args(["-c", READ]).arg(stage.out()).output().unwrap();
    let (found, complaint) = text(&read);
    // 24 different seeds, the first value of SplitMix64(5) first.
    assert_eq!(found.trim(), "24 24 12 7134611160154358618", "{complaint}");
}

#[test]
fn ctrl_c_ends_everything() {
    let stage = Stage::new();
    let (mut child, mut output) = stage.at_work();
    signal(child.id() as i32, Signal::INT);
    let (mut rest, mut complaint) = (String::new(), String::new());
    output.read_to_string(&mut rest).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}{complaint}");
    assert_eq!(complaint.trim(), "demo: interrupted; ending the cluster");
    stage.assert_nothing_is_left();
}

#[test]
fn a_demo_that_is_killed_leaves_no_process() {
    let stage = Stage::new();
    let (mut child, _output) = stage.at_work();
    signal(child.id() as i32, Signal::KILL);
    child.wait().unwrap();
    eventually("no process is left", || stage.processes().is_empty());
}

#[test]
fn what_cannot_work_is_said_before_a_cluster_is_started() {
    let stage = Stage::new();
    fs::write(stage.out(), "a file, no folder").unwrap();
    let output = stage.command("5").output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!((output.status.code(), stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("cannot make the folder") && stderr.contains("--out DIR"), "{stderr}");

    let output =
        Command::new(env!("CARGO_BIN_EXE_demo")).args(["--settings", "no-such.toml"]).output().unwrap();
    let (_, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("cannot read the settings no-such.toml"), "{stderr}");
    stage.assert_nothing_is_left();
}
