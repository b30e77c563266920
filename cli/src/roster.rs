//! Which engine daemons `phalanx start` launched: `engines.json` in the profile, so that `stop` finds them
//! even when the controller is gone and cannot be asked.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use phalanx_profile::Profile;
use phalanx_proto::host;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::process::Process;

/// The record.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    nodes: Vec<Node>,
}

/// One engine daemon.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    #[serde(flatten)]
    process: Process,
    /// A home directory may be shared by many machines; the process id is one of this.
    host: String,
}

/// The record cannot be used.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {source}", path.display())]
pub(crate) struct RosterError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Roster {
    /// What is recorded in the profile; nothing when there is no record, or one that makes no sense.
    pub(crate) fn load(profile: &Profile) -> Result<Roster, RosterError> {
        let path = file(profile);
        match fs::read(&path) {
            // A damaged record names no process that could be trusted to be ours.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Roster::default()),
            Err(source) => Err(RosterError { doing: "read", path, source }),
        }
    }

    /// Those that run on this machine.
    pub(crate) fn running(&self) -> Vec<Process> {
        let here = host::name();
        self.nodes.iter().filter(|n| n.host == here).map(|n| n.process).filter(|p| p.is_running()).collect()
    }

    /// Records a daemon of this machine; those that have ended are forgotten.
    pub(crate) fn add(profile: &Profile, process: Process) -> Result<(), RosterError> {
        let mut roster = Roster::load(profile)?;
        roster.forget_ended();
        roster.nodes.push(Node { process, host: host::name() });
        roster.save(profile)
    }

    /// Forgets daemons of this machine that have ended; without any left, the file goes.
    pub(crate) fn tidy(profile: &Profile) -> Result<(), RosterError> {
        let mut roster = Roster::load(profile)?;
        roster.forget_ended();
        if !roster.nodes.is_empty() {
            return roster.save(profile);
        }
        let path = file(profile);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(RosterError { doing: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    fn forget_ended(&mut self) {
        let here = host::name();
        self.nodes.retain(|n| n.host != here || n.process.is_running());
    }

    fn save(&self, profile: &Profile) -> Result<(), RosterError> {
        let path = file(profile);
        replace(profile.path(), &path, self).map_err(|source| RosterError { doing: "write", path, source })
    }
}

fn file(profile: &Profile) -> PathBuf {
    profile.path().join("engines.json")
}

/// A reader finds the old record or the new one. (`tempfile` makes its files with mode 0600.)
fn replace(directory: &Path, path: &Path, roster: &Roster) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(&serde_json::to_vec_pretty(roster)?)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_here_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::at(dir.path().join("p")).unwrap();
        assert!(Roster::load(&profile).unwrap().running().is_empty());

        let this = Process::with_pid(std::process::id()).unwrap();
        Roster::add(&profile, Process { start_ticks: this.start_ticks - 1, ..this }).unwrap();
        Roster::add(&profile, this).unwrap();
        let mut roster = Roster::load(&profile).unwrap();
        assert_eq!(roster.running(), [this]);
        assert_eq!(roster.nodes.len(), 1, "one that had ended was kept");

        roster.nodes[0].host = "another-machine".to_owned();
        roster.save(&profile).unwrap();
        assert!(Roster::load(&profile).unwrap().running().is_empty());
        Roster::tidy(&profile).unwrap();
        assert_eq!(
            Roster::load(&profile).unwrap(),
            roster,
            "another machine's daemons are not ours to forget"
        );
    }

    #[test]
    fn a_damaged_record_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::at(dir.path().join("p")).unwrap();
        fs::write(file(&profile), r#"{"nodes": [{"pid": 1"#).unwrap();
        assert!(Roster::load(&profile).unwrap().running().is_empty());
        Roster::tidy(&profile).unwrap();
        assert!(!file(&profile).exists());
    }
}
