//! Signs of life come from a thread of their own: whatever holds up a daemon's work does not make it look dead.

use std::time::{Duration, Instant};

use phalanx_tests::{Cluster, HeldThread, Program};

use crate::check_everywhere;

/// More than the heartbeats' timeout, several times over.
const HELD_FOR: Duration = Duration::from_secs(8);

#[test]
fn a_daemon_that_is_busy_is_not_given_up() {
    let mut cluster = Cluster::start_with(2, &["--heartbeat-timeout", "2"]);
    check_everywhere(&cluster);
    let before = cluster.engines();
    let held = HeldThread::main_of(cluster.node(0).pid());
    // A call waits for the thread meanwhile: that it stands still is no guess.
    let mut call = Program::start(&cluster, "faults", &["everywhere"]);
    let until = Instant::now() + HELD_FOR;
    while Instant::now() < until {
        let engines = cluster.engines();
        assert_eq!(engines.len(), 2, "the daemon's heartbeats stopped with its work");
        assert!(!call.has_ended(), "the daemon works");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(held);
    call.finish();
    let node = |engines: &[phalanx_proto::v1::EngineStatus]| engines[0].info.as_ref().map(|info| info.node);
    assert_eq!(node(&cluster.engines()), node(&before), "it was never registered anew");
    check_everywhere(&cluster);
}
