//! Attempts are counted exactly: each loss is told once, and a number says how often something was tried, not at least how often.

use phalanx_tests::{Cluster, DEADLINE, Program, Signal, is_alive, signal, wait_until};

use crate::held_map;

/// The attempts that gave the elements their values, in order.
fn attempts(line: &str) -> Vec<u32> {
    let list = line.trim_start_matches("attempts [").trim_end_matches(']');
    list.split(", ").map(|n| n.parse().expect("a number")).collect()
}

/// One engine and one element, so that nothing waits behind another and is moved, which would be an attempt too.
#[test]
fn a_killed_worker_costs_one_attempt() {
    let cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let program = held_map(&cluster, &gate, 1, 0);
    for kills in 1..3 {
        let arrivals = gate.wait_for_arrivals(kills);
        let running = arrivals.iter().find(|arrival| is_alive(arrival.pid)).expect("it waits at the gate");
        assert!(signal(running.pid, Signal::KILL));
        wait_until("the worker is gone", DEADLINE, || !is_alive(running.pid));
    }
    gate.wait_for_arrivals(3);
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("lost "), "lost 2");
    assert_eq!(attempts(finished.line("attempts ")), [3]);
}

#[test]
fn a_killed_daemon_costs_one_attempt_of_what_it_held() {
    let mut cluster = Cluster::start(1);
    let other = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let program = held_map(&cluster, &gate, 2, 0);
    gate.wait_for_arrivals(2);
    let held = gate.wait_for_process(&cluster.node(other).workers());
    cluster.node(other).kill();
    cluster.wait_for_engines(1);
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("lost "), "lost 1");
    let expected = if held.tag == "0" { [2, 1] } else { [1, 2] };
    assert_eq!(attempts(finished.line("attempts ")), expected);
}

/// One engine, one element: three workers end, two attempts were repeated, and the third stands.
#[test]
fn a_quarantined_element_says_how_often_it_was_tried() {
    let cluster = Cluster::start_with(1, &["--crash-limit", "3"]);
    let finished = Program::run(&cluster, "faults", &["poison", "1", "0"]);
    assert_eq!(finished.lines("tried "), ["tried element 0 attempt 3"]);
    assert_eq!(finished.line("lost "), "lost 2");
}

#[test]
fn an_element_that_panics_says_how_often_it_was_tried() {
    let cluster = Cluster::start(1);
    let finished = Program::run(&cluster, "faults", &["panic", "1", "1", "0"]);
    assert_eq!(finished.lines("tried "), ["tried element 0 attempt 1"]);
    assert_eq!(finished.line("lost "), "lost 0");
}
