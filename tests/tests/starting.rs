//! Control of workers that have not said hello yet, with real processes.

use phalanx_tests::{Cluster, Program};

#[test]
fn a_call_that_is_aborted_while_its_process_starts_costs_the_others_nothing() {
    let cluster = Cluster::start(1);
    assert_eq!(Program::run(&cluster, "slow_start", &["abort"]).line("done"), "done");
    cluster.wait_until_idle();
}

#[test]
fn a_process_that_does_not_come_to_its_init_is_ended_by_a_restart() {
    let cluster = Cluster::start(1);
    assert_eq!(Program::run(&cluster, "slow_start", &["restart"]).line("done"), "done");
    cluster.wait_until_idle();
}
