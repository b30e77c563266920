//! Engines' ids: small, each granted once, and an engine's own for as long as it lives, whatever becomes of its controller.

use std::time::Duration;

use phalanx_tests::{Cluster, Signal};

use crate::check_everywhere;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn engines_keep_their_ids_when_the_controller_was_stopped_and_started_again() {
    restarted(Signal::TERM);
}

#[test]
fn engines_keep_their_ids_when_the_controller_was_killed_and_started_again() {
    restarted(Signal::KILL);
}

/// The lowest ids belong to a daemon that is gone: engines that came back as new ones would be given those.
fn restarted(how: Signal) {
    let mut cluster = Cluster::start(2);
    let (one, other) = (cluster.add_node(1), cluster.add_node(3));
    assert_eq!((cluster.ids_of(one), cluster.ids_of(other)), (vec![2], vec![3, 4, 5]));
    cluster.node(0).kill();
    cluster.wait_for_engines(4);

    cluster.controller().signal(how);
    cluster.controller().wait(SOON);
    cluster.start_controller();
    cluster.wait_for_engines(4);
    assert_eq!((cluster.ids_of(one), cluster.ids_of(other)), (vec![2], vec![3, 4, 5]));

    let fresh = cluster.add_node(3);
    assert_eq!(cluster.ids_of(fresh), [0, 1, 6], "what nobody has with this controller, the lowest first");
    check_everywhere(&cluster);
}

#[test]
fn an_id_is_not_granted_again_while_the_controller_runs() {
    let mut cluster = Cluster::start(2);
    cluster.node(0).kill();
    cluster.wait_for_engines(0);
    let fresh = cluster.add_node(2);
    assert_eq!(cluster.ids_of(fresh), [2, 3]);
    check_everywhere(&cluster);
}
