//! The commands, with the real daemons.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::cluster::{Cluster, Running, eventually, outcome, program, session, signal};
use rustix::process::Signal;
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_cluster_from_start_to_stop() {
    let cluster = Cluster::new();
    let (code, out, err) = cluster.phalanx(&["start", "-n", "3", "--profile", "nbserver"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.starts_with("profile nbserver: 3 engines are ready") && err.is_empty(), "{out}{err}");
    let (controller, engine) = (cluster.process("controller"), cluster.process("engine"));

    let (code, out, _) = cluster.phalanx(&["status", "--profile", "nbserver", "--json"]);
    assert_eq!(code, Some(0));
    let status = json(&out);
    assert_eq!(status["controller"]["pid"], controller);
    let engines = status["engines"].as_array().unwrap();
    assert_eq!(engines.len(), 3);
    assert!(engines.iter().all(|e| e["node_pid"] == engine), "{out}");

    let (code, out, _) = cluster.phalanx(&["status", "--profile", "nbserver"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().filter(|l| l.starts_with("engine\t")).count(), 3, "{out}");

    let (code, out, _) = cluster.phalanx(&["list", "--json"]);
    let listed = json(&out);
    assert_eq!(
        (code, &listed[0]["state"], &listed[0]["pid"]),
        (Some(0), &"running".into(), &controller.into())
    );

    let (code, out, err) = cluster.phalanx(&["start", "-n", "1", "--profile", "nbserver"]);
    assert_eq!((code, out.as_str()), (Some(10), ""));
    assert!(err.contains(&format!("process {controller} ")) && err.contains("it has 3 engines"), "{err}");

    let (code, out, err) = cluster.phalanx(&["stop", "--profile", "nbserver"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("profile nbserver: stopped (engine daemon {engine}, controller {controller})\n"));
    assert_eq!(cluster.processes(), []);
    assert!(!cluster.home().join("nbserver/engines.json").exists());

    for command in ["stop", "status"] {
        let (code, out, err) = cluster.phalanx(&[command, "--profile", "nbserver"]);
        assert_eq!((code, out.as_str()), (Some(11), ""), "{command}");
        assert!(err.contains("profile `nbserver`"), "{err}");
    }
}

#[test]
fn daemons_share_a_session_of_their_own_and_have_private_logs_without_colours() {
    let cluster = Cluster::new();
    assert_eq!(cluster.phalanx(&["start", "-n", "1"]).0, Some(0));
    let shared = session(cluster.process("controller"));
    assert_ne!(shared, session(std::process::id().cast_signed()), "it goes with the caller's terminal");
    for name in ["controller", "engine"] {
        let pid = cluster.process(name);
        assert_eq!(session(pid), shared, "{name} has another session");
        assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap().to_str(), Some("/dev/null"));
        let log = cluster.home().join("default/log").join(name).with_extension("log");
        assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&log).unwrap().contains('\x1b'));
    }
    assert_eq!(cluster.phalanx(&["stop"]).0, Some(0));
}

#[test]
fn a_controller_without_engines_is_pointed_out() {
    let cluster = Cluster::new();
    let mut controller = cluster.command(program("controller"));
    let mut controller = Running(
        controller.args(["--profile", "bare", "--log", "warn"]).stdout(Stdio::null()).spawn().unwrap(),
    );
    eventually("the controller answers", || cluster.phalanx(&["status", "--profile", "bare"]).0 == Some(0));
    let (code, _, err) = cluster.phalanx(&["start", "-n", "5", "--profile", "bare"]);
    assert_eq!(code, Some(10));
    assert!(err.contains("it has no engines; add some: engine --profile bare -n 5"), "{err}");
    assert_eq!(cluster.phalanx(&["stop", "--profile", "bare"]).0, Some(0));
    assert!(controller.0.wait().unwrap().success());
}

#[test]
fn engines_that_outlived_their_controller_are_found_and_ended() {
    let cluster = Cluster::new();
    assert_eq!(cluster.phalanx(&["start", "-n", "1"]).0, Some(0));
    let controller = cluster.process("controller");
    signal(controller, Signal::KILL);
    eventually("the controller is gone", || cluster.processes().iter().all(|(pid, _)| *pid != controller));
    assert_eq!(cluster.phalanx(&["status"]).0, Some(11));
    let (code, _, err) = cluster.phalanx(&["start", "-n", "1"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("engines of an earlier start") && err.contains("phalanx stop --profile default"),
        "{err}"
    );
    let (code, out, _) = cluster.phalanx(&["stop", "--json"]);
    assert_eq!((code, &json(&out)["controller_pid"]), (Some(0), &Value::Null));
    assert_eq!(cluster.processes(), []);
    assert_eq!(cluster.phalanx(&["start", "-n", "1"]).0, Some(0));
    assert_eq!(cluster.phalanx(&["stop"]).0, Some(0));
}

#[test]
fn daemons_that_do_not_answer_are_reported_and_killed() {
    let cluster = Cluster::new();
    assert_eq!(cluster.phalanx(&["start", "-n", "1"]).0, Some(0));
    let (controller, engine) = (cluster.process("controller"), cluster.process("engine"));
    signal(controller, Signal::STOP);
    signal(engine, Signal::STOP);
    let (code, _, err) = cluster.phalanx(&["status"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("does not answer within"), "{err}");
    let (code, out, _) = cluster.phalanx(&["stop", "--timeout", "0.2", "--json"]);
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(json(&out)["killed_pids"], serde_json::json!([engine, controller]));
    assert_eq!(cluster.processes(), []);
    assert_eq!(cluster.phalanx(&["stop"]).0, Some(11));
}

#[test]
fn a_daemon_that_dies_while_it_starts_shows_its_last_words_and_leaves_nothing() {
    let cluster = Cluster::new();
    let (code, out, err) = cluster.phalanx(&["start", "-n", "1", "--listen", "203.0.113.7:7070"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("the controller has ended (exit status: 1)") && err.contains("203.0.113.7:7070"),
        "{err}"
    );
    assert_eq!(cluster.processes(), []);

    let (programs, broken) = (cluster.scratch().join("bin"), "#!/bin/sh\necho no libc here >&2\nexit 9\n");
    fs::create_dir(&programs).unwrap();
    for name in ["phalanx", "controller"] {
        fs::copy(program(name), programs.join(name)).unwrap();
    }
    fs::write(programs.join("engine"), broken).unwrap();
    fs::set_permissions(programs.join("engine"), fs::Permissions::from_mode(0o755)).unwrap();
    let start =
        || outcome(cluster.command(programs.join("phalanx")).args(["start", "-n", "1"]).output().unwrap());
    let (code, _, err) = start();
    assert_eq!(code, Some(1));
    assert!(
        err.contains("the engine daemon has ended (exit status: 9)") && err.contains("| no libc here"),
        "{err}"
    );
    assert_eq!(cluster.processes(), []);

    // One that never registers is given up in time, and so is the controller.
    fs::write(programs.join("engine"), "#!/bin/sh\necho thinking\nexec sleep 600\n").unwrap();
    let slow = ["start", "-n", "1", "--timeout", "0.7"];
    let (code, _, err) = outcome(cluster.command(programs.join("phalanx")).args(slow).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(
        err.contains("0 of 1 engines are ready after 0.7 seconds") && err.contains("| thinking"),
        "{err}"
    );
    assert_eq!(cluster.processes(), []);

    fs::remove_file(programs.join("engine")).unwrap();
    let mut command = cluster.command(programs.join("phalanx"));
    let (code, _, err) = outcome(command.env("PATH", "/nowhere").arg("start").output().unwrap());
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot find the program `engine`"), "{err}");
}

#[test]
fn profiles_that_are_not_there_or_not_private_say_so_in_their_own_words() {
    let cluster = Cluster::new();
    for command in ["stop", "status"] {
        let (code, _, err) = cluster.phalanx(&[command, "--profile", "nope"]);
        assert_eq!(code, Some(11), "nothing runs there");
        assert!(err.contains("there is no profile `nope`"), "{err}");
    }
    assert_eq!(cluster.phalanx(&["start", "-n", "0"]).0, Some(2));
    assert_eq!(cluster.phalanx(&["start", "--profile", "../evil"]).0, Some(1));

    fs::create_dir_all(cluster.home().join("open")).unwrap();
    fs::set_permissions(cluster.home().join("open"), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, out, _) = cluster.phalanx(&["list", "--json"]);
    assert_eq!((code, &json(&out)[0]["state"]), (Some(0), &"unusable".into()));
    let (code, _, err) = cluster.phalanx(&["start", "--profile", "open"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("chmod 700"), "{err}");
    assert_eq!(cluster.processes(), []);
}

#[test]
fn of_many_starts_at_once_one_wins_and_the_others_say_so() {
    let cluster = Cluster::new();
    let start = || {
        let mut command = cluster.command(env!("CARGO_BIN_EXE_phalanx"));
        command.args(["start", "-n", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let starts: Vec<_> = (0..4).map(|_| start()).collect();
    let mut codes = Vec::new();
    for start in starts {
        let (code, out, err) = outcome(start.wait_with_output().unwrap());
        assert!(code == Some(0) || err.contains("profile `default`"), "{out}{err}");
        codes.push(code);
    }
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(10), Some(10), Some(10)]);
    assert_eq!(cluster.processes().len(), 2, "{:?}", cluster.processes());
    assert_eq!(cluster.phalanx(&["stop"]).0, Some(0));
    assert_eq!(cluster.processes(), []);
}

/// By Ctrl-C, by whoever ends processes politely, and by whoever does not.
#[test]
fn a_start_that_is_interrupted_takes_everything_back() {
    for (signal, code) in [(Signal::INT, Some(1)), (Signal::TERM, Some(1)), (Signal::KILL, None)] {
        interrupted_by(signal, code);
    }
}

fn interrupted_by(which: Signal, ends_with: Option<i32>) {
    let cluster = Cluster::new();
    let programs = cluster.scratch().join("bin");
    fs::create_dir(&programs).unwrap();
    for name in ["phalanx", "controller"] {
        fs::copy(program(name), programs.join(name)).unwrap();
    }
    fs::write(programs.join("engine"), "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(programs.join("engine"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut start = cluster.command(programs.join("phalanx"));
    let start =
        start.args(["start", "-n", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the engine daemon is waited for", || {
        cluster.processes().iter().any(|(_, name)| name == "sleep")
    });
    signal(i32::try_from(start.id()).unwrap(), which);
    // Whoever works for it holds the other end of this pipe, so this waits for both.
    let (code, _, err) = outcome(start.wait_with_output().unwrap());
    assert_eq!(code, ends_with, "{which:?}");
    assert!(err.contains("interrupted"), "{err}");
    eventually("nothing is left", || cluster.processes().is_empty());
}

#[test]
fn a_copied_connection_file_is_enough_to_look_from_elsewhere() {
    let cluster = Cluster::new();
    assert_eq!(cluster.phalanx(&["start", "-n", "1", "--profile", "there"]).0, Some(0));
    let text = fs::read_to_string(cluster.home().join("there/client.json")).unwrap();
    let mut file = json(&text);
    file["endpoints"]["socket"] = Value::Null;
    let here = cluster.home().join("here");
    fs::create_dir(&here).unwrap();
    fs::set_permissions(&here, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(here.join("client.json"), file.to_string()).unwrap();
    fs::set_permissions(here.join("client.json"), fs::Permissions::from_mode(0o600)).unwrap();
    let (code, out, err) = cluster.phalanx(&["status", "--profile", "here", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(json(&out)["engines"].as_array().unwrap().len(), 1);
    assert_eq!(
        cluster.phalanx(&["stop", "--profile", "here"]).0,
        Some(11),
        "it is not this profile's to stop"
    );
    assert_eq!(cluster.phalanx(&["stop", "--profile", "there"]).0, Some(0));
    let (code, _, err) = cluster.phalanx(&["status", "--profile", "here"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot be reached"), "{err}");
}

/// The environment says which profile is meant where the command line does not; a connection file says more.
#[test]
fn engines_take_their_profile_from_the_environment_like_all_commands() {
    let cluster = Cluster::new();
    let engine = |arguments: &[&str]| {
        let mut command = cluster.command(program("engine"));
        outcome(command.env("PHALANX_PROFILE", "elsewhere").args(arguments).output().unwrap())
    };
    let (code, _, err) = engine(&[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no profile `elsewhere`"), "{err}");
    let (code, _, err) = engine(&["--connection", "/nowhere/engine.json"]);
    assert_eq!(code, Some(1), "it is not waited for");
    assert!(err.contains("there is no connection file /nowhere/engine.json"), "{err}");
    let (code, _, err) = engine(&["--profile", "lab", "--connection", "/nowhere/engine.json"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("either --profile or --connection"), "{err}");
}

/// The very first time, the profile is made by the controller while the engines look for it.
#[test]
fn engines_may_be_started_before_the_controller_of_a_new_profile() {
    let cluster = Cluster::new();
    let spawn = |name: &str, arguments: &[&str]| {
        let mut command = cluster.command(program(name));
        command.args(["--profile", "fresh"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    };
    let _engine = spawn("engine", &["-n", "2"]);
    let _controller = spawn("controller", &[]);
    eventually("both engines are there", || {
        let (code, out, _) = cluster.phalanx(&["status", "--profile", "fresh"]);
        code == Some(0) && out.lines().filter(|line| line.starts_with("engine\t")).count() == 2
    });
}
