//! Clients die, and clients change their mind.

use std::time::Duration;

use phalanx_tests::{Cluster, Program, is_alive, wait_until};

use crate::{check_everywhere, held_map};

/// A cancelled chunk's time, and more than a busy machine adds to it.
const GRACE: Duration = Duration::from_secs(15);

#[test]
fn a_killed_clients_jobs_are_dropped_and_its_engines_are_free() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 1_000, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    let workers = cluster.workers();
    assert_eq!(cluster.status().jobs.len(), 1);
    program.kill();
    wait_until("the job is dropped", GRACE, || cluster.status().jobs.is_empty());
    wait_until("the workers that ran its chunks are ended", GRACE, || {
        !workers.iter().any(|pid| is_alive(*pid))
    });
    assert_eq!(gate.arrivals().len(), 12, "none of its elements was started after its death");
    check_everywhere(&cluster);
}

#[test]
fn a_killed_client_does_not_disturb_another() {
    let cluster = Cluster::start(2);
    let (gate, other) = (cluster.gate("gate"), cluster.gate("other"));
    let mut killed = held_map(&cluster, &gate, 100, 0);
    gate.wait_for_arrivals(2);
    let mut program = held_map(&cluster, &other, 20, 0);
    program.wait_for_line("running");
    killed.kill();
    // The engines come to the other client's job as soon as they are free.
    other.wait_for_arrivals(2);
    crate::complete(program, &other, 20);
    check_everywhere(&cluster);
}

#[test]
fn an_aborted_job_frees_its_engines() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let finished = Program::run(&cluster, "faults", &["abort", gate.folder(), "2"]);
    assert_eq!(finished.lines("aborted").len(), 1);
    assert_eq!(finished.line("complete"), "complete 1000");
    assert_eq!(gate.arrivals().len(), 2, "no element was started after the abort");
    check_everywhere(&cluster);
}
