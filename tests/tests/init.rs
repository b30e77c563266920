//! Programs that forgot `phalanx::init()`: the caller is told to add it, no second cluster starts, and engines go on to work.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use phalanx_tests::{Cluster, DEADLINE, Program, wait_for, wait_until};

/// A copy of the forgetful program that behaves by its name. A few more bytes at its end, which no loader looks at, make it a program
/// of its own.
fn copy(cluster: &Cluster, name: &str) -> PathBuf {
    let mut bytes = std::fs::read(env!("CARGO_BIN_EXE_forgets_init")).unwrap();
    bytes.extend_from_slice(name.as_bytes());
    let path = cluster.home().join(name);
    std::fs::copy(env!("CARGO_BIN_EXE_forgets_init"), &path).expect("a copy with the same mode");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Runs it, and gives what its call failed with.
fn failure(cluster: &Cluster, name: &str) -> String {
    let mut child = Command::new(copy(cluster, name))
        .arg(cluster.profile())
        .env("PHALANX_HOME", cluster.home())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait_for(&format!("{name} ends"), DEADLINE, || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert!(status.success(), "{name} ended with {status}: {said}");
    said
}

fn check(name: &str, says: &[&str]) {
    let cluster = Cluster::start(4);
    let said = failure(&cluster, name);
    for part in says {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
    wait_until("its worker is gone", DEADLINE, || cluster.workers().is_empty());
    let done = Program::run(&cluster, "scenarios", &["connect", cluster.profile(), "notebook::products"]);
    assert_eq!(done.stdout, "notebook::products\n");
    assert_eq!(cluster.engines().len(), 4);
}

#[test]
fn it_ends_at_once() {
    check("exits", &["program cannot run", "phalanx::init()", "the first line of its main", "nothing to do"]);
}

#[test]
fn it_connects_to_the_cluster_itself() {
    check("connects", &["program cannot run", "phalanx::init()", "the first line of its main"]);
}

#[test]
fn it_starts_a_cluster_of_its_own() {
    check("starts-a-cluster", &["program cannot run", "phalanx::init()", "the first line of its main"]);
}

/// It does something else, for as long as a worker is waited for.
#[test]
fn it_never_says_hello() {
    check("loops", &["program cannot run", "phalanx::init()", "within 30 s"]);
}
