//! How a command that failed ends: its message, a hint, and the exit code that scripts rely on.

use std::io;

use phalanx_profile::{LockError, ProfileError};
use thiserror::Error;

use crate::ask::AskError;
use crate::history::HistoryError;
use crate::start::StartError;
use crate::stop::StopError;

const EXIT_ERROR: u8 = 1;
/// As `ipcluster start` has it, and the `controller` daemon.
pub(crate) const EXIT_ALREADY_RUNNING: u8 = 10;
/// As `ipcluster stop` has it.
const EXIT_NOT_RUNNING: u8 = 11;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Stop(#[from] StopError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Results(#[from] phalanx_results::OpenError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("this process cannot wait for events: {0}")]
    Runtime(io::Error),
    #[error("this command cannot be run again in a session of its own, as daemons need it: {0}")]
    Again(io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Start(
                StartError::Running { .. } | StartError::Lock(LockError::HeldByUnknown { .. }),
            ) => EXIT_ALREADY_RUNNING,
            Failure::Stop(StopError::NotRunning { .. }) | Failure::Ask(AskError::NotRunning { .. }) => {
                EXIT_NOT_RUNNING
            }
            // Nothing runs on a profile that does not exist.
            Failure::Profile(ProfileError::UnknownProfile { .. })
            | Failure::Ask(AskError::Profile(ProfileError::UnknownProfile { .. }))
            | Failure::History(HistoryError::Profile(ProfileError::UnknownProfile { .. }))
            | Failure::Stop(StopError::Profile(ProfileError::UnknownProfile { .. })) => EXIT_NOT_RUNNING,
            _ => EXIT_ERROR,
        }
    }

    /// What to do next, where the message does not say it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Failure::Start(StartError::Running { profile, engines: Some(0), wanted, .. }) => {
                Some(format!("it has no engines; add some: engine --profile {profile} -n {wanted}"))
            }
            Failure::Start(StartError::Running { profile, engines: Some(engines), .. }) => Some(format!(
                "it has {engines} engine{}; look at it: phalanx status --profile {profile}",
                if *engines == 1 { "" } else { "s" }
            )),
            Failure::Ask(AskError::NotRunning { profile, .. }) => {
                Some(format!("start one: phalanx start --profile {profile} -n 4"))
            }
            _ => None,
        }
    }
}
