//! The demo's own cluster: a controller and a node of four engines, on a profile in a temporary directory.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use phalanx::Client;
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::interrupt;

/// The profile, called as in the notebook.
const PROFILE: &str = "nbserver";
/// How many engines.
const ENGINES: usize = 4;
/// How long they may take to come.
const READY_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether the daemons still run meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running cluster. It ends when it is dropped, and when the process is interrupted.
pub(crate) struct Cluster {
    /// Shared with the thread that waits for Ctrl-C; none once the cluster has ended.
    running: Arc<Mutex<Option<Running>>>,
    client_file: PathBuf,
}

/// What has to be ended, in this order.
struct Running {
    engine: Option<Daemon>,
    controller: Daemon,
    /// Open as long as the controller runs, which else could not print.
    _output: BufReader<ChildStdout>,
    /// Removed last.
    home: TempDir,
}

impl Cluster {
    /// Starts both daemons. Engines may still be on their way: see [`Cluster::wait_for_engines`].
    pub(crate) fn start() -> Result<Self, Failure> {
        let home = tempfile::Builder::new()
            .prefix("phalanx-demo-")
            .tempdir()
            .map_err(|source| Failure::System { doing: "make a temporary directory", source })?;
        let client_file = home.path().join(PROFILE).join("client.json");
        let running = Arc::new(Mutex::new(None));
        let cluster = Self { running: Arc::clone(&running), client_file };
        // From here on an interrupt ends what there is.
        interrupt::on_interrupt(move || end(&running))
            .map_err(|source| Failure::System { doing: "watch for Ctrl-C", source })?;
        cluster.launch(home)?;
        Ok(cluster)
    }

    fn launch(&self, home: TempDir) -> Result<(), Failure> {
        let mut guard = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (controller, output) = Daemon::start_ready("controller", &["--profile", PROFILE], home.path())?;
        let running = guard.insert(Running { engine: None, controller, _output: output, home });
        let arguments = ["--profile", PROFILE, "-n", &ENGINES.to_string()];
        running.engine = Some(Daemon::start("engine", &arguments, running.home.path())?);
        Ok(())
    }

    /// How clients find it.
    pub(crate) fn client_file(&self) -> PathBuf {
        self.client_file.clone()
    }

    /// Waits until all engines have registered, or something has gone wrong.
    pub(crate) fn wait_for_engines(&self, client: &Client) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            match client.wait_for_engines(ENGINES, LOOK_EVERY) {
                Ok(()) => return Ok(()),
                Err(e) if start.elapsed() > READY_MAX => return Err(e.into()),
                Err(_) => self.check()?,
            }
        }
    }

    fn check(&self) -> Result<(), Failure> {
        match self.running.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(running) => {
                running.controller.check()?;
                running.engine.as_mut().map_or(Ok(()), Daemon::check)
            }
            None => Err(Failure::Interrupted),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a daemon does not end well; it is gone all the same.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        end(&self.running)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Another error, or a panic, is on its way to the user.
        let _ = end(&self.running);
    }
}

/// First the engines, which let go of what they run, then the controller, then the profile.
fn end(running: &Mutex<Option<Running>>) -> Result<(), Failure> {
    // A panic while it was locked leaves daemons to be ended all the same. The lock is held until they have: whoever
    // comes second must not let the process end before.
    let mut guard = running.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut running) = guard.take() else { return Ok(()) };
    let engine = running.engine.as_mut().map_or(Ok(()), Daemon::stop);
    engine.and(running.controller.stop())
}
