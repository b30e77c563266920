//! Clients of one cluster beside each other, clients that leave, and what they leave behind.

use phalanx::{All, Client, Error};
use phalanx_tests::{Cluster, DEADLINE, Program, wait_until};

/// Two programs at once on the same engines: each gets its own answers, and nothing is left. (Clients that run the same program share
/// the engines' namespaces, as sessions of one notebook do, so these calls set no names.)
#[test]
fn two_clients_at_once() {
    let cluster = Cluster::start(4);
    let calls = [
        "connect",
        cluster.profile(),
        "notebook::products",
        "failures::a_panic_fails_its_element_alone",
        "large::elements_of_many_lengths",
    ];
    let both = [Program::start(&cluster, "scenarios", &calls), Program::start(&cluster, "scenarios", &calls)];
    for program in both {
        assert_eq!(program.finish().stdout.lines().count(), 3);
    }
    cluster.wait_until_idle();
}

/// After tens of thousands of jobs the controller holds no job, no chunk and no byte of them.
#[test]
fn nothing_is_left_of_tiny_jobs() {
    let cluster = Cluster::start(4);
    let scenarios = ["connect", cluster.profile(), "jobs::many_tiny_maps", "jobs::many_tiny_jobs"];
    Program::start(&cluster, "scenarios", &scenarios).patiently(4 * DEADLINE).finish();
    cluster.wait_until_idle();
    let status = cluster.status();
    assert_eq!((status.payload_bytes, status.clients), (0, 0));
}

/// Its results say that the client was closed; nothing hangs.
#[test]
fn a_client_dropped_while_its_jobs_run() {
    assert_eq!(super::program(&["drop"]), "closed\n");
}

/// `..` means the engines there were when the view was made, `All` those there are at each call.
#[test]
fn engines_that_come_and_go() {
    let mut cluster = Cluster::start(1);
    let client = Client::connect_file(cluster.profile_folder().join("client.json")).unwrap();
    client.wait_for_engines(1, DEADLINE).unwrap();
    let (then, now) = (client.direct_view(..), client.direct_view(All));
    assert_eq!((then.targets().unwrap(), now.targets().unwrap()), (vec![0], vec![0]));

    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.wait_for_engines(3, DEADLINE).map(|()| client.ids()));
        cluster.add_node(2);
        waiting.join().unwrap()
    });
    assert_eq!(waiting.unwrap(), [0, 1, 2]);
    assert_eq!((then.targets().unwrap(), now.targets().unwrap()), (vec![0], vec![0, 1, 2]));

    cluster.node(0).kill();
    wait_until("the client hears of it", DEADLINE, || client.ids() == [1, 2]);
    assert_eq!(now.targets().unwrap(), [1, 2]);
    cluster.node(1).kill();
    wait_until("the client hears of it", DEADLINE, || client.ids().is_empty());
    assert!(matches!(now.targets(), Err(Error::NoEngines)));
}
