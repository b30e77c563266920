//! `phalanx results`, for people.

use phalanx_results::{FileSummary, Timings};
use time::OffsetDateTime;
use time::macros::format_description;

use super::quantity;
use super::table::Table;

/// Failures that are listed one by one.
const FAILURES_MAX: usize = 10;
/// Engines that are listed one by one.
const ENGINES_MAX: usize = 32;

pub(super) fn results(s: &FileSummary, bold: bool) -> String {
    let mut text = headline(s);
    let mut fact = |name: &str, value: String| text += &format!("{name:<10}{value}\n");
    fact("function", quantity::harmless(&s.label));
    fact("program", quantity::harmless(&s.program));
    fact("version", quantity::harmless(&s.phalanx_version));
    fact("began", moment(s.submitted_ns));
    fact("last news", moment(s.received_ns));
    let sessions = if s.jobs.len() > 1 { format!(", in {} sessions", s.jobs.len()) } else { String::new() };
    fact("wall time", format!("{}{sessions}", seconds(s.wall_seconds)));
    if let Some(Timings { total, min, median, max }) = s.timings {
        let each = format!("{} to {}, median {}", seconds(min), seconds(max), seconds(median));
        fact("computed", format!("{}, all elements together; each {each}", seconds(total)));
    }
    if let Some(shared) = &s.shared_parameters {
        text += &format!("\nwhat all elements share:\n{}\n", indented(shared));
    }
    text.push('\n');
    text += &datasets(s).render(bold);
    if !s.engines.is_empty() {
        text.push('\n');
        text += &engines(s).render(bold);
        let more = s.engines.len().saturating_sub(ENGINES_MAX);
        text += &if more > 0 { format!("and {more} more\n") } else { String::new() };
    }
    if !s.failures.is_empty() {
        text += &format!("\n{} failed:\n", quantity::count(s.failed as usize, "element"));
        for f in s.failures.iter().take(FAILURES_MAX) {
            let message = quantity::harmless(f.message.lines().next().unwrap_or_default());
            text += &format!("  element {}: {}: {message}\n", f.element, quantity::harmless(&f.kind));
        }
        let more = s.failed.saturating_sub(s.failures.len().min(FAILURES_MAX) as u64);
        text += &if more > 0 { format!("  and {more} more\n") } else { String::new() };
    }
    if s.is_run && !s.is_complete() {
        text += "\nIt goes on where it is when the same program is started again.\n";
    }
    text
}

fn headline(s: &FileSummary) -> String {
    let kind = if s.is_run { "a run" } else { "the results of one job" };
    let state = if s.is_complete() { "complete" } else { "not complete" };
    let mut parts = vec![format!("{} of {} done", s.done, quantity::count(s.elements as usize, "element"))];
    for (number, what) in [(s.failed, "failed"), (s.missing, "missing")] {
        parts.extend((number > 0).then(|| format!("{number} {what}")));
    }
    let path = quantity::harmless(&s.path.display().to_string());
    format!("{path}: {kind}, {state}: {} ({})\n\n", parts.join(", "), quantity::bytes(s.bytes))
}

fn datasets(s: &FileSummary) -> Table {
    let mut table = Table::new(&["DATASET", "TYPE", "SHAPE"]);
    for d in &s.datasets {
        let shape: Vec<String> = d.shape.iter().map(usize::to_string).collect();
        table.row(vec![quantity::harmless(&d.path), quantity::harmless(&d.dtype), shape.join(" × ")]);
    }
    table
}

fn engines(s: &FileSummary) -> Table {
    let mut table = Table::new(&[">SESSION", ">ENGINE", "HOST", ">ELEMENTS", ">COMPUTED"]);
    for e in s.engines.iter().take(ENGINES_MAX) {
        table.row(vec![
            e.session.to_string(),
            e.engine.to_string(),
            quantity::harmless(&e.host),
            e.elements.to_string(),
            seconds(e.seconds),
        ]);
    }
    table
}

/// A time of day, in UTC; of nothing, a dash.
pub(super) fn moment(ns: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let time = OffsetDateTime::from_unix_timestamp_nanos(ns.into()).ok().filter(|_| ns > 0);
    time.and_then(|time| time.format(&format).ok()).unwrap_or_else(|| "–".to_owned())
}

/// `12 µs`, `3.4 ms`, and from a second on as other times.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "–".to_owned(),
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => quantity::time((s * 1e3) as u64),
    }
}

/// JSON, a line per value.
fn indented(json: &str) -> String {
    let pretty = serde_json::from_str::<serde_json::Value>(json).map(|value| format!("{value:#}"));
    let text = pretty.unwrap_or_else(|_| json.to_owned());
    let lines: Vec<String> = text.lines().map(|line| format!("  {}", quantity::harmless(line))).collect();
    lines.join("\n")
}
