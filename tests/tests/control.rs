//! Control of engines and of what runs on them, with real processes: `abort`, `restart`, `shutdown`, `send_signal`, `queue_status`, and
//! what is told of attempts.

use phalanx_tests::{Cluster, DEADLINE, Finished, Program, Signal, signal, wait_until};

/// Longer than any test runs: who relies on it never sees its end.
const ENDLESS: &str = "6000";

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "control", arguments)
}

/// A cluster whose functions are never ended for an abort.
fn patient(engines: &str) -> Cluster {
    let mut cluster = Cluster::start(0);
    cluster.start_node_with(&["-n", engines, "--cancel-grace", ENDLESS]);
    cluster
}

#[test]
fn an_endless_loop_that_is_aborted_is_ended_with_its_process_and_the_lost_names_say_why() {
    let mut cluster = Cluster::start(0);
    cluster.start_node_with(&["-n", "1", "--cancel-grace", "0.1"]);
    let finished = run(&cluster, &["stuck", "loop", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("arrivals"), "arrivals 1");
    let missing = finished.line("missing: ");
    assert!(missing.contains("was aborted and did not stop within the 100ms"), "{missing}");
    cluster.wait_until_idle();
}

#[test]
fn names_that_went_with_the_controller_are_missed_for_that_reason() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "control", &["names", gate.folder()]);
    program.wait_for_line("pushed");
    cluster.controller().kill();
    cluster.start_controller();
    cluster.wait_for_engines(2);
    gate.open();
    let finished = program.finish();
    let missing = finished.line("missing: ");
    assert!(missing.contains("when the engine lost its controller"), "{missing}");
    assert_eq!(finished.line("again"), "again [2, 2]");
}

#[test]
fn a_blocked_system_call_that_is_aborted_is_ended_with_its_process() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["stuck", "blocked", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("arrivals"), "arrivals 1");
    cluster.wait_until_idle();
}

#[test]
fn a_function_that_sees_the_interrupt_cleans_up_and_keeps_its_process_and_names() {
    let cluster = patient("1");
    let finished = run(&cluster, &["cleans-up", cluster.gate("gate").folder()]);
    assert_eq!(finished.lines("at "), ["at 0", "at cleaned up 0"], "the elements behind it were not begun");
    cluster.wait_until_idle();
}

#[test]
fn of_many_queued_chunks_of_an_aborted_job_none_is_started() {
    let cluster = patient("2");
    let finished = run(&cluster, &["queued", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("arrivals"), "arrivals 2");
    cluster.wait_until_idle();
}

#[test]
fn several_jobs_are_aborted_at_once_and_so_are_all() {
    let cluster = patient("1");
    let finished = run(&cluster, &["several", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("sum"), "sum 10");
    cluster.wait_until_idle();
}

#[test]
fn a_restarted_engine_is_empty_and_what_it_ran_goes_on_or_says_so() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["restart", cluster.gate("gate").folder()]);
    for what in ["direct: ", "lost: ", "missing: "] {
        assert!(finished.line(what).contains("restarted the engine"), "{}", finished.line(what));
    }
    assert_eq!(finished.lines("lost: ").len(), 1);
    assert_eq!(finished.line("unknown: "), "unknown: engine 77 does not exist; there are engines 0, 1");
    cluster.wait_until_idle();
}

#[test]
fn an_engine_is_shut_down_and_its_daemon_with_the_last_one() {
    let mut cluster = Cluster::start(2);
    let other = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "control", &["shutdown", gate.folder()]);
    program.wait_for_line("one is gone");
    assert!(!cluster.node(0).has_ended(), "it has another engine");
    gate.sign("looked");
    let finished = program.finish();
    assert!(finished.line("direct: ").contains("shut it down"), "{}", finished.line("direct: "));
    assert!(finished.line("again: ").contains("engine 0 does not exist"), "{}", finished.line("again: "));
    assert!(cluster.node(0).wait(DEADLINE).success());
    assert!(!cluster.node(other).has_ended());
    cluster.wait_for_engines(1);
    cluster.wait_until_idle();
}

#[test]
fn engines_that_were_shut_down_do_not_come_back_with_the_controller() {
    let mut cluster = Cluster::start(3);
    let client = Program::run(&cluster, "control", &["shutdown-one"]);
    assert_eq!(client.line("left"), "left [0, 2]");
    cluster.controller().kill();
    cluster.start_controller();
    cluster.wait_for_engines(2);
    assert_eq!(cluster.ids_of(0), [0, 2]);
}

#[test]
fn the_whole_cluster_is_shut_down_by_a_client_and_the_others_hear_who_did_it() {
    let mut cluster = Cluster::start(2);
    cluster.add_node(1);
    let finished = run(&cluster, &["shutdown-cluster", cluster.gate("gate").folder()]);
    let other = finished.line("other: ");
    assert!(other.contains("a client (") && other.contains("shut"), "{other}");
    assert!(finished.line("closed: ").contains("the client was closed"), "{}", finished.line("closed: "));
    assert!(cluster.controller().wait(DEADLINE).success());
    for node in 0..2 {
        assert!(cluster.node(node).wait(DEADLINE).success());
    }
}

#[test]
fn a_signal_reaches_the_process_of_an_engine() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["signal", cluster.gate("gate").folder()]);
    assert!(
        finished.line("nothing runs: ").contains("no process at present"),
        "{}",
        finished.line("nothing runs: ")
    );
    assert!(finished.line("no such: ").contains("there is no signal 99"), "{}", finished.line("no such: "));
    let attempts = finished.lines("attempt ");
    assert!(
        attempts[0].starts_with("attempt 1 Lost { kind: WorkerLost")
            && attempts[0].contains("signal: Some(10)")
    );
    assert_eq!(attempts[1..], ["attempt 2 Completed"]);
}

#[test]
fn the_queues_of_engines_are_counted() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["status", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("unknown: "), "unknown: engine 9 does not exist; there are engines 0, 1");
}

#[test]
fn an_abort_and_a_restart_do_not_wait_for_data_that_an_engine_does_not_read() {
    let cluster = patient("2");
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "control", &["behind-data", gate.folder()]);
    let frozen = program.wait_for_line("freeze ")["freeze ".len()..].parse().unwrap();
    assert!(signal(frozen, Signal::STOP));
    gate.sign("frozen");
    let finished = program.finish();
    for what in ["push: ", "next: "] {
        assert!(finished.line(what).contains("restarted the engine"), "{}", finished.line(what));
    }
    wait_until("the data is gone", DEADLINE, || cluster.status().payload_bytes == 0);
    cluster.wait_until_idle();
}

#[test]
fn retries_and_the_crash_limit_are_two_budgets_and_every_attempt_keeps_its_reason() {
    let cluster = Cluster::start_with(1, &["--crash-limit", "3"]);
    let finished = run(&cluster, &["budgets", cluster.gate("gate").folder()]);
    let lost = "lost worker lost Some(6) false";
    let spared = [lost, "failed error user's error 1", lost, "completed"].map(|o| format!("spared {o}"));
    assert_eq!(finished.lines("spared "), spared);
    let given_up = [lost, lost, "lost quarantined None true"].map(|o| format!("given up {o}"));
    assert_eq!(finished.lines("given up "), given_up);
    let why = finished.line("quarantined: ");
    assert!(
        why.contains("3 times, on engines 0, 0, 0")
            && why.contains("each time: control was killed by SIGABRT"),
        "{why}"
    );
}

#[test]
fn what_cannot_be_done_is_one_clear_error_and_nothing_happens() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["refused"]);
    assert_eq!(finished.line("restart: "), "restart: engine 5 does not exist; there is engine 0");
    assert_eq!(finished.line("shutdown: "), "shutdown: engine 5 does not exist; there is engine 0");
    assert!(finished.line("signal: ").contains("there is no signal -3"), "{}", finished.line("signal: "));
}
