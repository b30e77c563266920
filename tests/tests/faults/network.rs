//! The network between a daemon and its controller goes silent: no end of a connection tells either side.

use phalanx_profile::{ConnectionFile, Role};
use phalanx_tests::{Cluster, Network};

use crate::{check_everywhere, complete, held_map};

#[test]
fn a_daemon_that_hears_nothing_gives_the_controller_up_and_comes_back() {
    let mut cluster = Cluster::start_with(1, &["--heartbeat-timeout", "1"]);
    let path = cluster.profile_folder().join(Role::Engine.file_name());
    let mut file = ConnectionFile::load(path, Role::Engine).expect("the controller has written it");
    let network = Network::to(&file.endpoints.tcp[0]);
    file.endpoints.socket = None;
    file.endpoints.tcp = vec![network.address()];
    let elsewhere = cluster.home().join("engine.json");
    file.save(&elsewhere).expect("the test's folder can be written to");
    let remote = cluster.add_node_with(&elsewhere, 1);
    cluster.wait_for_engines(2);
    cluster
        .node(remote)
        .wait_for_log(&format!("registered with the controller over TLS to {}", network.address()));
    cluster.node(0).wait_for_log("registered with the controller over the Unix socket ");

    let gate = cluster.gate("gate");
    let program = held_map(&cluster, &gate, 2, 0);
    gate.wait_for_arrivals(2);
    network.cut();
    // Each finds out by itself.
    cluster.wait_for_engines(1);
    cluster.node(remote).wait_for_log("the controller does not answer heartbeats");
    assert_eq!(complete(program, &gate, 2), 1);
    network.mend();
    cluster.wait_for_engines(2);
    check_everywhere(&cluster);
}
