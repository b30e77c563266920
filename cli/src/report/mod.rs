//! How results look: for people, for line-oriented tools, and as JSON. Each turns data into text and prints nothing.

mod explained_human;
mod history_human;
mod human;
mod jobs_human;
mod json;
mod plain;
mod quantity;
mod results_human;
mod table;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;

use phalanx_results::FileSummary;

use crate::explained::Explained;
use crate::history::Past;
use crate::jobs::{Aborted, Jobs, Purged};
use crate::list::Listed;
use crate::snapshot::Snapshot;
use crate::start::Started;
use crate::stop::Stopped;

/// A way of saying what a command found or did.
pub(crate) trait Report {
    fn started(&self, started: &Started) -> String;
    fn stopped(&self, stopped: &Stopped) -> String;
    fn status(&self, snapshot: &Snapshot) -> String;
    fn explained(&self, explained: &Explained) -> String;
    fn jobs(&self, jobs: &Jobs) -> String;
    fn aborted(&self, aborted: &Aborted) -> String;
    fn purged(&self, purged: &Purged) -> String;
    fn history(&self, past: &Past) -> String;
    fn results(&self, summary: &FileSummary) -> String;
    fn profiles(&self, profiles: &[Listed]) -> String;
}

/// The way that suits whoever reads standard output.
pub(crate) fn choose(wants_json: bool) -> Box<dyn Report> {
    if wants_json {
        return Box::new(json::Json);
    }
    if std::io::stdout().is_terminal() {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        return Box::new(human::Human { bold: colour });
    }
    Box::new(plain::Plain)
}
