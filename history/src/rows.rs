//! Rows as records.

use rusqlite::Row;

use crate::record::{ChunkRecord, ChunkStatus, JobRecord};

/// In the order of [`job`].
pub(crate) const JOB_COLUMNS: &str =
    "id, label, state, client_host, client_pid, direct, submitted_ns, ended_ns, elements, elements_done,
    elements_failed, chunks, attempts_lost, rows_pruned, message";
/// In the order of [`chunk`].
pub(crate) const CHUNK_COLUMNS: &str =
    "seq, chunk_first, chunks, element_first, elements, elements_failed, engine, host, attempt, status,
    started_ns, ended_ns, kind, message";

pub(crate) fn job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
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

pub(crate) fn chunk(row: &Row<'_>, job: &str) -> rusqlite::Result<ChunkRecord> {
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
