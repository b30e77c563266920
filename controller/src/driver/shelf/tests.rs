use bytes::Bytes;
use phalanx_proto::ids::ClientId;
use phalanx_proto::v1::{AttemptLost, ChunkFailed, ElementFailure, Report, ReportPart};
use phalanx_scheduler::Place;
use phalanx_scheduler::{Chunking, Outcome, Plan};

use super::*;
use crate::parse::Submission;

const HOUR: Duration = Duration::from_secs(3_600);

fn submission(id: u128, elements: u64) -> Submission {
    Submission {
        after: Vec::new(),
        place: Place::default(),
        condition: None,
        job: 7,
        id: JobId(id),
        entry: 0,
        label: "squares".into(),
        elements,
        stride: 8,
        varying: false,
        retries: 0,
        priority: 0,
        run_limit: None,
        queue_limit: None,
        context_bytes: 0,
        own_worker: false,
        kept: true,
        result_type: "u64".into(),
        plan: Plan::Balanced { chunking: Chunking::Fixed(1), remaining: vec![] },
    }
}

fn report(chunk: u64, bytes: usize) -> Report {
    Report {
        first_chunk: chunk,
        chunk_count: 1,
        chunk_len: 1,
        attempt: 1,
        data: Bytes::from(vec![0; bytes]),
        ..Report::default()
    }
}

fn part(chunk: u64, attempt: u32, bytes: usize) -> ReportPart {
    ReportPart { chunk, attempt, data: Bytes::from(vec![0; bytes]), ..ReportPart::default() }
}

/// A shelf with jobs 1, 2 … that hold so many bytes each, submitted in this order.
fn shelf(bytes_max: u64, now: Instant, jobs: &[usize]) -> Shelf {
    let mut shelf = Shelf::new(bytes_max, HOUR);
    for (i, bytes) in jobs.iter().enumerate() {
        let id = i as u128 + 1;
        shelf.open(JobId(id), Entry::new(JobKey(id as u64), ClientId(1), &submission(id, 10), now));
        shelf.change(JobId(id), |entry| entry.report(report(0, *bytes)));
    }
    shelf
}

fn end(shelf: &mut Shelf, id: u128, at: Instant) {
    shelf.end(JobId(id), End { outcome: Outcome::Completed, at });
}

fn ids(removed: &[Removed]) -> Vec<u128> {
    removed.iter().map(|removed| removed.id.0).collect()
}

#[test]
fn what_ended_first_is_dropped_first_and_what_is_under_way_last() {
    let now = Instant::now();
    let mut shelf = shelf(35_000, now, &[10_000, 10_000, 10_000, 10_000]);
    end(&mut shelf, 3, now);
    end(&mut shelf, 2, now + HOUR / 4);
    let removed = shelf.trim(now + HOUR / 2);
    assert_eq!(ids(&removed), [3]);
    assert_eq!(removed[0].missing.why, NotKept::Dropped);
    shelf.change(JobId(1), |entry| entry.report(report(1, 12_000)));
    assert_eq!(ids(&shelf.trim(now + HOUR / 2)), [2], "the one that has ended makes room");
    shelf.change(JobId(4), |entry| entry.report(report(1, 14_000)));
    assert_eq!(ids(&shelf.trim(now + HOUR / 2)), [4], "of those under way the largest does not fit");
    assert!(shelf.is_within_bounds() && shelf.get(JobId(1)).is_some());
    let told = shelf.missing(JobId(3), now + HOUR).unwrap();
    assert!(
        told.message.contains("35000 bytes") && told.message.ends_with("(that was 30 min ago)"),
        "{told:?}"
    );
}

#[test]
fn results_age_from_their_jobs_end() {
    let now = Instant::now();
    let mut shelf = shelf(1 << 30, now, &[10, 10]);
    assert_eq!(shelf.due(), None);
    end(&mut shelf, 2, now + HOUR);
    assert_eq!(shelf.due(), Some(now + 2 * HOUR));
    assert!(shelf.trim(now + 2 * HOUR - Duration::from_secs(1)).is_empty());
    let removed = shelf.trim(now + 2 * HOUR);
    assert_eq!(ids(&removed), [2], "what is under way does not age");
    assert!(removed[0].missing.message.contains("1 hours after the job's end"), "{:?}", removed[0].missing);
    assert_eq!(shelf.due(), None);
}

#[test]
fn every_byte_is_counted_and_given_back() {
    let now = Instant::now();
    let mut shelf = shelf(1 << 30, now, &[5_000]);
    let before = shelf.bytes();
    let failure = ElementFailure { message: "m".repeat(900), ..ElementFailure::default() };
    shelf.change(JobId(1), |entry| entry.report(Report { failures: vec![failure], ..report(1, 0) }));
    assert!(shelf.bytes() >= before + 900, "texts count");
    let before = shelf.bytes();
    shelf.change(JobId(1), |entry| entry.part(part(2, 1, 50_000)));
    shelf.change(JobId(1), |entry| entry.part(part(3, 1, 60_000)));
    assert!(shelf.bytes() >= before + 110_000, "what is not complete yet counts");
    let lost = AttemptLost { chunk: 2, attempt: 1, ..AttemptLost::default() };
    shelf.change(JobId(1), |entry| entry.attempt_lost(lost, 2..3));
    let failed = ChunkFailed { chunk: 3, attempt: 1, elements: 1, ..ChunkFailed::default() };
    shelf.change(JobId(1), |entry| entry.chunk_failed(failed, 3..4));
    assert!(shelf.bytes() < before + 2_000, "attempts that are lost leave nothing");
    shelf.change(JobId(1), |entry| entry.part(part(4, 1, 50_000)));
    end(&mut shelf, 1, now);
    assert!(shelf.bytes() < before + 2_000, "nothing follows the end");
    shelf.remove(JobId(1), now, NotKept::Purged, "purged");
    assert_eq!(shelf.bytes(), 0);
}

/// A report of forty bytes must not keep the buffer of half a megabyte alive that it was received in.
#[test]
fn small_results_are_copied_out_of_the_buffers_they_came_in() {
    let buffer = Bytes::from(vec![1; 512 << 10]);
    let mut entry = Entry::new(JobKey(1), ClientId(1), &submission(1, 10), Instant::now());
    entry.report(Report { data: buffer.slice(0..40), ..report(0, 0) });
    entry.report(Report { data: buffer.slice(0..300_000), ..report(1, 0) });
    let mut kept = entry.notes().iter().map(|note| match note.to_wire(1) {
        phalanx_proto::v1::client_event::Kind::Report(report) => report.data.as_ptr(),
        other => panic!("{other:?}"),
    });
    assert_ne!(kept.next(), Some(buffer.as_ptr()));
    assert_eq!(kept.next(), Some(buffer.as_ptr()), "large ones are shared");
}

#[test]
fn parts_come_before_their_report_and_only_with_it() {
    let mut entry = Entry::new(JobKey(1), ClientId(1), &submission(1, 10), Instant::now());
    entry.part(part(0, 1, 10));
    entry.part(part(0, 2, 20));
    assert!(entry.notes().is_empty());
    entry.report(Report { attempt: 2, ..report(0, 5) });
    let sizes: Vec<usize> = entry.notes().iter().map(entry::Note::data_bytes).collect();
    assert_eq!(sizes, [20, 5]);
    assert_eq!(entry.settled(), (1, 0));
}

#[test]
fn a_job_that_is_purged_and_kept_anew_is_not_dropped_for_its_past() {
    let now = Instant::now();
    let mut shelf = shelf(1 << 30, now, &[10]);
    end(&mut shelf, 1, now);
    shelf.remove(JobId(1), now, NotKept::Purged, "purged");
    shelf.open(JobId(1), Entry::new(JobKey(2), ClientId(1), &submission(1, 10), now));
    assert!(shelf.missing(JobId(1), now).is_none());
    assert!(shelf.trim(now + 2 * HOUR).is_empty());
}

#[test]
fn what_is_purged_leaves_nothing_that_grows() {
    let now = Instant::now();
    let mut shelf = Shelf::new(1 << 30, HOUR);
    for id in 1..=1_000 {
        shelf.open(JobId(id), Entry::new(JobKey(1), ClientId(1), &submission(id, 10), now));
        end(&mut shelf, id, now);
        if id > 10 {
            shelf.remove(JobId(id), now, NotKept::Purged, "purged");
        }
    }
    assert!(shelf.ended.len() <= 20 + ENDED_SLACK, "{}", shelf.ended.len());
    assert_eq!(ids(&shelf.trim(now + 2 * HOUR)), (1..=10).collect::<Vec<_>>());
}
