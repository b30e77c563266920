//! Files that cannot be written for a while.

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::record::{ChunkStatus, JobState};
use crate::store::tests::{chunk, job};

fn writer(path: &Path) -> Writer {
    Writer {
        queue: Arc::default(),
        path: path.to_owned(),
        limits: HistoryLimits::default(),
        store: None,
        dropped: 0,
        warned: false,
        taken_over: false,
        hoards: false,
    }
}

fn states(db: &Connection) -> Vec<(String, u64)> {
    let mut rows = db.prepare("SELECT state, chunks FROM jobs ORDER BY id").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

#[test]
fn a_file_that_was_locked_for_a_while_has_what_is_under_way_under_way() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.sqlite");
    let mut writer = writer(&path);
    // What these tests note ended in 1970.
    writer.limits.days_max = 100_000;
    let running = Note::Job(Box::new(job(1, JobState::Running)));
    assert!(writer.settle(&[running, Note::Chunk(chunk(1, 0, ChunkStatus::Ok))]));

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let more = [Note::Chunk(chunk(1, 1, ChunkStatus::Ok))];
    assert!(!writer.settle(&more), "somebody else has it");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(writer.settle(&more));
    assert_eq!(states(&other), [("running".to_owned(), 0)], "as it was noted");
    assert!(writer.settle(&[Note::Job(Box::new(job(1, JobState::Completed)))]));
    assert_eq!(states(&other), [("completed".to_owned(), 5)]);

    // A new controller is another matter.
    assert!(writer.settle(&[Note::Job(Box::new(job(2, JobState::Running)))]));
    let mut next = self::writer(&path);
    next.limits.days_max = 100_000;
    assert!(next.settle(&[]));
    assert_eq!(states(&other)[1].0, "interrupted");
}

#[test]
fn what_is_written_is_not_written_again_because_old_rows_cannot_go() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.sqlite");
    let mut writer = writer(&path);
    assert!(writer.settle(&[Note::Job(Box::new(job(1, JobState::Completed)))]));
    let other = Connection::open(&path).unwrap();
    let stays = "CREATE TRIGGER stays BEFORE DELETE ON jobs BEGIN SELECT raise(ABORT, 'it stays'); END";
    other.execute_batch(stays).unwrap();
    let jobs: Vec<Note> = (2..9).map(|id| Note::Job(Box::new(job(id, JobState::Completed)))).collect();
    assert!(writer.settle(&jobs));
    // The first was too old already, and went.
    assert_eq!((states(&other).len(), writer.dropped, writer.hoards), (7, 0, true));
    other.execute_batch("DROP TRIGGER stays").unwrap();
    assert!(writer.settle(&[]));
    assert_eq!((states(&other).len(), writer.hoards), (0, false));
}
