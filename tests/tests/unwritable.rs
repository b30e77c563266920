//! Nobody reads what is printed, or there is no room for it: work goes on all the same.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use phalanx_tests::{DEADLINE, binary, wait_for};

/// A process that is killed when the test is over.
struct Running(Child);

impl Running {
    #[track_caller]
    fn succeeds(&mut self) {
        let status = wait_for("it ends", DEADLINE, || self.0.try_wait().expect("it is this process's child"));
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every write to it fails as one to a full disk does.
fn full() -> File {
    File::options().write(true).open("/dev/full").expect("Linux has one")
}

/// `program | head -1`: the pipe is closed while functions print.
#[test]
fn a_program_whose_output_nobody_reads_gets_its_results() {
    let mut program = Command::new(binary("output"))
        .arg("unread")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop((program.stdout.take(), program.stderr.take()));
    Running(program).succeeds();
}

#[test]
fn daemons_without_room_for_their_logs_go_on() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let start = |name: &str, arguments: &[&str], stdout: Stdio| {
        let mut command = Command::new(binary(name));
        command
            .args(arguments)
            .env("PHALANX_HOME", home.path())
            .env_remove("PHALANX_LOG")
            .stdin(Stdio::null());
        Running(command.stdout(stdout).stderr(full()).spawn().expect("it starts"))
    };
    let mut controller = start("controller", &["--profile", "test", "--log", "debug"], Stdio::piped());
    let stdout = BufReader::new(controller.0.stdout.take().expect("it was piped"));
    assert!(stdout.lines().map_while(Result::ok).any(|line| line.starts_with("controller ready")));
    let _engine = start("engine", &["--profile", "test", "-n", "2", "--log", "debug"], Stdio::null());
    // Its functions print, which the engine daemon logs.
    for _ in 0..2 {
        start("output", &["map"], Stdio::null()).succeeds();
    }
    assert!(
        controller.0.try_wait().expect("it is this process's child").is_none(),
        "the controller has ended"
    );
}
