//! `phalanx jobs`, `phalanx abort` and `phalanx purge`, for people.

use super::quantity;
use super::table::Table;
use crate::jobs::{Aborted, AbortedJob, Jobs, Purged};

pub(super) fn jobs(jobs: &Jobs, bold: bool) -> String {
    if jobs.jobs.is_empty() {
        return format!("profile {}: nothing runs, and nothing is kept\n", jobs.profile);
    }
    let headings = [
        "JOB", "FUNCTION", "STATE", ">DONE", ">FAILED", ">TOTAL", ">KEPT", ">AGE", ">ENDED", "CLIENT",
        "VALUES",
    ];
    let mut table = Table::new(&headings);
    for j in &jobs.jobs {
        table.row(vec![
            quantity::short_id(&j.id),
            quantity::short_name(&j.label),
            j.state.to_owned(),
            j.elements_done.to_string(),
            j.elements_failed.to_string(),
            j.elements.to_string(),
            if j.kept { quantity::bytes(j.kept_bytes) } else { "no".to_owned() },
            quantity::time(j.age_ms),
            j.ended_ms.map_or_else(String::new, |ms| format!("{} ago", quantity::time(ms))),
            if j.client_left { "left" } else { "connected" }.to_owned(),
            quantity::short_name(&j.result_type),
        ]);
    }
    table.render(bold)
}

pub(super) fn aborted(aborted: &Aborted) -> String {
    let line = |job: &AbortedJob| format!("aborted job {}, {}\n", job.id, quantity::harmless(&job.label));
    aborted.jobs.iter().map(line).collect()
}

pub(super) fn purged(purged: &Purged) -> String {
    let jobs = quantity::count(usize::try_from(purged.jobs).unwrap_or(usize::MAX), "job");
    format!("dropped the results of {jobs}: {}\n", quantity::bytes(purged.bytes))
}
