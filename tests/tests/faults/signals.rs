//! SIGINT and SIGTERM ask for the same; and what a daemon that lost its controller does until it comes back.

use std::time::Duration;

use phalanx_tests::{Cluster, DEADLINE, Signal, wait_until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{check_everywhere, complete, held_map};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn ctrl_c_ends_a_controller_as_well() {
    let mut cluster = Cluster::start(1);
    let socket = cluster.socket();
    cluster.controller().signal(Signal::INT);
    let status = cluster.controller().wait(SOON);
    assert!(status.success(), "{status}");
    assert!(!socket.exists());
}

/// Both wait for it when it goes on, so that the second is there while it says goodbye.
#[test]
fn a_second_signal_ends_a_controller_at_once() {
    let mut cluster = Cluster::start(1);
    for which in [Signal::STOP, Signal::TERM, Signal::INT, Signal::CONT] {
        cluster.controller().signal(which);
    }
    let status = cluster.controller().wait(SOON);
    let log = cluster.controller().log();
    assert!(!status.success() && log.contains("stopped at once by a second signal"), "{status}: {log}");
}

#[test]
fn ctrl_c_lets_a_daemon_finish_its_chunk_and_a_second_one_does_not() {
    for second in [false, true] {
        let mut cluster = Cluster::start(1);
        let leaving = cluster.add_node(1);
        let gate = cluster.gate("gate");
        let program = held_map(&cluster, &gate, 2, 0);
        gate.wait_for_arrivals(2);
        cluster.node(leaving).signal(Signal::INT);
        wait_until("the controller knows that it leaves", DEADLINE, || {
            cluster.engines().iter().filter(|engine| engine.draining).count() == 1
        });
        assert!(!cluster.node(leaving).has_ended(), "its chunk is not finished");
        if second {
            cluster.node(leaving).signal(Signal::INT);
            assert!(cluster.node(leaving).wait(SOON).success());
        }
        assert_eq!(complete(program, &gate, 2), u64::from(second), "attempts lost");
        assert!(cluster.node(leaving).wait(SOON).success());
        cluster.wait_for_engines(1);
    }
}

/// What is queued goes to others at once, not when the chunk that runs is finished.
#[test]
fn what_waits_on_a_leaving_daemon_is_handed_back() {
    let mut cluster = Cluster::start(1);
    let leaving = cluster.add_node(1);
    let gate = cluster.gate("gate");
    let program = held_map(&cluster, &gate, 40, 0);
    gate.wait_for_arrivals(2);
    let [id] = cluster.ids_of(leaving)[..] else { panic!("one engine") };
    let assigned = |cluster: &Cluster| {
        let engines = cluster.engines();
        let engine = engines.iter().find(|e| e.info.as_ref().is_some_and(|info| info.id == id));
        engine.expect("it finishes its chunk first").assigned_chunks
    };
    wait_until("a chunk is queued behind the one that runs", DEADLINE, || assigned(&cluster) > 1);
    cluster.node(leaving).signal(Signal::TERM);
    wait_until("only the chunk that runs is left", DEADLINE, || assigned(&cluster) == 1);
    assert_eq!(complete(program, &gate, 40), 0);
    assert!(cluster.node(leaving).wait(SOON).success());
    check_everywhere(&cluster);
}

/// When a daemon said that it could not reach its controller.
fn complaints(log: &str) -> Vec<OffsetDateTime> {
    let time = |line: &str| OffsetDateTime::parse(line.split_whitespace().next()?, &Rfc3339).ok();
    // The same complaint is a warning once a minute only.
    let complains = |line: &&str| {
        [" WARN phalanx_engine::node: ", "DEBUG phalanx_engine::node: "]
            .iter()
            .any(|start| line.contains(start))
    };
    log.lines().filter(complains).filter_map(time).collect()
}

/// Six attempts: 100, 200, 400, 800 and 1600 ms apart, or more. And when it is back it is found again.
#[test]
fn a_daemon_tries_less_and_less_often_while_its_controller_is_away() {
    let mut cluster = Cluster::start(1);
    cluster.controller().kill();
    wait_until("the daemon has tried five times to come back", DEADLINE, || {
        complaints(&cluster.node(0).log()).len() >= 6
    });
    let tried = complaints(&cluster.node(0).log());
    assert_eq!(cluster.node(0).log().matches(" WARN phalanx_engine::node: no controller answers").count(), 1);
    for (at, pair) in tried.windows(2).enumerate().take(5) {
        let least = Duration::from_millis(100 << at);
        assert!(pair[1] - pair[0] >= least, "attempt {} came within {least:?}: {tried:?}", at + 1);
    }
    cluster.start_controller();
    cluster.wait_for_engines(1);
    check_everywhere(&cluster);
}
