//! `phalanx history`, for people.

use phalanx_history::{ChunkRecord, ChunkStatus, JobRecord};

use super::quantity;
use super::results_human::{moment, seconds};
use super::table::Table;
use crate::history::Past;

/// Reasons that are printed below a table of jobs.
const REASONS_MAX: usize = 10;
/// Longest reason in a table or below it, in characters.
const REASON_CHARS_MAX: usize = 100;

pub(super) fn history(past: &Past, bold: bool) -> String {
    let mut text = match &past.chunks {
        Some(chunks) => one_job(past, chunks, bold),
        None => many_jobs(past, bold),
    };
    if past.more {
        text += "\nThere is more: ask for it with --limit, or for less with the other options.\n";
    }
    if past.dropped > 0 {
        text += &format!(
            "\nNot everything is here: {} were never written, because the disk was full or too slow.\n",
            quantity::count(usize::try_from(past.dropped).unwrap_or(usize::MAX), "note")
        );
    }
    if let Some(trouble) = &past.trouble {
        text += &format!("\nNothing new is being recorded: {}\n", quantity::harmless(trouble));
    }
    text
}

fn many_jobs(past: &Past, bold: bool) -> String {
    if past.jobs.is_empty() {
        return format!("profile {}: no jobs in its history fit\n", past.profile);
    }
    let headings = [
        "JOB",
        "FUNCTION",
        "STATE",
        "SUBMITTED",
        ">TOOK",
        "VIEW",
        ">DONE",
        ">FAILED",
        ">TOTAL",
        ">CHUNKS",
        ">LOST",
        "CLIENT",
    ];
    let mut table = Table::new(&headings);
    for j in &past.jobs {
        table.row(vec![
            quantity::short_id(&j.id),
            quantity::short_name(&j.label),
            j.state.to_string(),
            moment(j.submitted_ns),
            took(j),
            view(j).to_owned(),
            j.elements_done.to_string(),
            j.elements_failed.to_string(),
            j.elements.to_string(),
            j.chunks.to_string(),
            j.attempts_lost.to_string(),
            format!("{} {}", quantity::harmless(&j.client_host), j.client_pid),
        ]);
    }
    let mut text = table.render(bold);
    let reasons: Vec<_> = past.jobs.iter().filter(|j| !j.message.is_empty()).collect();
    if !reasons.is_empty() {
        text.push('\n');
    }
    for j in reasons.iter().take(REASONS_MAX) {
        text += &format!("{}: {}\n", quantity::short_id(&j.id), reason(&j.message));
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    text += &if more > 0 {
        format!("and {more} more with failures; --failed shows them\n")
    } else {
        String::new()
    };
    text
}

fn one_job(past: &Past, chunks: &[ChunkRecord], bold: bool) -> String {
    let mut text = past.jobs.first().map(headline).unwrap_or_default();
    if chunks.is_empty() {
        return text + "\nno chunks of it fit\n";
    }
    let headings =
        ["CHUNKS", "ELEMENTS", ">ENGINE", "HOST", ">ATTEMPT", "STATUS", "STARTED", ">TOOK", ">FAILED", "WHY"];
    let mut table = Table::new(&headings);
    for c in chunks {
        let elapsed = c.elapsed().map_or_else(|| "–".to_owned(), |took| seconds(took.as_secs_f64()));
        let why =
            if c.status == ChunkStatus::Ok { String::new() } else { format!("{}: {}", c.kind, c.message) };
        table.row(vec![
            range(c.chunk_first, u64::from(c.chunks)),
            range(c.element_first, c.elements),
            c.engine.to_string(),
            quantity::harmless(&c.host),
            c.attempt.to_string(),
            c.status.to_string(),
            c.started_ns.map_or_else(|| "–".to_owned(), moment),
            elapsed,
            c.elements_failed.to_string(),
            reason(&why),
        ]);
    }
    text.push('\n');
    text + &table.render(bold)
}

fn headline(j: &JobRecord) -> String {
    let mut text = format!(
        "job {}: {}, {} view, {}: {} of {} done, {} failed; submitted {}, took {}; client {} on {}\n",
        quantity::harmless(&j.id),
        quantity::harmless(&j.label),
        view(j),
        j.state,
        j.elements_done,
        quantity::count(usize::try_from(j.elements).unwrap_or(usize::MAX), "element"),
        j.elements_failed,
        moment(j.submitted_ns),
        took(j),
        j.client_pid,
        quantity::harmless(&j.client_host),
    );
    if !j.message.is_empty() {
        text += &format!("{}\n", reason(&j.message));
    }
    if j.rows_pruned > 0 {
        text += &format!(
            "its first {} were removed to make room\n",
            quantity::count(j.rows_pruned as usize, "row")
        );
    }
    text
}

pub(super) fn view(j: &JobRecord) -> &'static str {
    if j.direct { "direct" } else { "balanced" }
}

fn took(j: &JobRecord) -> String {
    j.wall_time().map_or_else(|| "–".to_owned(), |took| seconds(took.as_secs_f64()))
}

/// `7`, or `7–12`.
fn range(first: u64, count: u64) -> String {
    if count <= 1 { first.to_string() } else { format!("{first}–{}", first.saturating_add(count - 1)) }
}

/// The first line, short enough.
fn reason(message: &str) -> String {
    let line = quantity::harmless(message.lines().next().unwrap_or_default());
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
