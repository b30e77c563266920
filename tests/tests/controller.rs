//! What `controller` does with its options, and what others then find in the profile.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use phalanx_link::Route;
use phalanx_profile::{ConnectionFile, Role};
use phalanx_proto::host;
use phalanx_proto::v1::StatusRequest;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_tests::{Cluster, Program, Signal};

/// The client's file as it is on another machine, where there is no Unix socket.
fn from_elsewhere(cluster: &Cluster) -> ConnectionFile {
    let path = cluster.profile_folder().join(Role::Client.file_name());
    let mut file = ConnectionFile::load(path, Role::Client).unwrap();
    file.endpoints.socket = None;
    file
}

/// The process that answers where the file leads, and the address that did.
fn who_answers(file: &ConnectionFile) -> (u32, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connected = phalanx_link::connect(file, &host::id()).await.unwrap_or_else(|e| panic!("{e}"));
        let Route::Tls(address) = connected.route else { panic!("the socket was to be left out") };
        let status =
            ClusterClient::new(connected.channel).status(StatusRequest {}).await.unwrap().into_inner();
        (status.peer.unwrap().pid, address)
    })
}

/// Every address that is advertised is in the file, with the port, and leads to it.
#[test]
fn it_is_reached_under_the_names_that_it_advertises() {
    let names = ["127.0.0.2", "head.cluster.example", "localhost"];
    let mut arguments = vec!["--listen", "0.0.0.0:0"];
    names.iter().for_each(|name| arguments.extend(["--advertise", name]));
    let mut cluster = Cluster::start_with(1, &arguments);
    let file = from_elsewhere(&cluster);
    let port = file.endpoints.tcp[0].rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(file.endpoints.tcp, names.map(|name| format!("{name}:{port}")));
    for name in ["127.0.0.2", "localhost"] {
        let mut only = file.clone();
        only.endpoints.tcp = vec![format!("{name}:{port}")];
        assert_eq!(who_answers(&only), (cluster.controller().pid(), format!("{name}:{port}")));
    }
}

/// Another port each time: who reads the files again finds it.
#[test]
fn its_files_lead_to_it_after_every_start() {
    let mut cluster = Cluster::start(0);
    let mut addresses = Vec::new();
    for how in [Signal::KILL, Signal::TERM, Signal::KILL] {
        let (pid, address) = who_answers(&from_elsewhere(&cluster));
        assert_eq!(pid, cluster.controller().pid());
        addresses.push(address);
        cluster.controller().signal(how);
        cluster.controller().wait(phalanx_tests::DEADLINE);
        cluster.start_controller();
    }
    assert!(
        addresses.windows(2).any(|pair| pair[0] != pair[1]),
        "the system chose one port again: {addresses:?}"
    );
}

#[test]
fn its_log_is_as_loud_as_it_is_told() {
    for (level, has, has_not) in [
        ("error", "controller ready", " INFO "),
        ("info", " INFO ", " DEBUG "),
        ("phalanx_controller=debug", " DEBUG ", " TRACE "),
    ] {
        let mut cluster = Cluster::start_with(1, &["--log", level]);
        Program::run(&cluster, "faults", &["everywhere"]);
        cluster.controller().signal(Signal::TERM);
        cluster.controller().wait(phalanx_tests::DEADLINE);
        let log = cluster.controller().log();
        assert!(log.contains(has) && !log.contains(has_not), "{level}: {log}");
    }
}

/// It says which process is in the way, whichever of the two asks.
#[test]
fn it_does_not_start_twice_and_names_the_one_that_runs() {
    let mut cluster = Cluster::start(1);
    let second = Program::start(&cluster, "controller", &["--profile", cluster.profile()]).wait();
    let running = format!("process {} ", cluster.controller().pid());
    assert!(second.stderr.contains(&running) && second.stderr.contains("`test`"), "{}", second.stderr);
    assert!(!second.status.success() && second.stdout.is_empty(), "{}", second.stdout);
    assert_eq!(cluster.engines().len(), 1, "the one that runs is not disturbed");
}

/// Its help shows whole commands, for one machine and for several, and what comes next.
#[test]
fn its_help_teaches() {
    let cluster = Cluster::start(0);
    let controller = Program::run(&cluster, "controller", &["--help"]).stdout;
    for part in [
        "--profile",
        "--listen",
        "--advertise",
        "--log",
        "engine --profile",
        "engine.json",
        "Client::connect",
        "Exit codes",
    ] {
        assert!(controller.contains(part), "{part:?} is missing in:\n{controller}");
    }
    let engine = Program::run(&cluster, "engine", &["--help"]).stdout;
    for part in ["--profile", "--connection", "-n", "scp", "engine.json", "SIGTERM", "comes back by itself"] {
        assert!(engine.contains(part), "{part:?} is missing in:\n{engine}");
    }
    let version = Program::run(&cluster, "controller", &["--version"]).stdout;
    assert!(version.starts_with("controller "), "{version}");
}
