//! What `wait_interactive` shows: lines where there is no terminal, a bar on one, failures at once on both.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use phalanx_tests::{DEADLINE, Gate, wait_until};

/// The seconds of `… after    2 s`, whatever they are.
fn masked(text: &str) -> String {
    let mask = |line: &str| match line.split_once(" after ") {
        Some((before, after)) => {
            let rest = after.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before} after TIME{rest}")
        }
        None => line.to_owned(),
    };
    text.lines().map(mask).collect::<Vec<_>>().join("\n")
}

#[test]
fn progress_is_lines_and_failures_show() {
    let out =
        Command::new(env!("CARGO_BIN_EXE_scenarios")).arg("watch").output().expect("the program starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{stderr}");
    let expected = "\
500/500 tasks finished after TIME s
done
50/50 tasks finished after TIME s
done
5/5 elements finished after TIME s, 2 elements failed
done";
    assert_eq!(masked(&stdout), expected);
    for odd in [1, 3] {
        assert!(
            stderr.contains(&format!("element {odd} on engine")) && stderr.contains(&format!("{odd} is odd")),
            "{stderr}"
        );
    }
}

#[test]
fn of_a_failure_that_is_tried_again_that_is_said() {
    let out = Command::new(env!("CARGO_BIN_EXE_scenarios")).arg("watch-retried").output();
    let stderr = String::from_utf8(out.expect("the program starts").stderr).expect("it is text");
    assert_eq!(
        (stderr.matches("1 is bad").count(), stderr.matches("It is tried again").count()),
        (2, 1),
        "{stderr}"
    );
    assert!(stderr.find("It is tried again") < stderr.rfind("1 is bad"), "the first of the two: {stderr}");
}

/// The seconds are right-aligned, as in the notebook.
#[test]
fn the_line_is_the_notebooks() {
    let out = super::program(&["watch"]);
    let first = out.lines().next().expect("a line");
    let seconds = first.strip_prefix("500/500 tasks finished after ").and_then(|s| s.strip_suffix(" s"));
    let seconds = seconds.unwrap_or_else(|| panic!("{first:?}"));
    assert!(seconds.len() == 4 && seconds.trim_start().parse::<u32>().is_ok(), "{first:?}");
}

/// A program whose last elements wait at a gate, and what it has shown so far.
struct Watched {
    child: Child,
    gate: Gate,
    folder: tempfile::TempDir,
}

impl Watched {
    /// `command` runs the program; `{gate}` in its arguments stands for the gate's folder.
    fn start(command: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let gate = Gate::at(folder.path().join("gate"));
        let arguments = command[1..].iter().map(|argument| argument.replace("{gate}", gate.folder()));
        let create =
            |name| File::create(folder.path().join(name)).expect("the test's folder can be written to");
        let mut child = Command::new(command[0]);
        child.args(arguments).env("TERM", "xterm").stdin(Stdio::null());
        child.stdout(create("out")).stderr(create("err"));
        let child = child.spawn().unwrap_or_else(|e| panic!("{} does not start: {e}", command[0]));
        Self { child, gate, folder }
    }

    fn shown(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).expect("the program was started with it");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, name: &str, text: &str) {
        wait_until(&format!("{text:?} is shown"), DEADLINE, || self.shown(name).contains(text));
    }

    /// Lets the last elements go, and waits for the program's end.
    #[track_caller]
    fn finish(&mut self) {
        self.gate.open();
        wait_until("the program ends", DEADLINE, || {
            self.child.try_wait().expect("it is this process's child").is_some()
        });
        assert!(
            self.child.wait().expect("it is this process's child").success(),
            "{}{}",
            self.shown("out"),
            self.shown("err")
        );
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing of this waits for the end of the job, which waits for the test.
#[test]
fn without_a_terminal_lines_and_failures_come_while_the_job_runs() {
    let mut watched = Watched::start(&[env!("CARGO_BIN_EXE_scenarios"), "watch", "{gate}"]);
    watched.wait_for("err", "0 is not wanted");
    watched.wait_for("out", " 8/10 tasks finished after ");
    assert!(!watched.shown("out").contains("done"));
    watched.finish();
    let out = watched.shown("out");
    assert!(out.ends_with("\ndone\n") && out.contains("10/10 tasks finished after"), "{out}");
    assert_eq!(watched.shown("err").matches("0 is not wanted").count(), 1);
}

/// script(1) gives it a terminal, and writes what that shows.
#[test]
fn on_a_terminal_a_bar_is_drawn_and_failures_come_while_the_job_runs() {
    let program = format!("{} watch '{{gate}}'", env!("CARGO_BIN_EXE_scenarios"));
    let mut watched = Watched::start(&["script", "-qefc", &program, "/dev/null"]);
    watched.wait_for("out", "0 is not wanted");
    watched.wait_for("out", "8/10 tasks");
    assert!(!watched.shown("out").contains("done"));
    watched.finish();
    let out = watched.shown("out");
    assert!(out.contains("left") && !out.contains(" 8/10 tasks finished"), "a bar instead of lines: {out}");
    assert!(out.trim_end().ends_with("done") && out.contains("10/10 tasks finished after"), "{out}");
}
