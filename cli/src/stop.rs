//! `phalanx stop`: ends the engines that `start` launched on this machine, then the controller.
//!
//! In this order, so that chunks that run can still hand in their results. What has not ended in time is killed;
//! workers end with their daemon, however that ends.

use std::io;
use std::time::Duration;

use phalanx_profile::{Holder, Lock, LockError, LockStatus, Profile, ProfileError};
use serde::Serialize;
use thiserror::Error;

use crate::arguments::StopOptions;
use crate::process::Process;
use crate::progress::Progress;
use crate::roster::{Roster, RosterError};

/// After SIGKILL a process ends unless the kernel itself is stuck, say in a dead NFS mount.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What was stopped.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    pub(crate) profile: String,
    pub(crate) controller_pid: Option<u32>,
    pub(crate) engine_pids: Vec<u32>,
    /// Those of them that had to be killed.
    pub(crate) killed_pids: Vec<u32>,
}

/// The cluster could not be stopped.
#[derive(Debug, Error)]
pub(crate) enum StopError {
    #[error("nothing runs on profile `{profile}`: it is stopped already")]
    NotRunning { profile: String },
    #[error("the controller of profile `{profile}` is {holder}: stop it there")]
    Elsewhere { profile: String, holder: Holder },
    #[error("process {pid} cannot be ended: {source}")]
    Signal { pid: u32, source: io::Error },
    #[error(
        "process {pid} has not ended, not even when killed: its machine waits for something, such as a file system that is away"
    )]
    Immortal { pid: u32 },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Roster(#[from] RosterError),
}

/// `phalanx stop`
pub(crate) async fn stop(options: &StopOptions) -> Result<Stopped, StopError> {
    let profile = Profile::open(&options.profile)?;
    let controller = controller(&profile)?;
    let engines = Roster::load(&profile)?.running();
    let name = profile.name().to_owned();
    if controller.is_none() && engines.is_empty() {
        Roster::tidy(&profile)?;
        return Err(StopError::NotRunning { profile: name });
    }
    let mut stopped = Stopped {
        profile: name,
        controller_pid: controller.map(|p| p.pid),
        engine_pids: engines.iter().map(|p| p.pid).collect(),
        killed_pids: Vec::new(),
    };
    let progress = Progress::new();
    end_all(
        &engines,
        options.timeout,
        &progress,
        "engines: running chunks finish first",
        &mut stopped.killed_pids,
    )
    .await?;
    Roster::tidy(&profile)?;
    end_all(controller.as_slice(), options.timeout, &progress, "controller", &mut stopped.killed_pids)
        .await?;
    Ok(stopped)
}

/// The profile's controller, when it runs on this machine.
fn controller(profile: &Profile) -> Result<Option<Process>, StopError> {
    let name = || profile.name().to_owned();
    match Lock::status(profile)? {
        LockStatus::Free => Ok(None),
        LockStatus::Held(holder) if !holder.is_on_this_host() => {
            Err(StopError::Elsewhere { profile: name(), holder })
        }
        // It may have ended between the two questions; then there is none.
        LockStatus::Held(holder) => {
            let process = Process { pid: holder.pid, start_ticks: holder.start_ticks };
            Ok(process.is_running().then_some(process))
        }
        _ => Err(LockError::HeldByUnknown { profile: name() }.into()),
    }
}

/// Asks them all to end, waits, and kills those that have not.
async fn end_all(
    processes: &[Process],
    time: Duration,
    progress: &Progress,
    what: &str,
    killed: &mut Vec<u32>,
) -> Result<(), StopError> {
    let refused = |process: &Process| {
        let pid = process.pid;
        move |source| StopError::Signal { pid, source }
    };
    for process in processes {
        process.terminate().map_err(refused(process))?;
    }
    let waiting = async {
        for process in processes {
            while !process.has_ended_within(Duration::from_millis(100)).await {
                progress.say(format!("waiting for the {what}"));
            }
        }
    };
    if tokio::time::timeout(time, waiting).await.is_ok() {
        return Ok(());
    }
    for process in processes.iter().filter(|p| p.is_running()) {
        process.kill().map_err(refused(process))?;
        killed.push(process.pid);
        if !process.has_ended_within(KILL_TIMEOUT).await {
            return Err(StopError::Immortal { pid: process.pid });
        }
    }
    Ok(())
}
