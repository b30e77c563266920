//! One kept job: what its client was told of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use phalanx_proto::ids::{ClientId, JobKey};
use phalanx_proto::v1::client_event::Kind;
use phalanx_proto::v1::{AttemptLost, ChunkFailed, Report, ReportPart};
use phalanx_scheduler::Outcome;

use crate::parse::Submission;

/// What an entry costs, and each of its notes, besides the data.
const COST_BYTES: u64 = 256;
/// A shorter piece of data is copied, so that it does not keep the whole buffer alive that it was received in, which holds up to a
/// megabyte of others' too.
const COPY_BELOW_BYTES: usize = 256 << 10;

/// What is known of the job from its submission.
#[derive(Debug, Clone)]
pub(in super::super) struct About {
    pub(in super::super) label: Arc<str>,
    pub(in super::super) result_type: Arc<str>,
    pub(in super::super) elements: u64,
    pub(in super::super) plan: phalanx_scheduler::Plan,
    pub(in super::super) queue_limit: Option<Duration>,
    pub(in super::super) since: Instant,
}

/// How and when it ended.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct End {
    pub(in super::super) outcome: Outcome,
    pub(in super::super) at: Instant,
}

/// A session that follows the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Watcher {
    pub(in super::super) client: ClientId,
    /// Its own number for it.
    pub(in super::super) number: u64,
    /// Notes that it has been told.
    pub(in super::super) told: usize,
}

/// Something that the client was told; of any number.
#[derive(Debug, Clone)]
pub(in super::super) enum Note {
    Part(ReportPart),
    Report(Box<Report>),
    Failed(Box<ChunkFailed>),
    Lost(Box<AttemptLost>),
}

impl Note {
    fn bytes(&self) -> u64 {
        COST_BYTES + self.data_bytes() as u64
    }

    /// What counts at an outbox.
    pub(in super::super) fn data_bytes(&self) -> usize {
        match self {
            Self::Part(part) => part.data.len(),
            Self::Report(report) => report_bytes(report),
            Self::Failed(failed) => failed.message.len(),
            Self::Lost(lost) => lost.message.len(),
        }
    }

    /// As a session is told that knows the job by this number.
    pub(in super::super) fn to_wire(&self, job: u64) -> Kind {
        match self {
            Self::Part(part) => Kind::Part(ReportPart { job, ..part.clone() }),
            Self::Report(report) => Kind::Report(Report { job, ..(**report).clone() }),
            Self::Failed(failed) => Kind::Failed(ChunkFailed { job, ..(**failed).clone() }),
            Self::Lost(lost) => Kind::Lost(AttemptLost { job, ..(**lost).clone() }),
        }
    }
}

/// What a report brings, with its failures and their texts.
pub(in super::super) fn report_bytes(report: &Report) -> usize {
    let texts: usize =
        report.failures.iter().map(|f| f.message.len() + f.location.len() + f.backtrace.len() + 128).sum();
    report.data.len() + report.lens.len() + report.timings.len() + 4 * report.only.len() + texts
}

/// A kept job.
#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) key: JobKey,
    pub(in super::super) client: ClientId,
    /// The client's own number for it.
    pub(in super::super) number: u64,
    pub(in super::super) about: About,
    /// Its program is stored at the controller.
    pub(in super::super) has_program: bool,
    /// All its elements are here.
    pub(in super::super) is_whole: bool,
    pub(in super::super) end: Option<End>,
    pub(in super::super) watchers: Vec<Watcher>,
    notes: Vec<Note>,
    /// Parts of results whose reports are still to come, by chunk and attempt.
    parts: BTreeMap<(u64, u32), Vec<Note>>,
    bytes: u64,
    done: u64,
    failed: u64,
}

impl Entry {
    pub(in super::super) fn new(key: JobKey, client: ClientId, wanted: &Submission, since: Instant) -> Self {
        let about = About {
            label: wanted.label.as_str().into(),
            result_type: wanted.result_type.as_str().into(),
            elements: wanted.elements,
            plan: wanted.plan.clone(),
            queue_limit: wanted.queue_limit,
            since,
        };
        let plan = match &about.plan {
            phalanx_scheduler::Plan::Direct { targets } => size_of_val(targets.as_slice()),
            phalanx_scheduler::Plan::Balanced { remaining, .. } => size_of_val(remaining.as_slice()),
        };
        let bytes = COST_BYTES + (about.label.len() + about.result_type.len() + plan) as u64;
        Self {
            key,
            client,
            number: wanted.job,
            about,
            has_program: false,
            is_whole: false,
            end: None,
            watchers: Vec::new(),
            notes: Vec::new(),
            parts: BTreeMap::new(),
            bytes,
            done: 0,
            failed: 0,
        }
    }

    /// Whether its client may leave.
    pub(in super::super) fn is_safe(&self) -> bool {
        self.has_program && self.is_whole
    }

    pub(in super::super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(in super::super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Elements that have a value, and that have failed for good.
    pub(in super::super) fn settled(&self) -> (u64, u64) {
        (self.done, self.failed)
    }

    pub(in super::super) fn part(&mut self, mut part: ReportPart) {
        own(&mut part.data);
        let at = (part.chunk, part.attempt);
        let note = Note::Part(part);
        self.bytes += note.bytes();
        self.parts.entry(at).or_default().push(note);
    }

    /// Results that count, with the parts that went ahead of them.
    pub(in super::super) fn report(&mut self, mut report: Report) {
        [&mut report.data, &mut report.lens, &mut report.timings].into_iter().for_each(own);
        let parts = self.parts.remove(&(report.first_chunk, report.attempt)).unwrap_or_default();
        let ran = match report.only.len() {
            0 => u64::from(report.chunk_len) * u64::from(report.chunk_count),
            n => n as u64,
        };
        let failed = report.failures.len() as u64;
        self.done += ran.saturating_sub(failed);
        self.failed += if report.retrying { 0 } else { failed };
        self.notes.extend(parts);
        self.add(Note::Report(Box::new(report)));
    }

    pub(in super::super) fn chunk_failed(&mut self, failed: ChunkFailed, chunks: Range<u64>) {
        self.drop_parts(chunks, failed.attempt);
        self.failed += failed.elements;
        self.add(Note::Failed(Box::new(failed)));
    }

    pub(in super::super) fn attempt_lost(&mut self, lost: AttemptLost, chunks: Range<u64>) {
        self.drop_parts(chunks, lost.attempt);
        self.add(Note::Lost(Box::new(lost)));
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, end: End) {
        self.drop_parts(0..u64::MAX, u32::MAX);
        self.end = Some(end);
        self.notes.shrink_to_fit();
        if end.outcome == Outcome::Completed {
            // Chunks that failed after some of their elements had been settled are counted as wholes above.
            self.failed = self.failed.min(self.about.elements.saturating_sub(self.done));
        }
    }

    /// Gives the results free; whoever follows it stays known.
    pub(super) fn release(&mut self) {
        (self.notes, self.parts, self.bytes) = (Vec::new(), BTreeMap::new(), 0);
    }

    fn add(&mut self, note: Note) {
        self.bytes += note.bytes();
        self.notes.push(note);
    }

    /// Parts of attempts that will have no report.
    fn drop_parts(&mut self, chunks: Range<u64>, attempt: u32) {
        let mut freed = 0;
        self.parts.retain(|(chunk, tried), parts| {
            let dead = chunks.contains(chunk) && *tried <= attempt;
            if dead {
                freed += parts.iter().map(Note::bytes).sum::<u64>();
            }
            !dead
        });
        self.bytes -= freed;
    }
}

fn own(data: &mut Bytes) {
    if !data.is_empty() && data.len() < COPY_BELOW_BYTES {
        *data = Bytes::copy_from_slice(data);
    }
}
