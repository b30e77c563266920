//! The history of jobs, with real processes: it outlives the controller, however that ends, and holds up nobody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod disks;
mod lives;
mod questions;

use std::path::Path;
use std::process::Command;

use phalanx_tests::{Cluster, Finished, Program};
use serde_json::Value;

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "history", arguments)
}

/// `phalanx history` on the cluster's profile: its exit code, what it printed, what it complained of.
fn phalanx(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(phalanx_tests::binary("phalanx"));
    command.args(["history", "--profile", "test"]).args(arguments).env("PHALANX_HOME", home);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The same with `--json`, which must go well.
#[track_caller]
fn asked(home: &Path, arguments: &[&str]) -> Value {
    let (code, out, err) = phalanx(home, &[arguments, &["--json"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

/// Labels and states, the newest first.
fn states(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer["jobs"].as_array().unwrap().iter().map(|job| (text(&job["label"]), text(&job["state"]))).collect()
}
