//! `bench` prints a table and leaves its figures where it was told to.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::process::Command;

/// The one thing to measure that needs no daemons.
#[test]
fn a_run_prints_a_table_and_leaves_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deeper").join("figures.json");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    let out = bench.args(["--quick", "--only", "scheduler", "--summary"]).arg(&path).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{stderr}");
    assert!(
        stdout.contains("median") && stdout.contains(&format!("written: {}", path.display())),
        "{stdout}"
    );
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let figures = summary.as_object().unwrap();
    for (key, value) in figures {
        assert!(value.as_f64().is_some_and(|value| value > 0.0), "{key} is {value}");
    }
    assert_eq!(figures.len(), 9, "three figures, each with its least and its most: {figures:?}");
}
