//! For `grep`, `cut` and `awk`: a line per thing, its kind first, tabs between fields, nothing shortened.

use phalanx_history::{ChunkRecord, JobRecord};
use phalanx_results::FileSummary;

use super::history_human::view;
use super::human::Human;
use super::{Report, quantity};
use crate::explained::Explained;
use crate::history::Past;
use crate::jobs::{Aborted, Jobs, KnownJob, Purged};
use crate::list::{Listed, State};
use crate::snapshot::{Engine, Job, Snapshot};
use crate::start::Started;
use crate::stop::Stopped;

/// Lines of fields.
pub(super) struct Plain;

impl Report for Plain {
    fn started(&self, started: &Started) -> String {
        Human { bold: false }.started(started)
    }

    fn stopped(&self, stopped: &Stopped) -> String {
        Human { bold: false }.stopped(stopped)
    }

    fn status(&self, s: &Snapshot) -> String {
        let c = &s.controller;
        let mut text = line(&[
            "controller".to_owned(),
            s.profile.clone(),
            c.host.clone(),
            c.pid.to_string(),
            c.version.clone(),
            c.uptime_ms.to_string(),
            s.clients.to_string(),
            s.payload_bytes.to_string(),
        ]);
        text.extend(s.engines.iter().map(|e| line(&engine(e))));
        text.extend(s.jobs.iter().map(|j| line(&job(j))));
        text
    }

    fn explained(&self, e: &Explained) -> String {
        let counts = [e.elements_done, e.elements, e.elements_failed, e.chunks_queued, e.chunks_waiting];
        let mut fields = vec!["job".to_owned(), e.id.clone()];
        fields.extend(counts.iter().map(u64::to_string));
        fields.push(e.label.clone());
        let mut text = line(&fields);
        for held in &e.running {
            let numbers = [held.engine.into(), held.chunk, held.attempt.into(), held.chunks, held.behind];
            let mut fields = vec!["running".to_owned()];
            fields.extend(numbers.iter().map(u64::to_string));
            text += &line(&fields);
        }
        text.extend(e.waiting.iter().map(|reason| line(&["waiting".to_owned(), reason.clone()])));
        text.extend(e.after.iter().map(|id| line(&["after".to_owned(), id.clone()])));
        text
    }

    fn jobs(&self, jobs: &Jobs) -> String {
        jobs.jobs.iter().map(|j| line(&known_job(j))).collect()
    }

    fn aborted(&self, aborted: &Aborted) -> String {
        Human { bold: false }.aborted(aborted)
    }

    fn purged(&self, purged: &Purged) -> String {
        Human { bold: false }.purged(purged)
    }

    fn history(&self, past: &Past) -> String {
        match &past.chunks {
            Some(chunks) => chunks.iter().map(|c| line(&past_chunk(c))).collect(),
            None => past.jobs.iter().map(|j| line(&past_job(j))).collect(),
        }
    }

    fn results(&self, s: &FileSummary) -> String {
        let mut text = line(&[
            "file".to_owned(),
            s.path.display().to_string(),
            if s.is_run { "run" } else { "job" }.to_owned(),
            s.elements.to_string(),
            s.done.to_string(),
            s.failed.to_string(),
            s.missing.to_string(),
            s.wall_seconds.to_string(),
            s.timings.map_or_else(String::new, |t| t.total.to_string()),
            s.bytes.to_string(),
            s.label.clone(),
        ]);
        for d in &s.datasets {
            let shape: Vec<String> = d.shape.iter().map(usize::to_string).collect();
            text += &line(&["dataset".to_owned(), d.path.clone(), d.dtype.clone(), shape.join("x")]);
        }
        for e in &s.engines {
            let numbers = [e.session.to_string(), e.engine.to_string(), e.host.clone()];
            let work = [e.elements.to_string(), e.seconds.to_string()];
            text += &line(&[&["engine".to_owned()][..], &numbers, &work].concat());
        }
        for f in &s.failures {
            let element = f.element.to_string();
            text += &line(&["failure".to_owned(), element, f.kind.clone(), f.message.clone()]);
        }
        text
    }

    fn profiles(&self, profiles: &[Listed]) -> String {
        profiles.iter().map(|p| line(&profile(p))).collect()
    }
}

fn engine(e: &Engine) -> [String; 8] {
    [
        "engine".to_owned(),
        e.id.to_string(),
        e.host.clone(),
        e.node_pid.to_string(),
        e.chunks_assigned.to_string(),
        e.chunks_completed.to_string(),
        e.last_beat_ms.map_or_else(String::new, |ms| ms.to_string()),
        if e.draining { "draining" } else { "serving" }.to_owned(),
    ]
}

fn job(j: &Job) -> [String; 11] {
    [
        "job".to_owned(),
        j.id.clone(),
        j.client.to_string(),
        j.view.to_owned(),
        j.elements_done.to_string(),
        j.elements.to_string(),
        j.elements_failed.to_string(),
        format!("{:.1}", j.percent),
        j.chunks_assigned.to_string(),
        j.age_ms.to_string(),
        j.label.clone(),
    ]
}

fn known_job(j: &KnownJob) -> [String; 13] {
    [
        "job".to_owned(),
        j.id.clone(),
        j.state.to_owned(),
        if j.kept { "kept" } else { "not kept" }.to_owned(),
        j.elements_done.to_string(),
        j.elements.to_string(),
        j.elements_failed.to_string(),
        j.kept_bytes.to_string(),
        j.age_ms.to_string(),
        j.ended_ms.map_or_else(String::new, |ms| ms.to_string()),
        if j.client_left { "left" } else { "connected" }.to_owned(),
        j.result_type.clone(),
        j.label.clone(),
    ]
}

fn past_job(j: &JobRecord) -> [String; 15] {
    [
        "job".to_owned(),
        j.id.clone(),
        j.state.to_string(),
        j.submitted_ns.to_string(),
        j.ended_ns.map_or_else(String::new, |ns| ns.to_string()),
        view(j).to_owned(),
        j.elements.to_string(),
        j.elements_done.to_string(),
        j.elements_failed.to_string(),
        j.chunks.to_string(),
        j.attempts_lost.to_string(),
        j.client_host.clone(),
        j.client_pid.to_string(),
        j.label.clone(),
        j.message.clone(),
    ]
}

fn past_chunk(c: &ChunkRecord) -> [String; 15] {
    [
        "chunk".to_owned(),
        c.job.clone(),
        c.chunk_first.to_string(),
        c.chunks.to_string(),
        c.element_first.to_string(),
        c.elements.to_string(),
        c.elements_failed.to_string(),
        c.engine.to_string(),
        c.host.clone(),
        c.attempt.to_string(),
        c.status.to_string(),
        c.started_ns.map_or_else(String::new, |ns| ns.to_string()),
        c.ended_ns.to_string(),
        c.kind.clone(),
        c.message.clone(),
    ]
}

fn profile(p: &Listed) -> [String; 5] {
    let (state, pid, detail) = match &p.state {
        State::Running { pid, host, .. } => ("running", pid.to_string(), host.clone()),
        State::Locked => ("locked", String::new(), String::new()),
        State::Stopped => ("stopped", String::new(), String::new()),
        State::Unusable { reason } => ("unusable", String::new(), reason.clone()),
    };
    [p.profile.clone(), state.to_owned(), pid, detail, p.path.clone()]
}

fn line(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|f| quantity::harmless(f)).collect();
    fields.join("\t") + "\n"
}
