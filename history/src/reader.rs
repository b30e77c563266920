//! Reading the file: a connection that cannot write, a page at a time, with an end to every question.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params_from_iter};
use thiserror::Error;

use crate::query::{ChunkQuery, FilterError, HistoryQuery, IdPart, QUERY_ROWS_MAX};
use crate::record::{ChunkRecord, ChunkStatus, JobRecord, JobState};
use crate::schema::{self, BUSY_TIMEOUT, OpenError, is_damage, with_suffix};
use crate::store::{SUMS, integer};

/// How long one question may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;
/// Texts in one page: it must fit into a message.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// What a row takes beside its texts, at most.
const ROW_BYTES: usize = 160;

const JOB_COLUMNS: &str =
    "id, label, state, client_host, client_pid, direct, submitted_ns, ended_ns, elements, elements_done,
    elements_failed, chunks, attempts_lost, rows_pruned, message";
const CHUNK_COLUMNS: &str =
    "seq, chunk_first, chunks, element_first, elements, elements_failed, engine, host, attempt, status,
    started_ns, ended_ns, kind, message";

/// Some rows, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<R, C> {
    /// The rows.
    pub rows: Vec<R>,
    /// Where to go on, when there are more.
    pub next: Option<C>,
    /// Notes that were never written, since the history began: the disk was full or too slow.
    pub dropped: u64,
    /// Why nothing can be written at this moment.
    pub trouble: Option<String>,
}

/// The last job of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCursor {
    /// When it was submitted.
    pub submitted_ns: u64,
    /// Its id.
    pub id: u128,
}

/// The last row of a page of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkCursor(pub u64);

/// Why a question has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be asked.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No job fits.
    #[error("the history holds no job {job:?}: it is too long ago, or was never run on this profile")]
    UnknownJob {
        /// What was asked for.
        job: String,
    },
    /// Several jobs fit.
    #[error("the ids of several jobs begin or end with {job:?}; give more of it")]
    AmbiguousJob {
        /// What was asked for.
        job: String,
    },
    /// The file cannot be written, so there is nothing to read.
    #[error("there is no history to read, for none can be recorded: {trouble}")]
    NotRecorded {
        /// What the writer met.
        trouble: String,
    },
    /// The file cannot be read.
    #[error("the history {} cannot be read: {reason}", path.display())]
    CannotRead {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It takes too long.
    #[error("the history was searched for {} s without an end; ask for less: a shorter time, one job, a lower limit", QUERY_TIMEOUT.as_secs())]
    TooSlow,
}

/// A history that is read.
///
/// ```
/// use phalanx_history::{HistoryQuery, Reader};
///
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join(phalanx_history::FILE_NAME);
/// // Before anything was recorded there is no file, and that is no error.
/// let reader = Reader::open(&path, false)?;
/// assert!(reader.jobs(&HistoryQuery::new(), None)?.rows.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// None: nothing was recorded yet.
    db: Option<Connection>,
    /// A controller runs: what is under way in the file is under way.
    is_live: bool,
}

impl Reader {
    /// Opens the file for reading. `is_live`: the controller that writes it runs.
    ///
    /// # Errors
    /// [`ReadError::CannotRead`]; a file that is not there is empty.
    pub fn open(path: &Path, is_live: bool) -> Result<Self, ReadError> {
        let failed = |reason: String| ReadError::CannotRead { path: path.to_owned(), reason };
        if !path.try_exists().map_err(|e| failed(e.to_string()))? {
            return Ok(Self { path: path.to_owned(), db: None, is_live });
        }
        let (mut db, is_new) = connect(path).map_err(|e| failed(e.to_string()))?;
        if is_new {
            return Ok(Self { path: path.to_owned(), db: None, is_live });
        }
        let until = Instant::now() + QUERY_TIMEOUT;
        db.progress_handler(STEPS, Some(move || Instant::now() > until))
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self { path: path.to_owned(), db: Some(db), is_live })
    }

    /// A page of jobs, the newest first.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn jobs(
        &self,
        query: &HistoryQuery,
        after: Option<JobCursor>,
    ) -> Result<Page<JobRecord, JobCursor>, ReadError> {
        query.check()?;
        let Some(db) = &self.db else { return Ok(Page::empty()) };
        let limit = query.limit_or_default().min(QUERY_ROWS_MAX);
        let (sql, values) = self.jobs_sql(query, after, limit)?;
        let asked = || -> rusqlite::Result<_> {
            let mut statement = db.prepare(&sql)?;
            let mut found = statement.query(params_from_iter(values))?;
            let mut page = Page::empty();
            let mut bytes = 0;
            while let Some(row) = found.next()? {
                if page.rows.len() == limit || bytes > PAGE_BYTES_MAX {
                    page.next = page.rows.last().and_then(JobCursor::of);
                    break;
                }
                let mut job = job(row)?;
                if job.state == JobState::Running {
                    self.add_up(db, &row.get::<_, Vec<u8>>(0)?, &mut job)?;
                }
                bytes += ROW_BYTES + job.label.len() + job.client_host.len() + job.message.len();
                page.rows.push(job);
            }
            page.dropped = dropped(db)?;
            Ok(page)
        };
        asked().map_err(|e| self.failed(&e))
    }

    fn jobs_sql(
        &self,
        query: &HistoryQuery,
        after: Option<JobCursor>,
        limit: usize,
    ) -> Result<(String, Vec<Value>), ReadError> {
        let mut filter = Filter::new(format!("SELECT {JOB_COLUMNS} FROM jobs WHERE 1"));
        if query.since_ns > 0 {
            filter.and(
                "(state = 'running' OR coalesce(ended_ns, submitted_ns) >= ?)",
                [query.since_ns.into_value()],
            );
        }
        if let Some(until) = query.until_ns {
            filter.and("submitted_ns <= ?", [until.into_value()]);
        }
        if !query.states.is_empty() {
            let words: Vec<&str> =
                query.states.iter().flat_map(|state| self.words_for(*state)).copied().collect();
            let marks = vec!["?"; words.len()].join(", ");
            filter.and(
                &format!("state IN ({marks})"),
                words.into_iter().map(|word| Value::from(word.to_owned())),
            );
        }
        if query.label.contains(['*', '?', '[']) {
            filter.and("label GLOB ?", [query.label.clone().into()]);
        } else if !query.label.is_empty() {
            filter.and("instr(label, ?) > 0", [query.label.clone().into()]);
        }
        if query.engine.is_some() || !query.host.is_empty() {
            let (condition, values) = place(query.engine, &query.host);
            filter.and(&format!("EXISTS (SELECT 1 FROM chunks WHERE job = jobs.id{condition})"), values);
        }
        if query.failed {
            let under_way = "EXISTS (SELECT 1 FROM chunks WHERE job = jobs.id AND status = 'failed')";
            filter.and(&format!("(elements_failed > 0 OR (state = 'running' AND {under_way}))"), []);
        }
        if !query.job.is_empty() {
            filter.and_id("id", &IdPart::parse(&query.job)?);
        }
        if let Some(JobCursor { submitted_ns, id }) = after {
            filter.and(
                "(submitted_ns, id) < (?, ?)",
                [submitted_ns.into_value(), id.to_be_bytes().to_vec().into()],
            );
        }
        // One more, to know whether there are more.
        let _ = write!(filter.sql, " ORDER BY submitted_ns DESC, id DESC LIMIT {}", limit + 1);
        Ok((filter.sql, filter.values))
    }

    /// What stands in the file for this state. Without a controller nothing is under way, whatever its last one left behind.
    fn words_for(&self, state: JobState) -> &'static [&'static str] {
        match state {
            JobState::Running if !self.is_live => &[],
            JobState::Interrupted if !self.is_live => &["interrupted", "running"],
            state => match JobState::ALL.iter().position(|known| *known == state) {
                Some(at) => &WORDS[at],
                None => &[],
            },
        }
    }

    /// What is known of a job that has not ended is in its chunks.
    fn add_up(&self, db: &Connection, id: &[u8], job: &mut JobRecord) -> rusqlite::Result<()> {
        if !self.is_live {
            job.state = JobState::Interrupted;
        }
        let mut sums = db.prepare_cached(SUMS)?;
        sums.query_row([id], |row| {
            job.elements_done = job.elements_done.max(row.get(0)?).min(job.elements);
            job.elements_failed = job.elements_failed.max(row.get(1)?);
            job.chunks = job.chunks.max(row.get(2)?);
            job.attempts_lost = job.attempts_lost.max(row.get(3)?);
            Ok(())
        })
    }

    /// A page of a job's chunks, in the order in which they came.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn chunks(
        &self,
        query: &ChunkQuery,
        after: Option<ChunkCursor>,
    ) -> Result<Page<ChunkRecord, ChunkCursor>, ReadError> {
        query.check()?;
        let unknown = || ReadError::UnknownJob { job: query.job.clone() };
        let db = self.db.as_ref().ok_or_else(unknown)?;
        let id = self.resolve(db, &query.job)?.ok_or_else(unknown)?;
        let limit = query.limit_or_default().min(QUERY_ROWS_MAX);
        let mut filter = Filter::new(format!("SELECT {CHUNK_COLUMNS} FROM chunks WHERE 1"));
        filter.and("job = ?", [id.to_be_bytes().to_vec().into()]);
        let (condition, values) = place(query.engine, &query.host);
        filter.sql += &condition;
        filter.values.extend(values);
        if query.failed {
            filter.and("status != 'ok'", []);
        }
        if let Some(ChunkCursor(seq)) = after {
            filter.and("seq > ?", [seq.into_value()]);
        }
        let _ = write!(filter.sql, " ORDER BY seq LIMIT {}", limit + 1);
        let job = uuid::Uuid::from_u128(id).hyphenated().to_string();
        let asked = || -> rusqlite::Result<_> {
            let mut statement = db.prepare(&filter.sql)?;
            let mut found = statement.query(params_from_iter(filter.values))?;
            let mut page = Page::empty();
            let (mut bytes, mut last) = (0, 0);
            while let Some(row) = found.next()? {
                if page.rows.len() == limit || bytes > PAGE_BYTES_MAX {
                    page.next = Some(ChunkCursor(last));
                    break;
                }
                let chunk = chunk(row, &job)?;
                last = row.get(0)?;
                bytes += ROW_BYTES + chunk.host.len() + chunk.kind.len() + chunk.message.len();
                page.rows.push(chunk);
            }
            page.dropped = dropped(db)?;
            Ok(page)
        };
        asked().map_err(|e| self.failed(&e))
    }

    /// The job that is meant.
    fn resolve(&self, db: &Connection, job: &str) -> Result<Option<u128>, ReadError> {
        let mut filter = Filter::new("SELECT id FROM jobs WHERE 1".to_owned());
        filter.and_id("id", &IdPart::parse(job)?);
        filter.sql += " LIMIT 2";
        let asked = || -> rusqlite::Result<Vec<[u8; 16]>> {
            db.prepare(&filter.sql)?.query_map(params_from_iter(filter.values), |row| row.get(0))?.collect()
        };
        match asked().map_err(|e| self.failed(&e))?.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(u128::from_be_bytes(*id))),
            _ => Err(ReadError::AmbiguousJob { job: job.to_owned() }),
        }
    }

    fn failed(&self, e: &rusqlite::Error) -> ReadError {
        if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return ReadError::TooSlow;
        }
        let reason = if is_damage(e) {
            format!(
                "it is damaged ({e}); the controller sets it aside at its next start and begins a new one"
            )
        } else {
            e.to_string()
        };
        ReadError::CannotRead { path: self.path.clone(), reason }
    }
}

impl<R, C> Page<R, C> {
    fn empty() -> Self {
        Self { rows: Vec::new(), next: None, dropped: 0, trouble: None }
    }
}

impl JobCursor {
    /// Where to go on after this job.
    #[must_use]
    pub fn of(job: &JobRecord) -> Option<Self> {
        let id = uuid::Uuid::parse_str(&job.id).ok()?;
        Some(Self { submitted_ns: job.submitted_ns, id: id.as_u128() })
    }
}

/// The words of `JobState::ALL`, each as a list of one.
const WORDS: [[&str; 1]; 7] =
    [["running"], ["completed"], ["failed"], ["aborted"], ["expired"], ["client-lost"], ["interrupted"]];

/// A connection that cannot write, and whether the file is empty. A file on a file system that is read-only or full has no
/// log and cannot get one.
fn connect(path: &Path) -> Result<(Connection, bool), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let checked = |db: Connection| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        let is_new = schema::check(&db)?;
        Ok((db, is_new))
    };
    let opened = Connection::open_with_flags(path, flags).map_err(OpenError::from).and_then(checked);
    let log_bytes = std::fs::metadata(with_suffix(path, "-wal")).map_or(0, |log| log.len());
    match opened {
        Err(OpenError::Sqlite(e))
            if log_bytes == 0
                && matches!(
                    e.sqlite_error_code(),
                    Some(
                        ErrorCode::CannotOpen
                            | ErrorCode::ReadOnly
                            | ErrorCode::SystemIoFailure
                            | ErrorCode::DiskFull
                    )
                ) =>
        {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            checked(Connection::open_with_flags(immutable(path), flags)?)
        }
        other => other,
    }
}

/// The path as a URI that says that nobody writes the file.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri + "?immutable=1"
}

/// Conditions and their values, side by side.
struct Filter {
    sql: String,
    values: Vec<Value>,
}

impl Filter {
    fn new(sql: String) -> Self {
        Self { sql, values: Vec::new() }
    }

    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql += " AND ";
        self.sql += condition;
        self.values.extend(values);
    }

    fn and_id(&mut self, column: &str, part: &IdPart) {
        match part {
            IdPart::Whole(id) => self.and(&format!("{column} = ?"), [id.to_vec().into()]),
            IdPart::Part(digits) => {
                let n = digits.len();
                let condition =
                    format!("(substr(hex({column}), 1, {n}) = ? OR substr(hex({column}), -{n}) = ?)");
                self.and(&condition, [digits.clone().into(), digits.clone().into()]);
            }
        }
    }
}

fn place(engine: Option<u32>, host: &str) -> (String, Vec<Value>) {
    let mut filter = Filter::new(String::new());
    if let Some(engine) = engine {
        filter.and("engine = ?", [i64::from(engine).into()]);
    }
    if !host.is_empty() {
        filter.and("host = ?", [host.to_owned().into()]);
    }
    (filter.sql, filter.values)
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for u64 {
    fn into_value(self) -> Value {
        integer(self).into()
    }
}

fn dropped(db: &Connection) -> rusqlite::Result<u64> {
    let counter = db.query_row("SELECT value FROM counters WHERE name = 'dropped'", [], |row| row.get(0));
    Ok(counter.optional()?.unwrap_or(0))
}

fn job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let id: [u8; 16] = row.get(0)?;
    Ok(JobRecord {
        id: uuid::Uuid::from_bytes(id).hyphenated().to_string(),
        label: row.get(1)?,
        state: word(row, 2)?,
        client_host: row.get(3)?,
        client_pid: row.get(4)?,
        direct: row.get(5)?,
        submitted_ns: row.get(6)?,
        ended_ns: row.get(7)?,
        elements: row.get(8)?,
        elements_done: row.get(9)?,
        elements_failed: row.get(10)?,
        chunks: row.get(11)?,
        attempts_lost: row.get(12)?,
        rows_pruned: row.get(13)?,
        message: row.get(14)?,
    })
}

fn chunk(row: &Row<'_>, job: &str) -> rusqlite::Result<ChunkRecord> {
    Ok(ChunkRecord {
        job: job.to_owned(),
        chunk_first: row.get(1)?,
        chunks: row.get(2)?,
        element_first: row.get(3)?,
        elements: row.get(4)?,
        elements_failed: row.get(5)?,
        engine: row.get(6)?,
        host: row.get(7)?,
        attempt: row.get(8)?,
        status: word::<ChunkStatus>(row, 9)?,
        started_ns: row.get(10)?,
        ended_ns: row.get(11)?,
        kind: row.get::<_, Option<String>>(12)?.unwrap_or_default(),
        message: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
    })
}

fn word<W: std::str::FromStr<Err = String>>(row: &Row<'_>, column: usize) -> rusqlite::Result<W> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, e.into())
    })
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
