//! The history of jobs, with real processes: it outlives the controller, however that ends, and holds up nobody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod disks;
mod lives;
mod questions;

use std::path::Path;

use phalanx_tests::{Cluster, Finished, Program};
use serde_json::Value;

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "history", arguments)
}

/// `phalanx history` on the cluster's profile: its exit code, what it printed, what it complained of.
fn phalanx(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    phalanx_tests::phalanx(home, &[&["history"], arguments].concat())
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
