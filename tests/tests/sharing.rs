//! Two clients on the same engines: a long job of one does not hold up the calls of another, whatever becomes of those.

use std::path::PathBuf;

use phalanx_profile::{ConnectionFile, Role};
use phalanx_tests::{Cluster, Gate, Network, Program};

/// A cluster of one engine, which is in the middle of a chunk that does not end before the gate is opened.
fn busy(scenario: &str) -> (Cluster, Gate, Program) {
    let cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let mut long = Program::start(&cluster, "sharing", &[scenario, gate.folder()]);
    long.wait_for_line("begun");
    (cluster, gate, long)
}

#[test]
fn calls_of_one_client_are_served_between_two_elements_of_anothers_chunk() {
    let (cluster, gate, long) = busy("long");
    let served = Program::run(&cluster, "sharing", &["calls"]);
    assert_eq!(served.line("served"), "served");
    gate.open();
    assert_eq!(long.finish().line("lost"), "lost 0");
    cluster.wait_until_idle();
}

#[test]
fn calls_with_more_data_than_a_socket_holds_are_served_there_too() {
    let (cluster, gate, long) = busy("long");
    assert_eq!(Program::run(&cluster, "sharing", &["large calls"]).line("served"), "served");
    gate.open();
    assert_eq!(long.finish().line("lost"), "lost 0");
}

#[test]
fn a_clients_own_calls_stay_behind_its_job() {
    let (cluster, gate, long) = busy("long and own call");
    assert_eq!(Program::run(&cluster, "sharing", &["calls"]).line("served"), "served");
    gate.sign("served");
    let finished = long.finish();
    assert_eq!(finished.line("own call"), "own call ready: false");
    assert_eq!(finished.line("lost"), "lost 0");
}

/// Four deaths, more than a chunk is allowed: they are the calls' own.
#[test]
fn a_call_that_ends_its_process_is_blamed_alone() {
    let (cluster, gate, long) = busy("long");
    let deadly = Program::run(&cluster, "sharing", &["deadly calls"]);
    assert_eq!(deadly.line("direct"), "direct worker lost");
    assert_eq!(deadly.line("balanced"), "balanced quarantined");
    gate.open();
    let lost = long.finish();
    assert_ne!(lost.line("lost"), "lost 0", "the chunk was under way each time, and begun anew");
}

#[test]
fn the_run_limits_of_both_are_kept_apart() {
    let (cluster, gate, long) = busy("long");
    let hung = Program::run(&cluster, "sharing", &["hanging call"]);
    assert_eq!(hung.line("hung"), "hung run limit");
    // It lasts longer than an element of the other client may, which is not under way meanwhile.
    let held = Program::run(&cluster, "sharing", &["held call", cluster.gate("other").folder()]);
    let pid = held.line("served by ").trim_start_matches("served by ").to_owned();
    assert!(cluster.workers().iter().any(|worker| worker.to_string() == pid), "the process was not ended");
    gate.open();
    long.finish();
}

/// A connection file for another machine, and the network that it is reached through.
fn through_a_network(cluster: &Cluster, role: Role) -> (PathBuf, Network) {
    let path = cluster.profile_folder().join(role.file_name());
    let mut file = ConnectionFile::load(path, role).expect("the controller has written it");
    let network = Network::to(&file.endpoints.tcp[0]);
    file.endpoints.socket = None;
    file.endpoints.tcp = vec![network.address()];
    let path = cluster.home().join(format!("elsewhere-{}", role.file_name()));
    file.save(&path).expect("the test's folder can be written to");
    (path, network)
}

/// One message from the client and one to each node, however many engines the node has.
#[test]
fn a_value_for_all_engines_crosses_the_network_once_to_the_controller_and_once_to_a_node() {
    const VALUE: u64 = 16 << 20;
    let mut cluster = Cluster::start(1);
    let (node_file, to_node) = through_a_network(&cluster, Role::Engine);
    cluster.add_node_with(&node_file, 8);
    cluster.wait_for_engines(9);
    let (client_file, from_client) = through_a_network(&cluster, Role::Client);
    let gate = cluster.gate("gate");
    let client_file = client_file.to_str().expect("tests' folders have plain names");
    let mut program = Program::start(&cluster, "sharing", &["push", client_file, gate.folder()]);
    program.wait_for_line("ready");
    let before = (from_client.carried().0, to_node.carried().1);
    gate.open();
    program.wait_for_line("pushed");
    let carried = (from_client.carried().0 - before.0, to_node.carried().1 - before.1);
    // The rest is for messages, TLS and signs of life.
    let is_once = |bytes: u64| (VALUE..VALUE + VALUE / 16).contains(&bytes);
    assert!(is_once(carried.0) && is_once(carried.1), "{carried:?} bytes for a value of {VALUE}");
    assert_eq!(program.finish().line("on "), "on 9 engines");
}
