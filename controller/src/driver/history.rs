//! What is noted of jobs for the history: the driver's own count of each, and one note per report. Values are not looked at.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use phalanx_history::{ChunkNote, ChunkStatus, JobNote, JobState, Note, Trouble};
use phalanx_proto::ids::{ClientId, EngineId, JobKey, Run};
use phalanx_proto::timings;
use phalanx_proto::v1::{FailureKind, Report};
use phalanx_scheduler::Outcome;

use super::Driver;
use super::job::Job;

/// What a job's reports add up to.
#[derive(Debug, Default)]
pub(super) struct Account {
    submitted_ns: u64,
    /// Elements that its client had results of when it submitted it again.
    elements_before: u64,
    elements_done: u64,
    elements_failed: u64,
    chunks: u64,
    attempts_lost: u64,
    client_host: String,
    client_pid: u32,
    /// Why the first element failed.
    message: String,
}

impl Account {
    /// Of a job that its client knows, of which so many elements had results before.
    pub(super) fn new(elements_before: u64) -> Self {
        Self { elements_before, ..Self::default() }
    }

    fn fail(&mut self, elements: u64, message: &str) {
        self.elements_failed += elements;
        if self.message.is_empty() && elements > 0 {
            self.message = message.to_owned();
        }
    }

    /// It is refused after it was accepted.
    pub(super) fn refuse(&mut self, message: &str) {
        self.message = format!("refused: {message}");
    }
}

/// An attempt without a report.
pub(super) struct Unreported<'a> {
    pub(super) run: Run,
    pub(super) engine: EngineId,
    pub(super) status: ChunkStatus,
    pub(super) kind: FailureKind,
    pub(super) message: &'a str,
    /// The first of its elements, and how many there are.
    pub(super) elements: (u64, u64),
    /// The other elements of the chunk go on.
    pub(super) partial: bool,
}

impl Driver {
    /// A job was accepted.
    pub(super) fn note_submitted(&mut self, client: ClientId, key: JobKey) {
        let (Some(recorder), Some(job)) = (&mut self.recorder, self.jobs.get_mut(&key)) else { return };
        job.account.submitted_ns = now_ns();
        if let Some(client) = self.clients.get(&client) {
            job.account.client_host = client.origin.host.to_string();
            job.account.client_pid = client.origin.pid;
        }
        recorder.note(Note::Job(Box::new(note(job, job.label.clone(), JobState::Running, None))));
    }

    /// A report counts. `only`: how many elements of its one chunk were run, if not all.
    pub(super) fn note_report(&mut self, run: &Run, only: usize, report: &Report, retrying: bool) {
        let (Some(recorder), Some(job)) = (&mut self.recorder, self.jobs.get_mut(&run.job)) else { return };
        let elements = match only {
            0 => u64::from(run.count) * u64::from(run.chunk_len),
            only => only as u64,
        };
        let failed = report.failures.len() as u64;
        job.account.elements_done += elements.saturating_sub(failed);
        let trouble = report.failures.first().map(|first| {
            let more = if failed > 1 { format!(" (and {} more)", failed - 1) } else { String::new() };
            let at =
                if first.location.is_empty() { String::new() } else { format!(" (at {})", first.location) };
            Trouble::new(first.kind(), &format!("{}{at}{more}", first.message))
        });
        let status = match (&trouble, retrying) {
            (None, _) => ChunkStatus::Ok,
            (Some(_), true) => ChunkStatus::Retried,
            (Some(trouble), false) => {
                job.account.fail(failed, &trouble.message);
                ChunkStatus::Failed
            }
        };
        if !retrying {
            job.account.chunks += u64::from(run.count);
        }
        let engine = EngineId(report.engine);
        let (started_ns, ended_ns) = timings::span(&report.timings).unwrap_or_default();
        recorder.note(Note::Chunk(ChunkNote {
            job: job.id,
            chunk_first: run.first,
            chunks: run.count,
            element_first: run.element_first,
            elements,
            elements_failed: failed,
            engine: engine.0,
            host: self.engines.get(&engine).map(|engine| Arc::clone(&engine.host)),
            attempt: run.attempt,
            status,
            started_ns,
            ended_ns,
            trouble,
        }));
    }

    /// An attempt has ended without a report.
    pub(super) fn note_unreported(&mut self, lost: &Unreported<'_>) {
        let run = lost.run;
        let (Some(recorder), Some(job)) = (&mut self.recorder, self.jobs.get_mut(&run.job)) else { return };
        let (element_first, elements) = lost.elements;
        let failed = if lost.status == ChunkStatus::Lost {
            job.account.attempts_lost += u64::from(run.count);
            0
        } else {
            job.account.fail(elements, lost.message);
            job.account.chunks += if lost.partial { 0 } else { u64::from(run.count) };
            elements
        };
        recorder.note(Note::Chunk(ChunkNote {
            job: job.id,
            chunk_first: run.first,
            chunks: run.count,
            element_first,
            elements,
            elements_failed: failed,
            engine: lost.engine.0,
            host: self.engines.get(&lost.engine).map(|engine| Arc::clone(&engine.host)),
            attempt: run.attempt,
            status: lost.status,
            started_ns: 0,
            ended_ns: now_ns(),
            trouble: Some(Trouble::new(lost.kind, lost.message)),
        }));
    }

    /// A job has ended. `client_left`: because its client is gone.
    pub(super) fn note_finished(&mut self, job: &mut Job, outcome: Outcome, client_left: bool) {
        let Some(recorder) = &mut self.recorder else { return };
        // An element of a chunk that is given up as a whole may have had its result before.
        let account = &mut job.account;
        account.elements_failed = account
            .elements_failed
            .min(job.elements.saturating_sub(account.elements_before + account.elements_done));
        let state = match outcome {
            Outcome::Completed if account.elements_failed > 0 => JobState::Failed,
            Outcome::Completed => JobState::Completed,
            Outcome::Cancelled if client_left => JobState::ClientLost,
            Outcome::Cancelled => JobState::Aborted,
            Outcome::Expired(why) => {
                account.message = why.to_string();
                JobState::Expired
            }
            Outcome::Impossible(why) => {
                if account.message.is_empty() {
                    account.message = why.to_string();
                }
                JobState::Impossible
            }
        };
        let label = std::mem::take(&mut job.label);
        recorder.note(Note::Job(Box::new(note(job, label, state, Some(now_ns())))));
    }

    /// Hands over what this turn has noted.
    pub(super) fn end_turn(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.end_turn();
        }
    }
}

fn note(job: &Job, label: String, state: JobState, ended_ns: Option<u64>) -> JobNote {
    let account = &job.account;
    JobNote {
        id: job.id,
        label,
        state,
        client_host: account.client_host.clone(),
        client_pid: account.client_pid,
        direct: job.direct,
        submitted_ns: account.submitted_ns,
        ended_ns,
        elements: job.elements,
        elements_before: account.elements_before,
        elements_done: account.elements_done,
        elements_failed: account.elements_failed,
        chunks: account.chunks,
        attempts_lost: account.attempts_lost,
        message: account.message.clone(),
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
