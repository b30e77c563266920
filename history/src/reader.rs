//! Reading the file: a page at a time, with an end to every question.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params_from_iter};

use crate::chunk_query::ChunkQuery;
use crate::connect::connect;
use crate::filter::{Filter, IntoValue as _, place};
use crate::id_part::IdPart;
use crate::query::{HistoryQuery, QUERY_ROWS_MAX};
use crate::read_error::{QUERY_TIMEOUT, ReadError};
use crate::record::{ChunkRecord, JobRecord, JobState};
use crate::rows::{CHUNK_COLUMNS, JOB_COLUMNS, chunk, job};
use crate::schema::is_damage;
use crate::store::SUMS;

/// Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;
/// Texts in one page: it must fit into a message.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// What a row takes beside its texts, at most.
const ROW_BYTES: usize = 160;

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
const WORDS: [[&str; 1]; JobState::ALL.len()] = {
    let mut words = [[""]; JobState::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = [JobState::ALL[at].as_str()];
        at += 1;
    }
    words
};

fn dropped(db: &Connection) -> rusqlite::Result<u64> {
    let counter = db.query_row("SELECT value FROM counters WHERE name = 'dropped'", [], |row| row.get(0));
    Ok(counter.optional()?.unwrap_or(0))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
