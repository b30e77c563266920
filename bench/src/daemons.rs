//! A controller and an engine daemon in a session of their own, as `phalanx start` runs them: Linux shares the cores among sessions first
//! (autogroups), so daemons that share the client's would be measured under conditions that users do not have.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::process::{lead_a_session, own_executable, sibling};

pub(crate) const PROFILE: &str = "bench";
/// A daemon that was asked to end does so within this time, or is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Their process ids.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pids {
    pub(crate) controller: u32,
    pub(crate) engine: u32,
}

/// A child of this executable that leads the session, started the daemons in it, and ends them when it is dropped or this process ends.
pub(crate) struct Daemons {
    leader: Child,
    pub(crate) pids: Pids,
}

impl Daemons {
    /// With arguments for the controller. The controller is ready then, the engines may not be.
    pub(crate) fn start(home: &Path, engines: u32, controller: &[&str]) -> Result<Self, Error> {
        let program = own_executable()?;
        let mut command = Command::new(&program);
        command.arg("daemons").arg(home).arg(engines.to_string()).arg("--").args(controller);
        lead_a_session(&mut command);
        let mut leader = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let mut line = String::new();
        let mut stdout = BufReader::new(leader.stdout.take().expect("it was piped"));
        stdout.read_line(&mut line).map_err(Error::system("the daemons' process ids"))?;
        let pids = serde_json::from_str(&line).map_err(|_| Error::Child {
            program: "bench daemons".to_owned(),
            what: "the daemons were not ready; see above".to_owned(),
            stderr: String::new(),
        });
        match pids {
            Ok(pids) => Ok(Self { leader, pids }),
            Err(e) => {
                // It has said why itself and is about to end.
                let _ = leader.wait();
                Err(e)
            }
        }
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        // It gives each of them a bounded time.
        let _ = self.leader.wait();
    }
}

/// In that child: until nobody holds the other end of its standard input.
pub(crate) fn serve(home: &Path, engines: u32, controller: &[String]) -> Result<(), Error> {
    let mut controller = Daemon::start("controller", home, controller)?;
    controller.wait_for_line("controller ready")?;
    let engine = Daemon::start("engine", home, &["-n".to_owned(), engines.to_string()])?;
    let pids = Pids { controller: controller.child.id(), engine: engine.child.id() };
    println!("{}", serde_json::to_string(&pids).expect("two numbers are JSON"));
    let mut nothing = [0];
    std::io::stdin().read(&mut nothing).map_err(Error::system("standard input"))?;
    drop(engine);
    drop(controller);
    Ok(())
}

/// One daemon process; ended when dropped.
struct Daemon {
    name: &'static str,
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Daemon {
    fn start(name: &'static str, home: &Path, arguments: &[String]) -> Result<Self, Error> {
        let program = sibling(name)?;
        let log = home.join(format!("{name}.log"));
        let stderr = File::create(&log).map_err(|source| Error::File { path: log.clone(), source })?;
        let mut command = Command::new(&program);
        end_with_parent(&mut command);
        let mut child = command
            .args(["--profile", PROFILE, "--log", "warn"])
            .args(arguments)
            .env("PHALANX_HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        let stdout = BufReader::new(child.stdout.take().expect("it was piped"));
        Ok(Self { name, child, stdout, log })
    }

    /// Reads its output up to a line that begins like this.
    fn wait_for_line(&mut self, beginning: &str) -> Result<(), Error> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.stdout.read_line(&mut line) {
                Ok(0) | Err(_) => {
                    return Err(Error::Child {
                        program: self.name.to_owned(),
                        what: format!("it ended before it said `{beginning}`"),
                        stderr: std::fs::read_to_string(&self.log).unwrap_or_default(),
                    });
                }
                Ok(_) if line.starts_with(beginning) => return Ok(()),
                Ok(_) => {}
            }
        }
    }

    fn end(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Has the kernel ask the daemon to end should this program be killed: nothing of ours could run then. The kernel takes the death of
/// the thread that started the daemon for that of its process; daemons are started by the main thread only.
#[allow(unsafe_code, reason = "the signal must be set between fork and exec")]
fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call (prctl) and nothing else: no allocation, no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}
