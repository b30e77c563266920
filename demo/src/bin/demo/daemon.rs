//! One daemon: started, watched, ended.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::failure::Failure;

/// How long a daemon may take to end. Engines finish the chunks that run, here of a fraction of a second.
const END_MAX: Duration = Duration::from_secs(10);
/// Between two looks at a daemon that is ending.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How many last lines of a log are shown.
const LOG_LINES_MAX: usize = 20;

/// A running daemon. Dropping it kills it.
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts the program `name` beside this one, with the profiles and its log in `home`.
    pub(crate) fn start(name: &'static str, arguments: &[&str], home: &Path) -> Result<Self, Failure> {
        Self::start_with_stdout(name, arguments, home, Stdio::null())
    }

    /// The same for one that prints a line when it is ready, and waits for that line. What else it prints can be read.
    pub(crate) fn start_ready(
        name: &'static str,
        arguments: &[&str],
        home: &Path,
    ) -> Result<(Self, BufReader<ChildStdout>), Failure> {
        let mut daemon = Self::start_with_stdout(name, arguments, home, Stdio::piped())?;
        let output = daemon.first_line()?;
        Ok((daemon, output))
    }

    fn start_with_stdout(
        name: &'static str,
        arguments: &[&str],
        home: &Path,
        stdout: Stdio,
    ) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|source| Failure::System { doing: "find this program's own path", source })?;
        let program = own.with_file_name(name);
        let log = home.join(format!("{name}.log"));
        let log_file = File::create(&log)
            .map_err(|source| Failure::System { doing: "make a log in the temporary directory", source })?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("PHALANX_HOME", home)
            .env_remove("PHALANX_PROFILE")
            .env_remove("PHALANX_LOG")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log_file)
            // Ctrl-C goes to a terminal's whole foreground group; the daemons are ended by this program, in order.
            .process_group(0);
        end_with_parent(&mut command);
        match command.spawn() {
            Ok(child) => Ok(Self { name, child, log }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Failure::NoDaemon(program)),
            Err(source) => Err(Failure::System { doing: "start a daemon", source }),
        }
    }

    fn first_line(&mut self) -> Result<BufReader<ChildStdout>, Failure> {
        let mut output = BufReader::new(self.child.stdout.take().expect("it was piped, and is taken once"));
        let mut line = String::new();
        match output.read_line(&mut line) {
            Ok(n) if n > 0 => Ok(output),
            Ok(_) => {
                let status = self.child.wait().map(|status| status.to_string()).unwrap_or_default();
                Err(Failure::DaemonEnded { name: self.name, status, log: self.last_words() })
            }
            Err(source) => Err(Failure::System { doing: "read what a daemon prints", source }),
        }
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let (name, status) = (self.name, status.to_string());
                Err(Failure::DaemonEnded { name, status, log: self.last_words() })
            }
            _ => Ok(()),
        }
    }

    /// Asks it to end and waits until it has; one that does not is killed.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        self.check()?;
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + END_MAX;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    let (name, status) = (self.name, status.to_string());
                    return Err(Failure::DaemonEnded { name, status, log: self.last_words() });
                }
                Err(source) => return Err(Failure::System { doing: "wait for a daemon", source }),
            }
        }
        self.kill();
        Err(Failure::DaemonStuck { name: self.name, seconds: END_MAX.as_secs(), log: self.last_words() })
    }

    fn kill(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..]
            .iter()
            .map(|line| format!("  | {line}\n"))
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Has the kernel ask the daemon to end should this program be killed: nothing of ours could run then.
///
/// The kernel takes the death of the thread that started the daemon for that of its process; daemons are started by
/// the main thread only, which lives as long.
#[allow(unsafe_code, reason = "the signal must be set between fork and exec")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call (prctl) and nothing else: no allocation, no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}
