//! For people, on a terminal.

use phalanx_results::FileSummary;

use super::table::Table;
use super::{Report, explained_human, history_human, jobs_human, quantity, results_human};
use crate::explained::Explained;
use crate::history::Past;
use crate::jobs::{Aborted, Jobs, Purged};
use crate::list::{Listed, State};
use crate::snapshot::{Engine, Job, Snapshot};
use crate::start::Started;
use crate::stop::Stopped;

/// Sentences and tables.
pub(super) struct Human {
    pub(super) bold: bool,
}

impl Report for Human {
    fn started(&self, started: &Started) -> String {
        let Started { profile, engines, controller_pid, engine_pid } = started;
        let ready = quantity::count(*engines as usize, "engine");
        let verb = if *engines == 1 { "is" } else { "are" };
        format!(
            "profile {profile}: {ready} {verb} ready (controller {controller_pid}, engine daemon {engine_pid}); \
             use: Client::connect(\"{profile}\"), look: phalanx status{option}, stop: phalanx stop{option}\n",
            option = option(profile),
        )
    }

    fn stopped(&self, stopped: &Stopped) -> String {
        let mut parts = Vec::new();
        if !stopped.engine_pids.is_empty() {
            parts.push(format!("engine daemon {}", pids(&stopped.engine_pids)));
        }
        if let Some(pid) = stopped.controller_pid {
            parts.push(format!("controller {pid}"));
        }
        let killed = match stopped.killed_pids.as_slice() {
            [] => String::new(),
            killed => format!("; killed, for it did not end in time: {}", pids(killed)),
        };
        format!("profile {}: stopped ({}){killed}\n", stopped.profile, parts.join(", "))
    }

    fn status(&self, s: &Snapshot) -> String {
        let c = &s.controller;
        let mut text = format!(
            "profile {}: controller {} on {} (version {}), up {}; {}, {}, {}; {} of arguments in memory\n",
            s.profile,
            c.pid,
            quantity::harmless(&c.host),
            quantity::harmless(&c.version),
            quantity::time(c.uptime_ms),
            quantity::count(s.engines.len(), "engine"),
            quantity::count(s.clients as usize, "client"),
            quantity::count(s.jobs.len(), "job"),
            quantity::bytes(s.payload_bytes),
        );
        if s.engines.is_empty() {
            text += &format!("\nno engines; add some: engine --profile {} -n 4\n", s.profile);
        } else {
            text.push('\n');
            text += &engines(&s.engines).render(self.bold);
        }
        if !s.jobs.is_empty() {
            text.push('\n');
            text += &jobs(&s.jobs).render(self.bold);
        }
        text
    }

    fn explained(&self, explained: &Explained) -> String {
        explained_human::text(explained)
    }

    fn jobs(&self, jobs: &Jobs) -> String {
        jobs_human::jobs(jobs, self.bold)
    }

    fn aborted(&self, aborted: &Aborted) -> String {
        jobs_human::aborted(aborted)
    }

    fn purged(&self, purged: &Purged) -> String {
        jobs_human::purged(purged)
    }

    fn history(&self, past: &Past) -> String {
        history_human::history(past, self.bold)
    }

    fn results(&self, summary: &FileSummary) -> String {
        results_human::results(summary, self.bold)
    }

    fn profiles(&self, profiles: &[Listed]) -> String {
        if profiles.is_empty() {
            return "there are no profiles yet; phalanx start makes one\n".to_owned();
        }
        let mut table = Table::new(&["PROFILE", "STATE", ">PID", "HOST", "DIRECTORY"]);
        let mut notes = String::new();
        for p in profiles {
            let (state, pid, host) = match &p.state {
                State::Running { pid, host, .. } => ("running", pid.to_string(), quantity::harmless(host)),
                State::Locked => ("locked", String::new(), String::new()),
                State::Stopped => ("stopped", String::new(), String::new()),
                State::Unusable { reason } => {
                    notes += &format!("\n{}: {}\n", p.profile, quantity::harmless(reason));
                    ("unusable", String::new(), String::new())
                }
            };
            table.row(vec![p.profile.clone(), state.to_owned(), pid, host, quantity::harmless(&p.path)]);
        }
        table.render(self.bold) + &notes
    }
}

fn engines(engines: &[Engine]) -> Table {
    let mut table =
        Table::new(&[">ENGINE", "HOST", ">NODE PID", ">ASSIGNED", ">COMPLETED", ">HEARTBEAT", "STATE"]);
    for e in engines {
        table.row(vec![
            e.id.to_string(),
            quantity::harmless(&e.host),
            e.node_pid.to_string(),
            e.chunks_assigned.to_string(),
            e.chunks_completed.to_string(),
            e.last_beat_ms.map_or_else(|| "none yet".to_owned(), |ms| format!("{} ago", quantity::time(ms))),
            if e.draining { "draining" } else { "serving" }.to_owned(),
        ]);
    }
    table
}

fn jobs(jobs: &[Job]) -> Table {
    let headings =
        ["JOB", "FUNCTION", ">CLIENT", "VIEW", ">DONE", ">FAILED", ">TOTAL", ">%", ">ASSIGNED", ">AGE"];
    let mut table = Table::new(&headings);
    for j in jobs {
        table.row(vec![
            quantity::short_id(&j.id),
            quantity::short_name(&j.label),
            j.client.to_string(),
            j.view.to_owned(),
            j.elements_done.to_string(),
            j.elements_failed.to_string(),
            j.elements.to_string(),
            format!("{:.1}", j.percent),
            j.chunks_assigned.to_string(),
            quantity::time(j.age_ms),
        ]);
    }
    table
}

/// How a command names the profile, unless it is the one that it would take anyway.
fn option(profile: &str) -> String {
    if profile == "default" { String::new() } else { format!(" --profile {profile}") }
}

fn pids(pids: &[u32]) -> String {
    pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
