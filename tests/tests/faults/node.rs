//! Engine daemons are killed, frozen and asked to leave.

use std::time::Duration;

use phalanx_tests::{Cluster, DEADLINE, HeldThread, Program, Signal, is_alive, wait_until};

use crate::{check_everywhere, complete, held_map};

/// Enough for the kernel to end what it was told to end.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_killed_daemons_chunks_go_to_the_others_and_its_workers_die_with_it() {
    let mut cluster = Cluster::start(2);
    let other = cluster.add_node(2);
    let lost_ids = cluster.ids_of(other);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(14);
    let workers = cluster.node(other).workers();
    gate.wait_for_process(&workers);
    assert!(!workers.is_empty());
    cluster.node(other).kill();
    wait_until("its workers end too", SOON, || !workers.iter().any(|pid| is_alive(*pid)));
    cluster.wait_for_engines(2);
    for id in &lost_ids {
        cluster
            .controller()
            .wait_for_log(&format!("an engine has left engine={id} reason=its process ended"));
    }
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("complete"), "complete 20");
    let (before, after) = (finished.line("ids before"), finished.line("ids after"));
    let has = |line: &str, id: &u32| {
        let list = line.rsplit_once('[').unwrap().1.trim_end_matches(']');
        list.split(", ").any(|found| found == id.to_string())
    };
    assert!(lost_ids.iter().all(|id| has(before, id) && !has(after, id)), "{lost_ids:?}; {before}; {after}");
    check_everywhere(&cluster);
}

/// It cannot see that its daemon is gone, nor do anything about it: the kernel ends it.
#[test]
fn a_worker_that_notices_nothing_dies_with_its_daemon() {
    let mut cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let _program = held_map(&cluster, &gate, 1, 0);
    let worker = gate.wait_for_arrivals(1)[0].pid;
    let _held = HeldThread::all_of(worker);
    cluster.node(0).kill();
    wait_until("its worker ends too", SOON, || !is_alive(worker));
}

#[test]
fn a_direct_call_on_a_killed_daemon_fails_and_names_the_engine() {
    let mut cluster = Cluster::start(1);
    let other = cluster.add_node(1);
    let [lost] = cluster.ids_of(other)[..] else { panic!("one engine") };
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "faults", &["direct", gate.folder()]);
    program.wait_for_line("running");
    gate.wait_for_arrivals(2);
    cluster.node(other).kill();
    cluster.wait_for_engines(1);
    gate.open();
    let finished = program.finish();
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let expected = format!("error element {lost} engine {lost} kind engine lost: ");
    assert!(errors[0].starts_with(&expected) && errors[0].contains("went away"), "{}", errors[0]);
}

#[test]
fn a_job_without_any_daemon_waits_for_a_new_one() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    cluster.node(0).kill();
    cluster.wait_for_engines(0);
    assert_eq!(cluster.status().jobs.len(), 1, "the job waits");
    assert!(!program.has_ended());
    let fresh = cluster.add_node(2);
    wait_until("a new worker has taken over", DEADLINE, || {
        let workers = cluster.node(fresh).workers();
        gate.arrivals().iter().any(|a| workers.contains(&a.pid))
    });
    assert!(complete(program, &gate, 20) >= 2);
    check_everywhere(&cluster);
}

#[test]
fn a_frozen_daemon_is_given_up_and_comes_back_without_anything_counted_twice() {
    let mut cluster = Cluster::start_with(1, &["--heartbeat-timeout", "2"]);
    let frozen = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    let workers = cluster.node(frozen).workers();
    gate.wait_for_process(&workers);
    cluster.node(frozen).signal(Signal::STOP);
    cluster.wait_for_engines(1);
    // Its worker is awake, goes on and reports to a daemon that sleeps: those reports must not count when it wakes.
    assert!(complete(program, &gate, 20) >= 1);
    cluster.node(frozen).signal(Signal::CONT);
    cluster.wait_for_engines(2);
    check_everywhere(&cluster);
}

#[test]
fn a_frozen_daemon_that_wakes_in_the_middle_of_the_job_changes_nothing() {
    let mut cluster = Cluster::start_with(1, &["--heartbeat-timeout", "2"]);
    let frozen = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    cluster.node(frozen).signal(Signal::STOP);
    cluster.wait_for_engines(1);
    cluster.node(frozen).signal(Signal::CONT);
    cluster.wait_for_engines(2);
    assert!(complete(program, &gate, 20) >= 1);
    check_everywhere(&cluster);
}

#[test]
fn a_daemon_that_is_asked_to_leave_finishes_its_chunk_and_exits_well() {
    let mut cluster = Cluster::start(1);
    let leaving = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    let workers = cluster.node(leaving).workers();
    cluster.node(leaving).signal(Signal::TERM);
    cluster.node(leaving).wait_for_log("leaving");
    wait_until("the controller knows that it leaves", DEADLINE, || {
        cluster.engines().iter().filter(|engine| engine.draining).count() == 1
    });
    assert!(!cluster.node(leaving).has_ended(), "its chunk is not finished");
    assert_eq!(complete(program, &gate, 20), 0, "nothing is lost when a daemon leaves in order");
    assert!(cluster.node(leaving).wait(SOON).success());
    wait_until("its workers end too", SOON, || !workers.iter().any(|pid| is_alive(*pid)));
    cluster.wait_for_engines(1);
    check_everywhere(&cluster);
}

#[test]
fn an_idle_daemon_leaves_at_once() {
    let mut cluster = Cluster::start(1);
    check_everywhere(&cluster);
    cluster.node(0).signal(Signal::TERM);
    assert!(cluster.node(0).wait(SOON).success());
    cluster.wait_for_engines(0);
}

#[test]
fn a_second_signal_ends_a_daemon_at_once_and_its_chunk_runs_elsewhere() {
    let mut cluster = Cluster::start(1);
    let leaving = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let mut program = held_map(&cluster, &gate, 20, 10);
    program.wait_for_line("running");
    gate.wait_for_arrivals(12);
    cluster.node(leaving).signal(Signal::TERM);
    cluster.node(leaving).wait_for_log("leaving");
    cluster.node(leaving).signal(Signal::TERM);
    cluster.node(leaving).wait(SOON);
    cluster.wait_for_engines(1);
    assert!(complete(program, &gate, 20) >= 1);
    check_everywhere(&cluster);
}
