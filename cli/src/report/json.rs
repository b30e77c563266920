//! For programs.

use phalanx_results::FileSummary;
use serde::Serialize;

use super::Report;
use crate::explained::Explained;
use crate::history::Past;
use crate::jobs::{Aborted, Jobs, Purged};
use crate::list::Listed;
use crate::snapshot::Snapshot;
use crate::start::Started;
use crate::stop::Stopped;

/// JSON, indented, one document per command.
pub(super) struct Json;

impl Report for Json {
    fn started(&self, started: &Started) -> String {
        document(started)
    }

    fn stopped(&self, stopped: &Stopped) -> String {
        document(stopped)
    }

    fn status(&self, snapshot: &Snapshot) -> String {
        document(snapshot)
    }

    fn explained(&self, explained: &Explained) -> String {
        document(explained)
    }

    fn jobs(&self, jobs: &Jobs) -> String {
        document(jobs)
    }

    fn aborted(&self, aborted: &Aborted) -> String {
        document(aborted)
    }

    fn purged(&self, purged: &Purged) -> String {
        document(purged)
    }

    fn history(&self, past: &Past) -> String {
        document(past)
    }

    fn results(&self, summary: &FileSummary) -> String {
        document(summary)
    }

    fn profiles(&self, profiles: &[Listed]) -> String {
        document(&profiles)
    }
}

fn document(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("strings and numbers under string keys are JSON");
    text + "\n"
}
