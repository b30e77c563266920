//! Processes are killed, frozen and restarted in the middle of jobs: every element is there exactly once, nothing hangs,
//! and what was lost is named.

mod attempts;
mod client;
mod controller;
mod harness;
mod heartbeat;
mod ids;
mod network;
mod node;
mod signals;
mod user_code;
mod worker;

use phalanx_tests::{Cluster, Gate, Program};

/// Starts a map of `n` elements of which all but the first `free` wait at the gate.
fn held_map(cluster: &Cluster, gate: &Gate, n: u64, free: u64) -> Program {
    Program::start(cluster, "faults", &["map", gate.folder(), &n.to_string(), &free.to_string()])
}

/// Lets a held map go on, and demands that every element came exactly once; how many attempts were lost.
#[track_caller]
fn complete(program: Program, gate: &Gate, n: u64) -> u64 {
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("complete"), format!("complete {n}"));
    finished.line("lost ").trim_start_matches("lost ").parse().expect("a number")
}

/// Every engine still works.
#[track_caller]
fn check_everywhere(cluster: &Cluster) {
    Program::run(cluster, "faults", &["everywhere"]);
    cluster.wait_until_idle();
}
