//! Workers are killed.

use phalanx_tests::{Cluster, DEADLINE, Program, Signal, is_alive, signal, wait_until};

use crate::{check_everywhere, complete, held_map};

#[test]
fn a_killed_workers_chunk_runs_again_and_the_job_completes() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    // Ten that were free, and two that are held.
    let held = gate.wait_for_arrivals(12).into_iter().find(|a| a.tag.parse::<u64>().unwrap() >= 10).unwrap();
    assert!(cluster.workers().contains(&held.pid) && signal(held.pid, Signal::KILL));
    wait_until("the lost element runs again in another process", DEADLINE, || {
        gate.arrivals().iter().any(|a| a.tag == held.tag && a.pid != held.pid)
    });
    assert!(complete(program, &gate, 20) >= 1, "the lost attempt is told");
    cluster.node(0).wait_for_log("was killed by SIGKILL");
    check_everywhere(&cluster);
}

#[test]
fn a_direct_call_whose_worker_is_killed_fails_and_names_engine_and_signal() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "faults", &["direct", gate.folder()]);
    program.wait_for_line("running");
    let lost = gate.wait_for_arrivals(2).into_iter().find(|a| a.tag == "engine1").unwrap();
    assert!(signal(lost.pid, Signal::KILL));
    wait_until("the worker is gone", DEADLINE, || !is_alive(lost.pid));
    gate.open();
    let finished = program.finish();
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "the other engine's call is not touched: {errors:?}");
    assert!(errors[0].starts_with("error element 1 engine 1 kind worker lost: "), "{}", errors[0]);
    assert!(
        errors[0].contains("was killed by SIGKILL") && errors[0].contains("on engine 1"),
        "{}",
        errors[0]
    );
    check_everywhere(&cluster);
}

#[test]
fn names_that_died_with_a_worker_are_explained_when_they_are_asked_for() {
    let mut cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "faults", &["names", gate.folder(), "0"]);
    assert_eq!(program.wait_for_line("pushed"), "pushed 7");
    let pid: u32 = program.wait_for_line("pid").trim_start_matches("pid ").parse().unwrap();
    assert!(signal(pid, Signal::KILL));
    cluster.node(0).wait_for_log("worker lost");
    gate.open();
    let finished = program.finish();
    let error = finished.line("error ");
    assert!(error.contains("engine 0 kind name error"), "{error}");
    assert!(error.contains("names were lost") && error.contains("SIGKILL"), "{error}");
    assert_eq!(finished.line("again"), "again 8");
}

#[test]
fn an_idle_worker_that_is_killed_is_replaced_at_the_next_call() {
    let cluster = Cluster::start(2);
    check_everywhere(&cluster);
    let mut program = Program::start(&cluster, "faults", &["names", cluster.gate("gate").folder(), "1"]);
    program.wait_for_line("pushed");
    for worker in cluster.workers() {
        assert!(signal(worker, Signal::KILL));
    }
    check_everywhere(&cluster);
}
