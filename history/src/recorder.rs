//! What a controller holds: the running writer, and the driver's end of its queue.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::chunk_query::ChunkQuery;
use crate::note::Note;
use crate::query::HistoryQuery;
use crate::queue::Queue;
use crate::read_error::ReadError;
use crate::reader::{ChunkCursor, JobCursor, Page, Reader};
use crate::record::{ChunkRecord, JobRecord};
use crate::writer::Writer;

/// Notes of one turn before they go to the queue.
const TURN_NOTES_MAX: usize = 4_096;
/// How long an answer waits for what was noted before to be in the file.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Rows of jobs and chunks together.
    pub rows_max: u64,
    /// Days since a job's end.
    pub days_max: u32,
    /// Whether the file must survive the machine's end, not only the controller's. A profile that goes with its program need not, and need not
    /// wait for the disk.
    pub survives_power_loss: bool,
}

impl Default for HistoryLimits {
    /// A million rows, about 150 MB; thirty days.
    fn default() -> Self {
        Self { rows_max: 1_000_000, days_max: 30, survives_power_loss: true }
    }
}

impl HistoryLimits {
    pub(crate) fn age_ns(&self) -> u64 {
        u64::from(self.days_max).saturating_mul(86_400_000_000_000)
    }
}

/// The writer's thread. Dropping this tells it to end; [`end`](Self::end) also waits for it.
///
/// ```
/// use phalanx_history::{History, HistoryLimits, HistoryQuery, JobCursor};
///
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join(phalanx_history::FILE_NAME);
/// let history = History::start(path, HistoryLimits::default())?;
/// let page = history.recording().jobs(&HistoryQuery::new(), None)?;
/// assert!(page.rows.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct History {
    queue: Arc<Queue>,
    path: PathBuf,
}

impl History {
    /// Starts the writer. What is wrong with the file shows later, in the log and in answers, and stops nobody.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(path: PathBuf, limits: HistoryLimits) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let history = Self { queue: Arc::clone(&queue), path: path.clone() };
        std::thread::Builder::new().name("phalanx-history".into()).spawn(move || {
            let ended = EndsQueue(Arc::clone(&queue));
            Writer {
                queue,
                path,
                limits,
                store: None,
                dropped: 0,
                warned: false,
                taken_over: false,
                hoards: false,
            }
            .run();
            drop(ended);
        })?;
        Ok(history)
    }

    /// The driver's end.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        Recorder { queue: Arc::clone(&self.queue), turn: Vec::new() }
    }

    /// For those who ask.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording { queue: Arc::clone(&self.queue), path: self.path.clone() }
    }

    /// Has all that was noted written, and waits for it; not for longer than `timeout`, for the disk may hang. Blocks.
    pub fn end(self, timeout: Duration) {
        self.queue.stop();
        if !self.queue.wait_for_end(timeout) {
            tracing::warn!("the history of jobs could not be written within {} s", timeout.as_secs());
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.queue.stop();
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("path", &self.path).finish_non_exhaustive()
    }
}

/// However the writer ends, nobody shall wait for it.
struct EndsQueue(Arc<Queue>);

impl Drop for EndsQueue {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Collects a turn's notes and hands them over together.
#[derive(Debug)]
pub struct Recorder {
    queue: Arc<Queue>,
    turn: Vec<Note>,
}

impl Recorder {
    /// Notes something.
    pub fn note(&mut self, note: Note) {
        let note = match note {
            Note::Job(job) => Note::Job(job.clipped()),
            chunk @ Note::Chunk(_) => chunk,
        };
        self.turn.push(note);
        if self.turn.len() >= TURN_NOTES_MAX {
            self.end_turn();
        }
    }

    /// Hands over what was noted since the last time. Never waits.
    pub fn end_turn(&mut self) {
        if !self.turn.is_empty() {
            self.queue.push(&mut self.turn);
        }
    }
}

/// A history that is being written, for those who ask. Its answers hold everything that was noted before.
#[derive(Debug, Clone)]
pub struct Recording {
    queue: Arc<Queue>,
    path: PathBuf,
}

impl Recording {
    /// A page of jobs. Blocks.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn jobs(
        &self,
        query: &HistoryQuery,
        after: Option<JobCursor>,
    ) -> Result<Page<JobRecord, JobCursor>, ReadError> {
        self.read(|reader| reader.jobs(query, after))
    }

    /// A page of a job's chunks. Blocks.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn chunks(
        &self,
        query: &ChunkQuery,
        after: Option<ChunkCursor>,
    ) -> Result<Page<ChunkRecord, ChunkCursor>, ReadError> {
        self.read(|reader| reader.chunks(query, after))
    }

    fn read<R, C>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<Page<R, C>, ReadError>,
    ) -> Result<Page<R, C>, ReadError> {
        let trouble = self.queue.flush(FLUSH_TIMEOUT);
        let mut page = Reader::open(&self.path, true).and_then(|reader| ask(&reader));
        if let (Err(ReadError::CannotRead { .. } | ReadError::UnknownJob { .. }), Some(trouble)) =
            (&page, &trouble)
        {
            page = Err(ReadError::NotRecorded { trouble: trouble.clone() });
        }
        let mut page = page?;
        page.dropped = page.dropped.saturating_add(self.queue.dropped());
        page.trouble = trouble;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::tests::{chunk, job};
    use crate::{ChunkStatus, JobState};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn record(history: &History, ids: std::ops::Range<u128>) {
        let mut recorder = history.recorder();
        for id in ids {
            recorder.note(Note::Chunk(chunk(id, 0, ChunkStatus::Ok)));
            recorder.note(Note::Job(Box::new(job(id, JobState::Completed))));
        }
        recorder.end_turn();
    }

    /// The jobs of these tests are of the first seconds of 1970.
    fn limits() -> HistoryLimits {
        HistoryLimits { days_max: 365 * 200, ..HistoryLimits::default() }
    }

    #[test]
    fn what_was_noted_is_in_the_next_answer_and_in_the_next_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let history = History::start(path.clone(), limits()).unwrap();
        record(&history, 1..4);
        let page = history.recording().jobs(&HistoryQuery::new(), None).unwrap();
        assert_eq!(
            page.rows.iter().map(|job| job.label.as_str()).collect::<Vec<_>>(),
            ["sweep::f3", "sweep::f2", "sweep::f1"]
        );
        record(&history, 4..5);
        let mut recorder = history.recorder();
        recorder.note(Note::Job(Box::new(job(5, JobState::Running))));
        recorder.end_turn();
        history.end(PATIENCE);
        let history = History::start(path, limits()).unwrap();
        let page = history.recording().jobs(&HistoryQuery::new(), None).unwrap();
        let states: Vec<_> = page.rows.iter().map(|job| job.state).collect();
        assert_eq!((states.len(), states[0], page.dropped), (5, JobState::Interrupted, 0));
        history.end(PATIENCE);
    }

    #[test]
    fn a_damaged_or_foreign_file_is_set_aside_and_a_new_one_begun() {
        for content in
            [&b"garbage, and a good deal of it, where SQLite's header should be"[..], &[0x5a; 20_000]]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.sqlite");
            fs::write(&path, content).unwrap();
            let history = History::start(path.clone(), limits()).unwrap();
            record(&history, 1..3);
            assert_eq!(history.recording().jobs(&HistoryQuery::new(), None).unwrap().rows.len(), 2);
            history.end(PATIENCE);
            assert_eq!(fs::read(folder.path().join("history.sqlite.aside-1")).unwrap(), content);
        }
    }

    /// A file that breaks while it is used: pages in its middle are overwritten.
    #[test]
    fn a_file_that_is_damaged_inside_is_set_aside_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let history = History::start(path.clone(), limits()).unwrap();
        record(&history, 1..2_000);
        history.end(PATIENCE);
        let mut bytes = fs::read(&path).unwrap();
        let len = bytes.len();
        bytes[4_096..len].fill(0x5a);
        fs::write(&path, &bytes).unwrap();
        let history = History::start(path, limits()).unwrap();
        record(&history, 1..3);
        assert_eq!(history.recording().jobs(&HistoryQuery::new(), None).unwrap().rows.len(), 2);
        assert!(folder.path().join("history.sqlite.aside-1").exists());
        history.end(PATIENCE);
    }

    #[test]
    fn where_nothing_can_be_written_the_answer_says_so_and_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        // A folder is in the way of the file.
        let path = folder.path().join("history.sqlite");
        fs::create_dir(&path).unwrap();
        let history = History::start(path.clone(), limits()).unwrap();
        record(&history, 1..3);
        let error = history.recording().jobs(&HistoryQuery::new(), None).unwrap_err();
        assert!(
            matches!(&error, ReadError::NotRecorded { trouble } if trouble.contains("cannot be written")),
            "{error}"
        );
        history.end(PATIENCE);
    }

    #[test]
    fn the_bound_of_rows_holds_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.sqlite");
        let history = History::start(path, HistoryLimits { rows_max: 100, ..limits() }).unwrap();
        for id in 1..200 {
            record(&history, id..id + 1);
        }
        let page = history.recording().jobs(&HistoryQuery::new(), None).unwrap();
        assert!((40..=50).contains(&page.rows.len()), "{}", page.rows.len());
        assert_eq!(page.rows[0].label, "sweep::f199");
        history.end(PATIENCE);
    }
}
