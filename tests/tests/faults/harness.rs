//! The harness itself: it must notice what the other tests rely on it to notice.

use std::process::{Child, Command};

use phalanx_tests::{Cluster, Program};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[should_panic(expected = "processes outlived their cluster")]
fn a_process_that_outlives_its_cluster_fails_the_test() {
    let cluster = Cluster::start(1);
    // In the place of a worker: it has the cluster's home in its environment, and no daemon that it ends with.
    let _stray = Killed(Command::new("sleep").arg("60").env("PHALANX_HOME", cluster.home()).spawn().unwrap());
    drop(cluster);
}

#[test]
#[should_panic(expected = "ended with exit status: 101")]
fn a_program_that_fails_its_own_checks_fails_the_test() {
    let cluster = Cluster::start(1);
    Program::run(&cluster, "faults", &["no such scenario"]);
}
