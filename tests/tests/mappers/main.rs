//! Work mappers with real processes: what they give, who runs it, and what is left when tasks fail and workers are killed.
//!
//! The mappers' own clusters run inside the program; the cluster of the test lends it its home, and demands at the end that none of its
//! processes is left.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

mod answers;
mod failures;
mod killed;
mod resources;
mod who;

use phalanx_tests::{Cluster, Finished, Program};

/// Runs the program to its end.
#[track_caller]
fn run(cluster: &Cluster, mode: &str, kind: &str) -> Finished {
    Program::run(cluster, "mappers", &[mode, kind, cluster.gate("gate").folder()])
}

/// Starts the program.
fn start(cluster: &Cluster, mode: &str, kind: &str) -> Program {
    Program::start(cluster, "mappers", &[mode, kind, cluster.gate("gate").folder()])
}

/// The mapper has failed like this, left nobody behind, and worked again afterwards.
#[track_caller]
fn check_failed(finished: &Finished, error: &str) {
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with(&format!("error {error}: ")), "{}", errors[0]);
    assert!(errors[0].ends_with("call init before the next map"), "{}", errors[0]);
    assert!(errors[1].starts_with("error not initialised: "), "{}", errors[1]);
    assert_eq!(finished.line("again"), "again [1, 2, 3]");
}

/// The numbers between the brackets of a line.
#[track_caller]
fn numbers<T: std::str::FromStr<Err: std::fmt::Debug>>(line: &str) -> Vec<T> {
    let list = line.split_once('[').unwrap().1.trim_end_matches(']');
    list.split(", ").filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
}
