//! `phalanx list`: the profiles there are, and whether a controller runs on them.

use phalanx_profile::{Home, Lock, LockStatus, Profile, ProfileError};
use serde::Serialize;

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    pub(crate) profile: String,
    pub(crate) path: String,
    #[serde(flatten)]
    pub(crate) state: State,
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum State {
    /// A controller runs on it.
    Running { pid: u32, host: String, version: String },
    /// One does that has not said who it is.
    Locked,
    /// None does.
    Stopped,
    /// It cannot be used.
    Unusable { reason: String },
}

/// `phalanx list`
pub(crate) fn list() -> Result<Vec<Listed>, ProfileError> {
    let home = Home::from_env()?;
    let listed = |name: String| {
        let path = home.path().join(&name).display().to_string();
        // One that is broken must not hide the others.
        let state =
            home.open(&name).map_or_else(|e| State::Unusable { reason: e.to_string() }, |p| state(&p));
        Listed { profile: name, path, state }
    };
    Ok(home.list()?.into_iter().map(listed).collect())
}

fn state(profile: &Profile) -> State {
    match Lock::status(profile) {
        Ok(LockStatus::Free) => State::Stopped,
        Ok(LockStatus::Held(holder)) => {
            State::Running { pid: holder.pid, host: holder.host, version: holder.version }
        }
        Ok(_) => State::Locked,
        Err(e) => State::Unusable { reason: e.to_string() },
    }
}
