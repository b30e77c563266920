//! Showing a job's progress to a person, or to a log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Result;
use crate::job::{ChunkOutput, Ended, JobHandle, Progress, StdStream};
use crate::session::Standstill;

/// How often a terminal's bar is drawn anew, and how soon a failure shows.
const REFRESH: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How long nothing can have run before it is said why.
const STANDSTILL_SHOWN_AFTER: Duration = Duration::from_secs(2);
/// A line without an end is shown in pieces.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Failures that are shown one by one; the rest are counted.
const FAILURES_SHOWN_MAX: usize = 20;

/// Waits for jobs and shows how they go, all together.
pub(crate) fn show(handles: &[JobHandle]) -> Result<()> {
    let Some(session) = handles.first().map(|handle| &handle.session) else { return Ok(()) };
    let bar = if stderr().is_terminal() { Some(bar()) } else { None };
    let started = Instant::now();
    let elapsed = || handles.iter().map(JobHandle::elapsed).max().unwrap_or_else(|| started.elapsed());
    let mut shown = vec![0; handles.len()];
    let mut last_line = started;
    let mut waiting = Waiting::default();
    let jobs: Vec<_> = handles.iter().map(|handle| Arc::clone(&handle.job)).collect();
    let mut printed = Printed::default();
    loop {
        let ended = session.wait_until(&jobs, || jobs.iter().all(|job| job.is_over()), Some(REFRESH));
        let progress = together(handles);
        for (handle, shown) in handles.iter().zip(&mut shown) {
            printed.show(handle, bar.as_ref());
            *shown = show_failures(handle, *shown, bar.as_ref());
            show_notices(handle, bar.as_ref());
        }
        if ended {
            printed.finish(bar.as_ref());
            break;
        }
        if let Some(text) = waiting.news(session.engines().standstill(), Instant::now()) {
            say(bar.as_ref(), &text);
        }
        match &bar {
            Some(bar) => draw(bar, &progress),
            None if last_line.elapsed() >= LINE_EVERY => {
                last_line = Instant::now();
                let _ = writeln!(stdout(), "{}", line(&progress, elapsed()));
            }
            None => {}
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if jobs.iter().any(|job| matches!(job.lock().ended, Some(Ended::Failed(_)))) {
        // It was not run to its end: the caller gets the error, and nothing is "done".
        return Ok(());
    }
    let wall_time = handles.iter().map(JobHandle::wall_time).max().unwrap_or_default();
    let mut text = line(&together(handles), wall_time);
    let _ = write!(text, "\ndone");
    let _ = writeln!(stdout(), "{text}");
    Ok(())
}

/// The progress of all of them. Chunks are counted only where each knows how many it has.
fn together(handles: &[JobHandle]) -> Progress {
    let each: Vec<Progress> = handles.iter().map(JobHandle::progress).collect();
    let sum = |of: fn(&Progress) -> u64| each.iter().map(of).sum();
    Progress {
        chunks_done: sum(|p| p.chunks_done),
        chunks: each.iter().map(|p| p.chunks).sum(),
        elements_done: sum(|p| p.elements_done),
        elements_failed: sum(|p| p.elements_failed),
        elements: sum(|p| p.elements),
        attempts_lost: sum(|p| p.attempts_lost),
    }
}

fn show_failures(handle: &JobHandle, shown: usize, bar: Option<&ProgressBar>) -> usize {
    let failures = handle.shown();
    for (i, failure) in failures.iter().enumerate().skip(shown) {
        let text = match i.cmp(&FAILURES_SHOWN_MAX) {
            std::cmp::Ordering::Less if failure.is_tried_again => {
                format!("{}\n  It is tried again", failure.error)
            }
            std::cmp::Ordering::Less => failure.error.to_string(),
            std::cmp::Ordering::Equal => "… further failures are counted, not shown".to_owned(),
            std::cmp::Ordering::Greater => continue,
        };
        say(bar, &text);
    }
    failures.len()
}

/// Shows what else there is to say about the job, once.
pub(crate) fn show_notices(handle: &JobHandle, bar: Option<&ProgressBar>) {
    let notices = std::mem::take(&mut handle.job.lock().notices);
    notices.iter().for_each(|notice| say(bar, notice));
}

/// Writes it above the bar, or to the standard error.
fn say(bar: Option<&ProgressBar>, text: &str) {
    match bar {
        Some(bar) => bar.println(text),
        None => drop(writeln!(stderr(), "{text}")),
    }
}

/// What functions print, a line at a time.
#[derive(Default)]
struct Printed {
    /// Lines without an end so far, by engine.
    open: BTreeMap<(u32, StdStream), String>,
}

impl Printed {
    /// Shows what has come since the last time. What a local cluster's engines print is here already.
    fn show(&mut self, handle: &JobHandle, bar: Option<&ProgressBar>) {
        if handle.session.prints_here() {
            return;
        }
        let mut place = handle.job.output.shown.lock();
        while let Ok(Some(piece)) = handle.job.output.next(&mut place) {
            let lines = self.lines(&piece);
            print(piece.stream, &lines, bar);
        }
    }

    /// The lines that a piece ends, each marked with its engine.
    fn lines(&mut self, piece: &ChunkOutput) -> String {
        let open = self.open.entry((piece.engine, piece.stream)).or_default();
        open.push_str(&piece.text);
        let end = match open.rfind('\n') {
            Some(end) => end + 1,
            None if open.len() > LINE_BYTES_MAX => open.len(),
            None => return String::new(),
        };
        let rest = open.split_off(end);
        let whole = std::mem::replace(open, rest);
        whole.lines().map(|line| format!("[engine {}] {line}\n", piece.engine)).collect()
    }

    /// Nothing ends the lines that have no end.
    fn finish(&mut self, bar: Option<&ProgressBar>) {
        for ((engine, stream), line) in std::mem::take(&mut self.open) {
            if !line.is_empty() {
                print(stream, &format!("[engine {engine}] {line}\n"), bar);
            }
        }
    }
}

/// Prints lines above the bar, where functions meant them to go.
fn print(stream: StdStream, lines: &str, bar: Option<&ProgressBar>) {
    let print = || match stream {
        StdStream::Stdout => stdout().write_all(lines.as_bytes()),
        StdStream::Stderr => stderr().write_all(lines.as_bytes()),
    };
    if lines.is_empty() {
        return;
    }
    // Who does not look at it does not miss it.
    let _ = match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    };
}

/// What was said about a cluster in which nothing can run.
#[derive(Default)]
struct Waiting {
    said: Option<Standstill>,
}

impl Waiting {
    /// What is to be said now.
    fn news(&mut self, now_is: Option<Standstill>, now: Instant) -> Option<String> {
        match now_is {
            Some(standstill) if self.said.as_ref() == Some(&standstill) => None,
            Some(standstill) if now.duration_since(standstill.since) < STANDSTILL_SHOWN_AFTER => None,
            Some(standstill) => {
                let text = format!("waiting: {standstill}");
                self.said = Some(standstill);
                Some(text)
            }
            None => self.said.take().map(|was| format!("{}: it goes on", was.is_over())),
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:32.cyan} {pos}/{len} {msg} {elapsed}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar
}

fn draw(bar: &ProgressBar, p: &Progress) {
    let (done, all, unit) = counted(p);
    bar.set_length(all);
    bar.set_position(done);
    let failed = if p.elements_failed > 0 {
        format!("{unit}, {} failed,", p.elements_failed)
    } else {
        unit.to_owned()
    };
    bar.set_message(failed);
}

/// What is counted: chunks ("tasks") where their number is known, else elements.
fn counted(p: &Progress) -> (u64, u64, &'static str) {
    match p.chunks {
        Some(chunks) => (p.chunks_done, chunks, "tasks"),
        None => (p.elements_done, p.elements, "elements"),
    }
}

/// `500/500 tasks finished after    2 s`.
fn line(p: &Progress, elapsed: Duration) -> String {
    let (done, all, unit) = counted(p);
    let width = all.to_string().len();
    let mut text = format!("{done:>width$}/{all} {unit} finished after {:>4.0} s", elapsed.as_secs_f64());
    if p.elements_failed > 0 {
        let elements = if p.elements_failed == 1 { "element" } else { "elements" };
        let _ = write!(text, ", {} {elements} failed", p.elements_failed);
    }
    if p.attempts_lost > 0 {
        let attempts = if p.attempts_lost == 1 { "attempt" } else { "attempts" };
        let _ = write!(text, ", {} {attempts} lost and repeated", p.attempts_lost);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Cause;

    #[test]
    fn a_standstill_is_told_once_and_so_is_its_end() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let of = |cause, since| Some(Standstill { cause, since, profile: "lab".to_owned() });
        let (no_engines, later) = (of(Cause::NoEngines, start), of(Cause::NoEngines, after(60)));
        let mut waiting = Waiting::default();
        assert_eq!(waiting.news(None, start), None, "all is well");
        assert_eq!(waiting.news(no_engines.clone(), after(1)), None, "it may be over soon");
        assert_eq!(waiting.news(None, after(1)), None, "it was");
        let text = waiting.news(no_engines.clone(), after(2)).expect("nothing happens");
        assert!(text.starts_with("waiting: there are no engines"), "{text}");
        assert_eq!(waiting.news(no_engines, after(9)), None, "that was said");
        assert!(waiting.news(None, after(10)).expect("news").contains("goes on"));
        assert_eq!(waiting.news(None, after(11)), None);
        assert_eq!(waiting.news(later.clone(), after(61)), None);
        assert!(waiting.news(later, after(62)).is_some(), "another time");
        let gone = of(Cause::NoController("closed".to_owned()), after(63));
        assert!(waiting.news(gone, after(66)).expect("another reason").contains("controller"));
    }

    #[test]
    fn lines_are_put_together_and_marked_with_their_engine() {
        let piece = |engine, text: &str| ChunkOutput {
            chunk: 0,
            chunks: 1,
            elements: 0..1,
            engine,
            attempt: 1,
            stream: StdStream::Stdout,
            text: text.to_owned(),
            dropped: 0,
        };
        let mut printed = Printed::default();
        assert_eq!(printed.lines(&piece(0, "one\ntw")), "[engine 0] one\n");
        assert_eq!(printed.lines(&piece(1, "other\n\n")), "[engine 1] other\n[engine 1] \n");
        assert_eq!(printed.lines(&piece(0, "o\nthree")), "[engine 0] two\n");
        let long = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(printed.lines(&piece(0, &long)), format!("[engine 0] three{long}\n"));
    }

    #[test]
    fn lines_look_like_the_notebooks() {
        let mut p = Progress {
            chunks_done: 500,
            chunks: Some(500),
            elements_done: 5000,
            elements_failed: 0,
            elements: 5000,
            attempts_lost: 0,
        };
        assert_eq!(line(&p, Duration::from_millis(2300)), "500/500 tasks finished after    2 s");
        (p.chunks, p.elements_failed) = (None, 3);
        assert_eq!(
            line(&p, Duration::from_secs(100)),
            "5000/5000 elements finished after  100 s, 3 elements failed"
        );
        (p.elements_failed, p.attempts_lost) = (0, 2);
        assert!(line(&p, Duration::ZERO).ends_with("0 s, 2 attempts lost and repeated"));
    }
}
