//! Workers are killed.

use std::time::{Duration, Instant};

use phalanx_tests::{Cluster, DEADLINE, Signal, is_alive, signal, wait_until};

use crate::{check_failed, start};

/// Nobody waits for a killed worker, no task runs twice, and the others, which would wait for ever, are gone.
#[test]
fn a_worker_that_is_killed_in_a_task_ends_the_map() {
    for kind in ["workers", "tasks"] {
        let cluster = Cluster::start(0);
        let gate = cluster.gate("gate");
        let mut program = start(&cluster, "held", kind);
        let arrivals = gate.wait_for_arrivals(3);
        let victim = arrivals.iter().find(|a| a.tag == "1").unwrap();
        assert!(signal(victim.pid, Signal::KILL));
        let killed = Instant::now();
        program.wait_for_line("error ");
        assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
        let finished = program.finish();
        check_failed(&finished, "killed 1 signal 9");
        assert!(finished.line("error ").contains("was killed by SIGKILL"), "{}", finished.stdout);
        assert_eq!(finished.line("alive"), "alive 0", "{kind}");
        assert_eq!(gate.arrivals(), arrivals, "no other task was begun, and none again: {kind}");
    }
}

#[test]
fn a_worker_that_was_killed_between_maps_is_missed_in_the_next() {
    for (engines, kind) in [(0, "workers"), (3, "on-workers")] {
        let mut cluster = Cluster::start(engines);
        let gate = cluster.gate("gate");
        let mut program = start(&cluster, "idle", kind);
        program.wait_for_line("idle");
        let victim = gate.arrivals().into_iter().find(|a| a.tag == "2").unwrap();
        assert!(signal(victim.pid, Signal::KILL));
        wait_until("the worker is gone", DEADLINE, || !is_alive(victim.pid));
        if kind == "on-workers" {
            // The next task meets another worker, which tells of it.
            cluster.node(0).wait_for_log("worker lost");
        }
        gate.open();
        let finished = program.finish();
        check_failed(&finished, "killed 2 signal 9");
        assert!(finished.line("error ").contains("SIGKILL"), "{}", finished.stdout);
    }
}

/// A signal other than SIGKILL is told as it was.
#[test]
fn the_signal_is_told() {
    let cluster = Cluster::start(0);
    let gate = cluster.gate("gate");
    let program = start(&cluster, "held", "workers");
    let victim = gate.wait_for_arrivals(3).into_iter().find(|a| a.tag == "0").unwrap();
    assert!(signal(victim.pid, Signal::TERM));
    check_failed(&program.finish(), "killed 0 signal 15");
}

/// The engines of another daemon are left, but too few for the next map.
#[test]
fn an_engine_that_is_lost_ends_the_map() {
    for kind in ["on-workers", "on-tasks"] {
        let mut cluster = Cluster::start(2);
        let lost = cluster.add_node(1);
        let gate = cluster.gate("gate");
        let program = start(&cluster, "held", kind);
        gate.wait_for_arrivals(3);
        cluster.node(lost).kill();
        let finished = program.wait();
        let errors = finished.lines("error ");
        assert!(errors[0].starts_with("error worker 2: worker 2 failed: "), "{}", errors[0]);
        assert!(errors[0].contains("engine 2") && errors[0].contains("went away"), "{}", errors[0]);
        assert!(
            finished.stderr.contains("3 workers are asked for, and the client has 2"),
            "{}",
            finished.stderr
        );
        cluster.wait_until_idle();
    }
}

#[test]
fn a_controller_that_is_lost_ends_the_map() {
    for kind in ["on-workers", "on-tasks"] {
        let mut cluster = Cluster::start(3);
        let gate = cluster.gate("gate");
        let mut program = start(&cluster, "held", kind);
        gate.wait_for_arrivals(3);
        cluster.controller().kill();
        let error = program.wait_for_line("error ");
        assert!(error.starts_with("error worker 0: ") && error.contains("controller was lost"), "{error}");
        assert!(!program.wait().status.success(), "there are no engines for the next map");
    }
}
