//! A daemon that `start` launches, in the session that it has made for that, so that closing the terminal does not end it;
//! its output is appended to a log in the profile.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs};

use thiserror::Error;
use tokio::process::{Child, Command};

use crate::process::Process;

/// How much of a log is read to show its end.
const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 12;
/// How long a daemon whose start is given up may take to end by itself.
const END_GRACE: Duration = Duration::from_secs(5);

/// A daemon could not be launched.
#[derive(Debug, Error)]
pub(crate) enum LaunchError {
    /// Its program is not installed.
    #[error(
        "cannot find the program `{name}`: it is neither beside {} nor in PATH; install it, or build it with: cargo build --workspace --bins",
        beside.display()
    )]
    NoProgram { name: &'static str, beside: PathBuf },
    /// Its log cannot be written.
    #[error("cannot open the log {}: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    /// The system will not start it.
    #[error("cannot start {}: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
}

/// A daemon that was launched by this process.
pub(crate) struct Daemon {
    child: Child,
    /// It, as those see it who are not its parent.
    pub(crate) process: Process,
    log: PathBuf,
    /// Where in the log its own words begin.
    log_from: u64,
}

impl Daemon {
    /// Starts `program`; its log is `NAME.log` in `log_dir`.
    pub(crate) fn launch<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        log_dir: &Path,
    ) -> Result<Daemon, LaunchError> {
        let name = program.file_name().unwrap_or_default();
        let log = log_dir.join(name).with_extension("log");
        let (out, err, log_from) =
            open_log(&log).map_err(|source| LaunchError::Log { path: log.clone(), source })?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
        // A log is read with less and grep.
        command.env("NO_COLOR", "1");
        let started = command.spawn().and_then(|child| {
            let process = child.id().and_then(Process::with_pid);
            // Not reaped yet, so it has an entry in /proc even if it has ended already.
            Ok((child, process.ok_or_else(|| io::Error::other("it is not in /proc"))?))
        });
        let (child, process) =
            started.map_err(|source| LaunchError::Start { program: program.to_owned(), source })?;
        Ok(Daemon { child, process, log, log_from })
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends it: its start is given up.
    pub(crate) async fn give_up(mut self) {
        // It may have ended; then there is nothing to signal, and nothing to wait for.
        let _ = self.process.terminate();
        if tokio::time::timeout(END_GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Its log file.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of what it said itself, each on a line of its own, indented.
    pub(crate) fn last_words(&self) -> String {
        match last_lines(&self.log, self.log_from) {
            Ok(words) if words.is_empty() => "\n  (it said nothing)".to_owned(),
            Ok(words) => words,
            Err(e) => format!("\n  (it cannot be read: {e})"),
        }
    }
}

/// The program called `name`: beside this one, or else in `PATH`.
pub(crate) fn find_program(name: &'static str) -> Result<PathBuf, LaunchError> {
    let own = env::current_exe().unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = own.parent().map(Path::to_owned);
    let found =
        beside.into_iter().chain(env::split_paths(&path)).map(|dir| dir.join(name)).find(|p| is_program(p));
    found.ok_or(LaunchError::NoProgram { name, beside: own })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The log, twice, and how long it was.
fn open_log(path: &Path) -> io::Result<(File, File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    Ok((file.try_clone()?, file, length))
}

fn last_lines(path: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    Ok(last.iter().map(|line| format!("\n  | {line}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_daemons_words_are_found_after_older_ones() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sh.log"), "an earlier run\n").unwrap();
        let script = "echo pid $$; echo oops >&2; exit 3";
        let mut daemon = Daemon::launch(Path::new("/bin/sh"), ["-c", script], dir.path()).unwrap();
        assert_eq!(daemon.ended().await.unwrap().code(), Some(3));
        let words = daemon.last_words();
        let pid = daemon.process.pid;
        assert_eq!(words, format!("\n  | pid {pid}\n  | oops"));
        daemon.give_up().await;

        fs::remove_file(dir.path().join("sh.log")).unwrap();
        let daemon = Daemon::launch(Path::new("/bin/sh"), ["-c", "exec sleep 600"], dir.path()).unwrap();
        assert_eq!(fs::metadata(daemon.log()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(daemon.last_words(), "\n  (it said nothing)");
        let process = daemon.process;
        daemon.give_up().await;
        assert!(!process.is_running());
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.log");
        let text: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        fs::write(&path, text).unwrap();
        let shown = last_lines(&path, 0).unwrap();
        assert_eq!(shown.lines().count(), 1 + TAIL_LINES);
        assert!(shown.ends_with("\n  | line 4999"), "{shown}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = find_program("phalanx-no-such-daemon").unwrap_err().to_string();
        assert!(error.contains("`phalanx-no-such-daemon`") && error.contains("cargo build"), "{error}");
        assert!(find_program("sh").unwrap().ends_with("sh"));
    }
}
