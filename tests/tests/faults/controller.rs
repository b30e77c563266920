//! The controller ends, in order and otherwise, and comes back.

use std::time::Duration;

use phalanx::Client;
use phalanx_tests::{Cluster, DEADLINE, Program, Signal, wait_until};

use crate::{check_everywhere, complete, held_map};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_controller_that_is_asked_to_end_exits_well_and_removes_its_socket() {
    let mut cluster = Cluster::start(1);
    let socket = cluster.socket();
    assert!(socket.exists());
    cluster.controller().signal(Signal::TERM);
    let status = cluster.controller().wait(SOON);
    assert!(status.success(), "{status}");
    assert!(!socket.exists());
}

#[test]
fn jobs_go_on_when_the_controller_was_stopped_and_started_again() {
    restart_in_the_middle_of_a_job(Signal::TERM);
}

#[test]
fn jobs_go_on_when_the_controller_was_killed_and_started_again() {
    restart_in_the_middle_of_a_job(Signal::KILL);
}

/// The system makes connections to a process that is stopped; nobody waits for its answer for ever.
#[test]
fn a_controller_that_is_stopped_is_not_waited_for_without_end() {
    let mut cluster = Cluster::start(1);
    cluster.controller().signal(Signal::STOP);
    let file = cluster.profile_folder().join("client.json");
    let Err(error) = Client::connect_file(&file) else { panic!("nobody can have answered") };
    cluster.controller().signal(Signal::CONT);
    assert!(error.to_string().contains("does not answer within 10 s"), "{error}");
    cluster.wait_for_engines(1);
    assert!(Client::connect_file(&file).is_ok(), "it answers again");
}

/// A call is submitted at any moment of a reconnection, and the controller takes none of them for nonsense.
#[test]
fn who_keeps_calling_is_served_when_the_controller_is_back() {
    let mut cluster = Cluster::start(1);
    let mut program = Program::start(&cluster, "faults", &["persist"]);
    program.wait_for_line("running");
    cluster.controller().kill();
    cluster.start_controller();
    program.wait_for_line("works again");
    program.finish();
}

/// Who watches a job that nobody runs learns why, and what to start.
#[test]
fn who_waits_in_vain_is_told_what_is_missing() {
    let mut cluster = Cluster::start(1);
    cluster.node(0).kill();
    cluster.wait_for_engines(0);
    let program = Program::start(&cluster, "faults", &["watch", "20"]);
    let is_told = |text: &str| {
        let said = || program.stderr().contains(text);
        wait_until(&format!("{text:?} is said"), DEADLINE, said);
    };
    is_told("waiting: there are no engines\n  Start some: engine --profile test -n 4\n");
    cluster.controller().kill();
    is_told("waiting: the connection to the controller was lost: ");
    is_told("start it: controller --profile test\n");
    cluster.start_controller();
    cluster.add_node(2);
    // Whether it was said in between that the controller is back, but has no engines yet, depends on how fast all that is.
    is_told(": it goes on\n");
    let finished = program.finish();
    assert!(finished.stdout.contains("20/20 tasks finished") && finished.stdout.contains("\ndone\n"));
    assert_eq!(finished.stderr.matches("waiting: the connection").count(), 1, "{}", finished.stderr);
}

fn restart_in_the_middle_of_a_job(how: Signal) {
    let mut cluster = Cluster::start(2);
    let other = cluster.add_node(1);
    let [direct_on] = cluster.ids_of(other)[..] else { panic!("one engine") };
    let (gate, direct_gate) = (cluster.gate("gate"), cluster.gate("direct"));
    let arguments = ["direct", direct_gate.folder(), &direct_on.to_string()];
    let mut direct = Program::start(&cluster, "faults", &arguments);
    direct_gate.wait_for_arrivals(1);
    direct.wait_for_line("running");
    let mut map = held_map(&cluster, &gate, 20, 10);
    map.wait_for_line("running");
    // One of the ten that are free may wait behind the direct call; then two are held.
    gate.wait_for_arrivals(10);

    cluster.controller().signal(how);
    cluster.controller().wait(SOON);
    cluster.start_controller();
    cluster.wait_for_engines(3);

    complete(map, &gate, 20);
    let finished = direct.finish();
    let error = finished.line("controller lost");
    assert!(
        error.contains("connection to the controller was lost") && error.contains("direct view"),
        "{error}"
    );
    check_everywhere(&cluster);
}

#[test]
fn a_second_controller_on_a_profile_is_refused() {
    let cluster = Cluster::start(1);
    let refused = Program::start(&cluster, "controller", &["--profile", cluster.profile()]).wait();
    assert_eq!(refused.status.code(), Some(10), "{}", refused.stderr);
    check_everywhere(&cluster);
}
