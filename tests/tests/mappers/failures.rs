//! Tasks that fail, and workers that cannot work.

use phalanx_tests::{Arrival, Cluster, DEADLINE, Program, is_alive, wait_until};

use crate::{check_failed, run, start};

/// Task 1 fails while 0 and 2 run, and would run for ever: they are ended, and no other is begun.
#[test]
fn a_task_that_fails_ends_its_map() {
    for (mode, error) in [("failing", "kind error"), ("panicking", "kind panic")] {
        for kind in ["workers", "tasks"] {
            let cluster = Cluster::start(0);
            let finished = run(&cluster, mode, kind);
            check_failed(&finished, &format!("task 1 worker 1 {error}"));
            assert!(finished.line("error ").contains("one is broken"), "{}", finished.stdout);
            let seconds: u64 = finished.line("seconds").trim_start_matches("seconds ").parse().unwrap();
            assert!(seconds < 30, "the others are not waited for: {seconds} s");
            assert_eq!(finished.line("alive"), "alive 0", "{mode} {kind}");
            let tags: Vec<_> = cluster.gate("gate").arrivals().into_iter().map(|a| a.tag).collect();
            assert_eq!(tags, ["0", "1", "2"], "{mode} {kind}");
        }
    }
}

/// The engines of a cluster are free again afterwards, whoever wants them: nothing waits behind what was cancelled.
#[test]
fn a_clients_engines_outlive_a_map_that_fails() {
    for kind in ["on-workers", "on-tasks"] {
        let cluster = Cluster::start(3);
        let finished = run(&cluster, "failing", kind);
        check_failed(&finished, "task 1 worker 1 kind error");
        let tags: Vec<_> = cluster.gate("gate").arrivals().into_iter().map(|a| a.tag).collect();
        assert_eq!(tags, ["0", "1", "2"], "{kind}");
        cluster.wait_until_idle();
        wait_until("the processes of cancelled tasks are gone", DEADLINE, || {
            let gone = |a: &Arrival| (kind == "on-workers" && a.tag == "1") || !is_alive(a.pid);
            cluster.gate("gate").arrivals().iter().all(gone)
        });
        Program::run(&cluster, "faults", &["everywhere"]);
    }
}

#[test]
fn one_after_the_other_those_before_the_failure_are_done() {
    for (mode, error) in [("failing", "kind error"), ("panicking", "kind panic")] {
        let cluster = Cluster::start(0);
        cluster.gate("gate").open();
        let finished = run(&cluster, mode, "serial");
        check_failed(&finished, &format!("task 1 worker 0 {error}"));
        let tags: Vec<_> = cluster.gate("gate").arrivals().into_iter().map(|a| a.tag).collect();
        assert_eq!(tags, ["0", "1"], "{mode}");
    }
}

#[test]
fn a_worker_that_ends_by_itself_is_named_with_its_exit_code() {
    for kind in ["workers", "tasks"] {
        let cluster = Cluster::start(0);
        let finished = run(&cluster, "exits", kind);
        check_failed(&finished, "worker 1");
        assert!(finished.line("error ").contains("exited with code 3"), "{}", finished.stdout);
        assert_eq!(finished.line("alive"), "alive 0");
    }
}

/// Before its first task, or, where each task's process makes its own, instead of it.
#[test]
fn a_worker_that_cannot_make_its_resource_is_named() {
    for kind in ["workers", "tasks"] {
        let cluster = Cluster::start(0);
        let finished = start(&cluster, "no-device", kind).finish();
        let error = finished.line("error ");
        assert!(error.starts_with("error worker 2: worker 2 failed: "), "{error}");
        assert!(error.contains("there is no device 2"), "{error}");
        assert_eq!(finished.line("again"), "again [0, 1, 2]");
    }
}
