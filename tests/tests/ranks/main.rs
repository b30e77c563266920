//! Ranks on engines: the same answers as on threads, and the same error on every rank whatever happens to one.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use phalanx_tests::{Cluster, DEADLINE, Gate, Signal, signal, wait_until};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ranks"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

#[test]
fn the_same_answers_on_threads_and_on_a_cluster() {
    for size in 1..=4 {
        let text = printed(&["same", &size.to_string()]);
        assert_eq!(text.lines().filter(|line| line.starts_with("same ")).count(), 9, "{size}: {text}");
    }
}

/// The errors that the ranks got, each once.
fn errors(folder: &Path) -> (usize, BTreeSet<String>) {
    let read = |rank: usize| std::fs::read_to_string(folder.join(format!("error-{rank}"))).ok();
    let found: Vec<String> = (0..4).filter_map(read).collect();
    (found.len(), found.into_iter().collect())
}

#[test]
fn a_rank_that_fails_or_disagrees_is_the_same_error_on_every_rank() {
    for (kind, ranks, expected) in [
        ("error", 4, "rank 2 failed: no such file"),
        ("panic", 3, "rank 1 failed: it panicked: out of range (at tests/src/bin/ranks.rs:"),
        ("mismatch", 4, "rank 3 calls "),
        ("ended", 3, "rank 1 ended its program without taking part"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = printed(&["fail", kind, folder.path().to_str().unwrap()]);
        assert!(text.starts_with(&format!("end Err({expected}")), "{kind}: {text}");
        assert!(text.contains("again Ok([6])"), "{kind}: {text}");
        let (count, found) = errors(folder.path());
        assert_eq!(count, ranks, "{kind}: {found:?}");
        let others: Vec<_> = found.iter().filter(|e| *e != "no such file").collect();
        assert!(others.len() == 1 && others[0].starts_with(expected), "{kind}: {found:?}");
    }
}

#[test]
fn a_rank_that_is_killed_is_lost_on_every_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::at(folder.path());
    let mut child = command(&["fail", "killed", gate.folder()]).spawn().unwrap();
    // Three wait in the barrier for the one that waits at the gate.
    let arrivals = gate.wait_for_arrivals(5);
    let victim = arrivals.iter().find(|arrival| arrival.tag == "2-waits").unwrap();
    signal(victim.pid, Signal::KILL);
    wait_until("the others know", DEADLINE, || errors(folder.path()).0 == 3);
    let (_, found) = errors(folder.path());
    assert!(found.len() == 1 && found.first().unwrap().starts_with("rank 2 is lost: "), "{found:?}");
    let status = child.wait().unwrap();
    let output = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert!(status.success() && output.starts_with("end Err(rank 2 is lost: "), "{output}");
    assert!(output.contains("again Ok([6])"), "{output}");
}

#[test]
fn what_cannot_run_is_refused_at_once() {
    let text = printed(&["refused"]);
    for expected in [
        "too many: 5 ranks; the view's engines can be 1 to 4",
        "none: 0 ranks; ",
        "captures something, which engines would not have; pass it along with run_spmd_with",
        "some: Ok(2)",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// An engine daemon with a host name and a process table of its own: what runs there does not take what runs elsewhere for a neighbour.
struct Host(std::process::Child);

impl Host {
    fn start(name: &str, cluster: &Cluster) -> Self {
        let script = "echo \"$1\" > /proc/sys/kernel/hostname && exec \"$0\" --profile \"$2\" -n 2";
        let namespaces = ["--map-root-user", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", script]).arg(phalanx_tests::binary("engine"));
        command.args([name, cluster.profile()]).env("PHALANX_HOME", cluster.home()).stdin(Stdio::null());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Between hosts ranks use TCP, in TLS; their answers are the same. The hosts' names are addresses, so that each finds the other.
#[test]
fn ranks_on_two_hosts_give_the_same_answers() {
    let cluster = Cluster::start(0);
    let hosts = [Host::start("127.0.0.1", &cluster), Host::start("127.0.0.2", &cluster)];
    let client =
        phalanx::Client::connect_file(cluster.home().join(cluster.profile()).join("client.json")).unwrap();
    client.wait_for_engines(4, DEADLINE).unwrap();
    let found: BTreeSet<String> = client.engines().into_iter().map(|engine| engine.host).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2"]);
    let mut command = command(&["same", "4"]);
    command.env("PHALANX_HOME", cluster.home()).env("PHALANX_PROFILE", cluster.profile());
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("same ")).count(), 9, "{stdout}");
    drop(hosts);
}
