//! Notes become rows.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use phalanx_proto::ids::JobId;
use rusqlite::{Connection, OptionalExtension as _, Result, Transaction, params};

use crate::note::{ChunkNote, JobNote, Note};
use crate::record::{ChunkStatus, JobState};

/// What a job's rows of chunks add up to: of a job that has not ended, all there is to know. The parameter is its id.
pub(crate) const SUMS: &str = "
    SELECT coalesce(sum(CASE WHEN status != 'lost' THEN elements - elements_failed END), 0),
           coalesce(sum(CASE WHEN status = 'failed' THEN elements_failed END), 0),
           coalesce(sum(CASE WHEN status IN ('ok', 'failed') THEN chunks END), 0),
           coalesce(sum(CASE WHEN status = 'lost' THEN chunks END), 0)
    FROM chunks WHERE job = ?1";

// A job that is submitted again for what is missing has one row. What it had before counts as done, but for what had failed.
const UPDATE_JOB: &str = "
    UPDATE jobs SET state = ?2, client_host = ?3, client_pid = ?4, ended_ns = ?5,
        elements_done = CASE WHEN ?2 = 'running' THEN elements_done ELSE ?6 - min(elements_failed, ?6) + ?7 END,
        elements_failed = CASE WHEN ?2 = 'running' THEN elements_failed ELSE min(elements_failed, ?6) + ?8 END,
        chunks = chunks + ?9, attempts_lost = attempts_lost + ?10,
        message = CASE WHEN message = '' THEN ?11 ELSE message END
    WHERE id = ?1";
const INSERT_JOB: &str = "
    INSERT INTO jobs (id, state, client_host, client_pid, ended_ns, elements_done, elements_failed, chunks, attempts_lost, message,
                      label, direct, submitted_ns, elements)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const INSERT_CHUNK: &str = "
    INSERT INTO chunks (job, seq, chunk_first, chunks, element_first, elements, elements_failed, engine, host, attempt, status,
                        started_ns, ended_ns, kind, message)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// The open file, with what is known of it without asking.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) db: Connection,
    /// Rows of both tables.
    pub(crate) rows: u64,
    /// The number of the last row of chunks.
    seq: i64,
}

impl Store {
    /// Takes an open file.
    pub(crate) fn new(db: Connection) -> Result<Self> {
        let count = |sql| db.query_row(sql, [], |row| row.get::<_, u64>(0));
        let rows = count("SELECT count(*) FROM jobs")? + count("SELECT count(*) FROM chunks")?;
        let last =
            db.query_row("SELECT value FROM counters WHERE name = 'seq'", [], |row| row.get(0)).optional()?;
        Ok(Self { db, rows, seq: last.unwrap_or(0) })
    }

    /// Writes a batch, and the number of notes that were dropped, in one transaction.
    pub(crate) fn write(&mut self, notes: &[Note], dropped: u64) -> Result<()> {
        let end = |(at, note): (usize, &Note)| match note {
            Note::Job(job) if job.state != JobState::Running => Some((job.id, at)),
            _ => None,
        };
        let ends: HashMap<JobId, usize> = notes.iter().enumerate().filter_map(end).collect();
        let (mut rows, mut seq) = (0, self.seq);
        let transaction = self.db.transaction()?;
        for (at, note) in notes.iter().enumerate() {
            match note {
                // Short jobs begin and end within one batch.
                Note::Job(job)
                    if job.state == JobState::Running && ends.get(&job.id).is_some_and(|end| *end > at) => {}
                Note::Job(job) => rows += write_job(&transaction, job)?,
                Note::Chunk(chunk) => {
                    seq += 1;
                    rows += 1;
                    write_chunk(&transaction, seq, chunk)?;
                }
            }
        }
        if seq > self.seq {
            transaction.execute("INSERT OR REPLACE INTO counters VALUES ('seq', ?1)", [seq])?;
        }
        if dropped > 0 {
            let sql = "UPDATE counters SET value = value + ?1 WHERE name = 'dropped'";
            transaction.execute(sql, [integer(dropped)])?;
        }
        transaction.commit()?;
        self.rows += rows;
        self.seq = seq;
        Ok(())
    }
}

/// Jobs that were under way when the controller ended.
pub(crate) fn interrupt(db: &Connection) -> Result<()> {
    let mut running = db.prepare("SELECT id FROM jobs WHERE state = 'running'")?;
    let ids: Vec<Vec<u8>> = running.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    for id in ids {
        let sums: (i64, i64, i64, i64) =
            db.query_row(SUMS, [&id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        db.execute(
            "UPDATE jobs SET state = 'interrupted', elements_done = min(elements, ?2), elements_failed = ?3, chunks = ?4,
                 attempts_lost = ?5 WHERE id = ?1",
            params![id, sums.0, sums.1, sums.2, sums.3],
        )?;
    }
    Ok(())
}

/// How many rows it has added.
fn write_job(transaction: &Transaction<'_>, job: &JobNote) -> Result<u64> {
    let id = job.id.to_bytes();
    let changed = transaction.prepare_cached(UPDATE_JOB)?.execute(params![
        id,
        job.state.as_str(),
        job.client_host,
        job.client_pid,
        job.ended_ns.map(integer),
        integer(job.elements_before),
        integer(job.elements_done),
        integer(job.elements_failed),
        integer(job.chunks),
        integer(job.attempts_lost),
        job.message,
    ])?;
    if changed > 0 {
        return Ok(0);
    }
    transaction.prepare_cached(INSERT_JOB)?.execute(params![
        id,
        job.state.as_str(),
        job.client_host,
        job.client_pid,
        job.ended_ns.map(integer),
        integer(job.elements_before + job.elements_done),
        integer(job.elements_failed),
        integer(job.chunks),
        integer(job.attempts_lost),
        job.message,
        job.label,
        job.direct,
        integer(job.submitted_ns),
        integer(job.elements),
    ])?;
    Ok(1)
}

fn write_chunk(transaction: &Transaction<'_>, seq: i64, chunk: &ChunkNote) -> Result<()> {
    let trouble = chunk.trouble.as_deref();
    transaction.prepare_cached(INSERT_CHUNK)?.execute(params![
        chunk.job.to_bytes(),
        seq,
        integer(chunk.chunk_first),
        chunk.chunks,
        integer(chunk.element_first),
        integer(chunk.elements),
        integer(chunk.elements_failed),
        chunk.engine,
        chunk.host.as_deref().unwrap_or_default(),
        chunk.attempt,
        chunk.status.as_str(),
        Some(integer(chunk.started_ns)).filter(|ns| *ns > 0 && chunk.status != ChunkStatus::Lost),
        integer(chunk.ended_ns),
        trouble.map(|trouble| &trouble.kind),
        trouble.map(|trouble| &trouble.message),
    ])?;
    Ok(())
}

/// SQLite's integers have a sign. What an engine's clock says may be anything.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::note::Trouble;
    use crate::schema;

    /// A job of ten elements, submitted at second `id`.
    pub(crate) fn job(id: u128, state: JobState) -> JobNote {
        let ended = state != JobState::Running;
        JobNote {
            id: JobId(id),
            label: format!("sweep::f{id}"),
            state,
            client_host: "head".into(),
            client_pid: 7,
            direct: false,
            submitted_ns: id as u64 * 1_000_000_000,
            ended_ns: ended.then_some(id as u64 * 1_000_000_000 + 500),
            elements: 10,
            elements_before: 0,
            elements_done: if ended { 10 } else { 0 },
            elements_failed: 0,
            chunks: if ended { 5 } else { 0 },
            attempts_lost: 0,
            message: String::new(),
        }
    }

    /// A chunk of two elements.
    pub(crate) fn chunk(job: u128, index: u64, status: ChunkStatus) -> ChunkNote {
        let failed = u64::from(matches!(status, ChunkStatus::Failed | ChunkStatus::Retried));
        let trouble = || Trouble::new(phalanx_proto::v1::FailureKind::WorkerLost, "signal 11");
        ChunkNote {
            job: JobId(job),
            chunk_first: index,
            chunks: 1,
            element_first: 2 * index,
            elements: 2,
            elements_failed: failed,
            engine: (index % 2) as u32,
            host: Some("node7".into()),
            attempt: 1,
            status,
            started_ns: 100,
            ended_ns: 200,
            trouble: (status != ChunkStatus::Ok).then(trouble),
        }
    }

    pub(crate) fn memory() -> Store {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::tables()).unwrap();
        Store::new(db).unwrap()
    }

    fn row(store: &Store, id: u128) -> (String, u64, u64, u64, u64) {
        let sql =
            "SELECT state, elements_done, elements_failed, chunks, attempts_lost FROM jobs WHERE id = ?1";
        let get =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        store.db.query_row(sql, [id.to_be_bytes()], get).unwrap()
    }

    fn count(store: &Store) -> u64 {
        let sql = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM chunks)";
        store.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_job_is_one_row_whether_it_ends_in_the_same_batch_or_later() {
        let mut store = memory();
        let both = [
            Note::Job(Box::new(job(1, JobState::Running))),
            Note::Job(Box::new(job(1, JobState::Completed))),
        ];
        store.write(&both, 0).unwrap();
        store.write(&[Note::Job(Box::new(job(2, JobState::Running)))], 0).unwrap();
        assert_eq!(row(&store, 2).0, "running");
        store.write(&[Note::Job(Box::new(job(2, JobState::Failed)))], 0).unwrap();
        assert_eq!((row(&store, 1), store.rows), (("completed".into(), 10, 0, 5, 0), 2));
        assert_eq!((row(&store, 2), count(&store)), (("failed".into(), 10, 0, 5, 0), 2));
        // Its client was away for a moment, and sent it again.
        let states = [JobState::Running, JobState::ClientLost, JobState::Running];
        let notes = states.map(|state| Note::Job(Box::new(job(3, state))));
        store.write(&notes, 0).unwrap();
        assert_eq!((row(&store, 3).0.as_str(), count(&store)), ("running", 3));
    }

    #[test]
    fn a_job_that_a_controller_left_behind_is_interrupted_and_goes_on_under_its_id() {
        let mut store = memory();
        let mut notes = vec![Note::Job(Box::new(job(1, JobState::Running)))];
        let statuses = [ChunkStatus::Ok, ChunkStatus::Failed, ChunkStatus::Lost, ChunkStatus::Retried];
        notes.extend((0..4).zip(statuses).map(|(i, status)| Note::Chunk(chunk(1, i, status))));
        store.write(&notes, 0).unwrap();

        interrupt(&store.db).unwrap();
        let mut store = Store::new(store.db).unwrap();
        assert_eq!(row(&store, 1), ("interrupted".into(), 4, 1, 2, 1));
        assert_eq!(store.rows, 5);
        // The client had four of its elements, the failed one among them.
        let mut again = JobNote { elements_before: 4, ..job(1, JobState::Running) };
        store.write(&[Note::Job(Box::new(again.clone()))], 0).unwrap();
        assert_eq!(row(&store, 1), ("running".into(), 4, 1, 2, 1));
        again = JobNote { state: JobState::Failed, elements_done: 5, elements_failed: 1, chunks: 3, ..again };
        store.write(&[Note::Job(Box::new(again)), Note::Chunk(chunk(1, 4, ChunkStatus::Ok))], 0).unwrap();
        assert_eq!(row(&store, 1), ("failed".into(), 8, 2, 5, 1));
        assert_eq!(store.rows, count(&store));
    }

    #[test]
    fn numbers_that_no_clock_says_are_kept_as_far_as_they_go() {
        let mut store = memory();
        let odd = ChunkNote { started_ns: u64::MAX, ended_ns: u64::MAX, ..chunk(1, 0, ChunkStatus::Ok) };
        store.write(&[Note::Chunk(odd)], u64::MAX).unwrap();
        let dropped: i64 = store
            .db
            .query_row("SELECT value FROM counters WHERE name = 'dropped'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(dropped, i64::MAX);
    }
}
