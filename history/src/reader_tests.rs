//! Questions of a file with known jobs in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::OpenFlags;
use tempfile::TempDir;

use super::*;
use crate::connect::immutable;
use crate::note::{JobNote, Note};
use crate::query::FilterError;
use crate::record::ChunkStatus;
use crate::schema;
use crate::store::Store;
use crate::store::tests::{chunk, job};

/// Twenty jobs, a second apart, of five chunks each: every fourth has failures, the last one is under way.
fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    let mut store = Store::new(schema::open(&path).unwrap()).unwrap();
    for id in 1..=20_u128 {
        let failed = id % 4 == 0;
        let state = match id {
            20 => JobState::Running,
            19 => JobState::Aborted,
            _ if failed => JobState::Failed,
            _ => JobState::Completed,
        };
        let mut job = job(id, state);
        if failed && id < 20 {
            (job.elements_done, job.elements_failed) = (9, 1);
        }
        let mut notes = vec![Note::Job(Box::new(job))];
        let status = |i| if failed && i == 2 { ChunkStatus::Failed } else { ChunkStatus::Ok };
        notes.extend((0..5).map(|i| {
            let mut chunk = chunk(id, i, status(i));
            // The first jobs knew but one engine.
            chunk.engine = if id < 5 { 7 } else { chunk.engine };
            Note::Chunk(chunk)
        }));
        store.write(&notes, 3).unwrap();
    }
    (folder, path)
}

fn found(path: &Path, query: &HistoryQuery) -> Vec<u128> {
    let page = Reader::open(path, true).unwrap().jobs(query, None).unwrap();
    page.rows.iter().map(|job| JobCursor::of(job).unwrap().id).collect()
}

fn second(n: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(n)
}

#[test]
fn each_filter_finds_what_it_says_and_the_newest_comes_first() {
    let (_folder, path) = filled();
    let all = HistoryQuery::new;
    assert_eq!(found(&path, &all()), (1..=20).rev().collect::<Vec<_>>());
    assert_eq!(found(&path, &all().limit(2)), [20, 19]);
    // A job that is under way is of every time.
    assert_eq!(found(&path, &all().since(second(18)).until(second(18))), [18]);
    assert_eq!(found(&path, &all().since(second(18))), [20, 19, 18]);
    assert_eq!(found(&path, &all().until(second(2))), [2, 1]);
    assert_eq!(found(&path, &all().state(JobState::Failed)), [16, 12, 8, 4]);
    assert_eq!(found(&path, &all().state(JobState::Aborted).state(JobState::Running)), [20, 19]);
    assert_eq!(found(&path, &all().failed()), [20, 16, 12, 8, 4]);
    assert_eq!(found(&path, &all().label("f12")), [12]);
    assert_eq!(found(&path, &all().label("sweep::f1?")), (10..20).rev().collect::<Vec<_>>());
    assert_eq!(found(&path, &all().label("f1?")), [], "a pattern is for the whole label");
    assert_eq!(found(&path, &all().label("sweep::f[34]")), [4, 3]);
    assert_eq!(found(&path, &all().engine(7)), [4, 3, 2, 1]);
    assert_eq!(found(&path, &all().engine(7).failed()), [4]);
    assert_eq!(found(&path, &all().engine(99)), []);
    assert_eq!(found(&path, &all().host("node7").limit(1)), [20]);
    assert_eq!(found(&path, &all().host("node8")), []);
    assert_eq!(found(&path, &all().job("00000000-0000-0000-0000-00000000000a")), [10]);
    assert_eq!(found(&path, &all().job("000a")), [10]);
    assert_eq!(found(&path, &all().label("'; DROP TABLE jobs; --")), []);
    assert_eq!(found(&path, &all()).len(), 20);
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let (_folder, path) = filled();
    let reader = Reader::open(&path, true).unwrap();
    let query = HistoryQuery::new().limit(7);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.jobs(&query, after).unwrap();
        assert_eq!(page.dropped, 60);
        seen.extend(page.rows.iter().map(|job| job.submitted_ns / 1_000_000_000));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=20).rev().collect::<Vec<_>>());

    let query = ChunkQuery::new("0008").limit(2);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.chunks(&query, after).unwrap();
        seen.extend(page.rows.iter().map(|chunk| chunk.chunk_first));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn a_jobs_chunks_say_what_went_wrong() {
    let (_folder, path) = filled();
    let reader = Reader::open(&path, true).unwrap();
    let failed = reader.chunks(&ChunkQuery::new("0008").failed(), None).unwrap().rows;
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].status, failed[0].kind.as_str(), failed[0].message.as_str()),
        (ChunkStatus::Failed, "worker lost", "signal 11")
    );
    assert_eq!(
        (failed[0].elements, failed[0].elements_failed, failed[0].elapsed()),
        (2, 1, Some(Duration::from_nanos(100)))
    );
    assert_eq!(reader.chunks(&ChunkQuery::new("0008").engine(1), None).unwrap().rows.len(), 2);
    assert_eq!(reader.chunks(&ChunkQuery::new("0008").host("elsewhere"), None).unwrap().rows.len(), 0);
    let error = |job: &str| reader.chunks(&ChunkQuery::new(job), None).unwrap_err();
    assert!(matches!(error("0099"), ReadError::UnknownJob { .. }));
    assert!(matches!(error("0000"), ReadError::AmbiguousJob { .. }), "they all begin like this");
    assert!(matches!(error("x"), ReadError::Filter(FilterError::Job(_))));
}

#[test]
fn without_a_controller_nothing_is_under_way() {
    let (_folder, path) = filled();
    let stopped = Reader::open(&path, false).unwrap();
    let newest = |reader: &Reader| reader.jobs(&HistoryQuery::new().limit(1), None).unwrap().rows.remove(0);
    let job = newest(&stopped);
    assert_eq!((job.state, job.elements_done, job.elements_failed), (JobState::Interrupted, 9, 1));
    assert_eq!(newest(&Reader::open(&path, true).unwrap()).state, JobState::Running);
    let with = |state| stopped.jobs(&HistoryQuery::new().state(state), None).unwrap().rows.len();
    assert_eq!((with(JobState::Running), with(JobState::Interrupted)), (0, 1));
}

#[test]
fn a_page_fits_into_a_message() {
    let (_folder, path) = filled();
    let mut store = Store::new(schema::open(&path).unwrap()).unwrap();
    let long = |id| JobNote {
        label: "x".repeat(1 << 10),
        message: "y".repeat(1 << 10),
        ..job(id, JobState::Failed)
    };
    let notes: Vec<_> = (100..5_000).map(|id| Note::Job(Box::new(long(id)))).collect();
    store.write(&notes, 0).unwrap();
    let page = Reader::open(&path, true).unwrap().jobs(&HistoryQuery::new().limit(10_000), None).unwrap();
    assert!((1_000..4_000).contains(&page.rows.len()) && page.next.is_some(), "{}", page.rows.len());
}

#[test]
fn a_file_in_a_folder_that_cannot_be_written_is_read() {
    let (folder, path) = filled();
    let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let count = found(&path, &HistoryQuery::new()).len();
    mode(0o700);
    assert_eq!(count, 20);
    assert_eq!(immutable(Path::new("/tmp/a b?c#d")), "file:/tmp/a%20b%3Fc%23d?immutable=1");
    let (db, is_new) = checked_immutable(&path);
    assert!(
        !is_new && db.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, u32>(0)).unwrap() == 20
    );
}

fn checked_immutable(path: &Path) -> (Connection, bool) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(immutable(path), flags).unwrap();
    let is_new = schema::check(&db).unwrap();
    (db, is_new)
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    let reader = Reader::open(&path, false).unwrap();
    assert!(reader.jobs(&HistoryQuery::new(), None).unwrap().rows.is_empty());
    assert!(matches!(reader.chunks(&ChunkQuery::new("abcd"), None), Err(ReadError::UnknownJob { .. })));
    fs::write(&path, "this is a letter and no database, although it is long enough to be one, or nearly so; and so on, and on")
        .unwrap();
    let error = Reader::open(&path, false).unwrap_err();
    assert!(error.to_string().contains("cannot be read: file is not a database"), "{error}");
}

#[test]
fn the_words_of_the_states_are_those_of_the_file() {
    assert!(WORDS.iter().map(|word| word[0]).eq(JobState::ALL.iter().map(|state| state.as_str())));
}
