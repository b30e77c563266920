//! The lock across processes: it excludes, and a killed holder leaves no trace that matters.
//!
//! The holder is this test binary itself, started again with the profile's path in its environment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use phalanx_profile::{Lock, LockError, LockStatus, Profile};

const PROFILE_VARIABLE: &str = "PHALANX_TEST_HOLD_LOCK_OF";
const READY: &str = "the lock is taken";

/// Not a test of its own: what the child process runs.
#[test]
fn hold_until_killed() {
    let Some(path) = env::var_os(PROFILE_VARIABLE) else { return };
    let lock = Lock::acquire(&Profile::at(path).unwrap()).unwrap();
    println!("{READY}");
    // Ends when the parent closes the pipe or kills this process, whichever is first.
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(lock);
}

struct Holding {
    child: Child,
    /// Kept open: the child still writes its test report when it ends.
    _output: BufReader<ChildStdout>,
}

fn holder_of(profile: &Profile) -> Holding {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "hold_until_killed", "--nocapture"])
        .env(PROFILE_VARIABLE, profile.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let ready = output.by_ref().lines().map_while(Result::ok).any(|line| line.contains(READY));
    assert!(ready, "the child ended without taking the lock: {:?}", child.wait());
    Holding { child, _output: output }
}

#[test]
fn another_process_is_excluded_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::at(dir.path().join("p")).unwrap();
    let Holding { mut child, _output } = holder_of(&profile);
    match Lock::acquire(&profile) {
        Err(LockError::AlreadyRunning { holder, .. }) => {
            assert_eq!(holder.pid, child.id());
            assert!(holder.is_running_here());
        }
        other => panic!("{other:?}"),
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(Lock::status(&profile).unwrap(), LockStatus::Free);
}

#[test]
fn a_killed_process_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile::at(dir.path().join("p")).unwrap();
    for _ in 0..3 {
        let Holding { mut child, _output } = holder_of(&profile);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_ne!(
            std::fs::read(profile.lock_file()).unwrap(),
            b"",
            "it was killed before it could clean up"
        );
        assert_eq!(Lock::status(&profile).unwrap(), LockStatus::Free);
        let lock = Lock::acquire(&profile).unwrap();
        assert!(
            matches!(Lock::status(&profile).unwrap(), LockStatus::Held(h) if h.pid == std::process::id())
        );
        drop(lock);
    }
}
