//! `phalanx start`: launches the controller, then the engines, and returns when all of them are ready.
//!
//! Ready means that the controller says so: its status is asked for until it lists every engine. Meanwhile the
//! daemons themselves are watched, so that one that ends is reported at once, with its own last words. A start that
//! fails, is interrupted or takes too long leaves nothing running.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::thread::available_parallelism;
use std::time::Duration;

use phalanx_profile::{Lock, LockError, LockStatus, Profile, ProfileError};
use phalanx_proto::host;
use serde::Serialize;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::arguments::StartOptions;
use crate::ask::Controller;
use crate::daemon::{Daemon, LaunchError, find_program};
use crate::failure::EXIT_ALREADY_RUNNING;
use crate::progress::Progress;
use crate::roster::{Roster, RosterError};

/// Between two questions to the controller.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What runs now.
#[derive(Debug, Serialize)]
pub(crate) struct Started {
    pub(crate) profile: String,
    pub(crate) engines: u32,
    pub(crate) controller_pid: u32,
    pub(crate) engine_pid: u32,
}

/// The cluster could not be started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// There is one.
    #[error("{source}")]
    Running {
        profile: String,
        source: Box<LockError>,
        /// How many engines it has, if it says.
        engines: Option<usize>,
        wanted: u32,
    },
    /// The controller of an earlier start is gone, its engines are not, and would come to the new one.
    #[error(
        "no controller runs on profile `{profile}`, but engines of an earlier start do (process {pids}) and would join this one; end them first: phalanx stop --profile {profile}"
    )]
    EnginesLeft { profile: String, pids: String },
    /// A daemon has ended.
    #[error("the {name} has ended ({status}) before it was ready; its log {log} ends with:{words}")]
    Died { name: &'static str, status: ExitStatus, log: String, words: String },
    /// It takes too long.
    #[error(
        "{ready} of {wanted} engines are ready after {} seconds; all are stopped again. Give it more time with --timeout, or see why: {log} ends with:{words}",
        after.as_secs_f64()
    )]
    TooSlow { ready: usize, wanted: u32, after: Duration, log: String, words: String },
    /// Ctrl-C.
    #[error("interrupted; all that was started is stopped again")]
    Interrupted,
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Roster(#[from] RosterError),
    #[error("cannot wait for the daemons: {0}")]
    System(#[from] io::Error),
}

/// `phalanx start`
pub(crate) async fn start(options: &StartOptions) -> Result<Started, StartError> {
    let (controller, engine) = (find_program("controller")?, find_program("engine")?);
    let cores = || available_parallelism().ok().and_then(|n| u32::try_from(n.get()).ok()).unwrap_or(1);
    let wanted = options.engines.unwrap_or_else(cores);
    let profile = Profile::create_or_open(&options.profile)?;
    refuse_if_running(&profile, wanted).await?;

    // From here on an interrupt has something to undo.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let controller = Daemon::launch(&controller, controller_arguments(options), &profile.log_dir()?)?;
    let mut launch =
        Launch { profile, wanted, progress: Progress::new(), controller, engine: None, ready: 0 };
    let outcome = tokio::select! {
        outcome = timeout(options.timeout, launch.bring_up(&engine)) => outcome.ok(),
        _ = interrupts.recv() => Some(Err(StartError::Interrupted)),
    };
    match outcome.unwrap_or_else(|| Err(launch.too_slow(options.timeout))) {
        Ok(started) => Ok(started),
        Err(error) => {
            launch.give_up().await;
            Err(error)
        }
    }
}

/// Better than finding out from the new controller, which would only say the same in its log.
async fn refuse_if_running(profile: &Profile, wanted: u32) -> Result<(), StartError> {
    let name = profile.name().to_owned();
    match Lock::status(profile)? {
        LockStatus::Held(holder) => {
            let engines = match Controller::connect(profile).await {
                Ok(mut controller) => controller.snapshot().await.ok().map(|s| s.engines.len()),
                // What matters is that there is one.
                Err(_) => None,
            };
            let source = Box::new(LockError::AlreadyRunning { profile: name.clone(), holder });
            Err(StartError::Running { profile: name, source, engines, wanted })
        }
        LockStatus::Free => {
            let left = Roster::load(profile)?.running();
            if left.is_empty() {
                return Ok(());
            }
            let pids = left.iter().map(|p| p.pid.to_string()).collect::<Vec<_>>().join(", ");
            Err(StartError::EnginesLeft { profile: name, pids })
        }
        _ => Err(LockError::HeldByUnknown { profile: name }.into()),
    }
}

fn controller_arguments(options: &StartOptions) -> Vec<String> {
    let mut arguments = vec!["--profile".to_owned(), options.profile.clone()];
    if let Some(address) = options.listen {
        arguments.extend(["--listen".to_owned(), address.to_string()]);
    }
    for host in &options.advertise {
        arguments.extend(["--advertise".to_owned(), host.clone()]);
    }
    arguments
}

/// A start under way.
struct Launch {
    profile: Profile,
    wanted: u32,
    progress: Progress,
    controller: Daemon,
    engine: Option<Daemon>,
    /// Engines that have registered.
    ready: usize,
}

impl Launch {
    async fn bring_up(&mut self, engine_program: &Path) -> Result<Started, StartError> {
        let mut asked = self.await_controller().await?;
        let wanted = self.wanted.to_string();
        let arguments = ["--profile", self.profile.name(), "-n", &wanted];
        let engine = self.engine.insert(Daemon::launch(engine_program, arguments, &self.profile.log_dir()?)?);
        let engine_pid = engine.process.pid;
        Roster::add(&self.profile, engine.process)?;
        self.await_engines(&mut asked, engine_pid).await?;
        Ok(Started {
            profile: self.profile.name().to_owned(),
            engines: self.wanted,
            controller_pid: self.controller.process.pid,
            engine_pid,
        })
    }

    /// Until the controller answers a question.
    async fn await_controller(&mut self) -> Result<Controller, StartError> {
        let (profile, own_pid, progress) = (&self.profile, self.controller.process.pid, &self.progress);
        let answers = async {
            let mut tick = every(ASK_EVERY);
            loop {
                tick.tick().await;
                progress.say("waiting for the controller".to_owned());
                if let Some(controller) = answering(profile, own_pid).await {
                    return controller;
                }
            }
        };
        tokio::select! {
            controller = answers => Ok(controller),
            status = self.controller.ended() => Err(died("controller", &self.controller, status?, &self.profile, self.wanted)),
        }
    }

    /// Until the controller lists every engine.
    async fn await_engines(&mut self, asked: &mut Controller, engine_pid: u32) -> Result<(), StartError> {
        let engine = self.engine.as_mut().expect("it was launched just now");
        let (here, wanted, ready, progress) = (host::name(), self.wanted, &mut self.ready, &self.progress);
        let all_ready = async {
            let mut tick = every(ASK_EVERY);
            loop {
                tick.tick().await;
                // That it does not answer for once is the timeout's business, or its own end's.
                if let Ok(snapshot) = asked.snapshot().await {
                    *ready = snapshot.engines_of(&here, engine_pid);
                }
                if *ready >= wanted as usize {
                    return;
                }
                progress.say(format!("{ready} of {wanted} engines are ready"));
            }
        };
        tokio::select! {
            () = all_ready => Ok(()),
            status = engine.ended() => Err(died("engine daemon", engine, status?, &self.profile, wanted)),
            status = self.controller.ended() => Err(died("controller", &self.controller, status?, &self.profile, wanted)),
        }
    }

    fn too_slow(&self, after: Duration) -> StartError {
        let slow = self.engine.as_ref().unwrap_or(&self.controller);
        StartError::TooSlow {
            ready: self.ready,
            wanted: self.wanted,
            after,
            log: slow.log().display().to_string(),
            words: slow.last_words(),
        }
    }

    async fn give_up(self) {
        if let Some(engine) = self.engine {
            engine.give_up().await;
            // The error that led here is the one to tell.
            let _ = Roster::tidy(&self.profile);
        }
        self.controller.give_up().await;
    }
}

/// The controller, once it is the one that was launched and answers: the connection files may still be those of an
/// earlier one, and lead anywhere.
async fn answering(profile: &Profile, pid: u32) -> Option<Controller> {
    match Lock::status(profile) {
        Ok(LockStatus::Held(holder)) if holder.pid == pid => {}
        _ => return None,
    }
    let mut controller = Controller::connect(profile).await.ok()?;
    match controller.snapshot().await {
        Ok(snapshot) if snapshot.controller.pid == pid => Some(controller),
        _ => None,
    }
}

fn died(
    name: &'static str,
    daemon: &Daemon,
    status: ExitStatus,
    profile: &Profile,
    wanted: u32,
) -> StartError {
    // Another start was faster.
    if status.code() == Some(EXIT_ALREADY_RUNNING.into()) {
        let name = profile.name().to_owned();
        return match Lock::status(profile) {
            Ok(LockStatus::Held(holder)) => {
                let source = Box::new(LockError::AlreadyRunning { profile: name.clone(), holder });
                StartError::Running { profile: name, source, engines: None, wanted }
            }
            _ => LockError::HeldByUnknown { profile: name }.into(),
        };
    }
    StartError::Died { name, status, log: daemon.log().display().to_string(), words: daemon.last_words() }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
