//! The bounds: rows and age. The oldest jobs go first, with their chunks.

use rusqlite::{OptionalExtension as _, Result, params};

use crate::recorder::HistoryLimits;
use crate::store::{Store, integer};

/// Once there are too many rows, so much room is made that it is enough for a while: a sixteenth.
const SLACK: u64 = 16;
/// Jobs removed in one transaction.
const JOBS_MAX: u32 = 256;
/// Pages given back to the file system at a time, when many are empty.
const PAGES_MAX: u32 = 4_096;

const OLDEST: &str = "
    SELECT id FROM jobs WHERE state != 'running' AND submitted_ns < ?1 AND coalesce(ended_ns, submitted_ns) < ?1 ORDER BY submitted_ns, id LIMIT ?2";

impl Store {
    /// Removes what is too old and too much.
    pub(crate) fn prune(&mut self, limits: &HistoryLimits, now_ns: u64) -> Result<()> {
        self.prune_by_age(now_ns.saturating_sub(limits.age_ns()))?;
        if self.rows <= limits.rows_max {
            return Ok(());
        }
        let target = limits.rows_max - limits.rows_max / SLACK;
        while self.rows > target {
            if !(self.remove_oldest(target)? || self.trim(target)? || self.remove_orphans()?) {
                // Only jobs that are under way are left, and the controller bounds those.
                break;
            }
        }
        self.give_pages_back()
    }

    fn prune_by_age(&mut self, before_ns: u64) -> Result<()> {
        loop {
            let transaction = self.db.transaction()?;
            let ids: Vec<Vec<u8>> = transaction
                .prepare_cached(OLDEST)?
                .query_map(params![integer(before_ns), JOBS_MAX], |row| row.get(0))?
                .collect::<Result<_>>()?;
            let mut removed = 0;
            for id in &ids {
                removed += transaction.prepare_cached("DELETE FROM chunks WHERE job = ?1")?.execute([id])?;
                removed += transaction.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id])?;
            }
            transaction.commit()?;
            self.rows = self.rows.saturating_sub(removed as u64);
            if ids.len() < JOBS_MAX as usize {
                return Ok(());
            }
        }
    }

    /// Removes ended jobs, the oldest first, until few enough rows are left; never the last. False when there was none.
    fn remove_oldest(&mut self, target: u64) -> Result<bool> {
        let transaction = self.db.transaction()?;
        let mut removed = 0;
        for _ in 0..JOBS_MAX {
            let oldest: Option<Vec<u8>> = transaction
                .prepare_cached(
                    "SELECT id FROM jobs WHERE state != 'running' ORDER BY submitted_ns, id LIMIT 1",
                )?
                .query_row([], |row| row.get(0))
                .optional()?;
            let several = transaction
                .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM jobs LIMIT 2)")?
                .query_row([], |row| row.get::<_, u32>(0))?;
            let Some(id) = oldest.filter(|_| several == 2) else { break };
            removed += transaction.prepare_cached("DELETE FROM chunks WHERE job = ?1")?.execute([&id])?;
            removed += transaction.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([&id])?;
            if self.rows.saturating_sub(removed as u64) <= target {
                break;
            }
        }
        transaction.commit()?;
        self.rows = self.rows.saturating_sub(removed as u64);
        Ok(removed > 0)
    }

    /// Removes the oldest rows of the oldest job that has any, and counts them: a job that is larger than all that may be kept. False when there are none.
    fn trim(&mut self, target: u64) -> Result<bool> {
        let excess = integer(self.rows - target);
        let transaction = self.db.transaction()?;
        let sql = "SELECT id FROM jobs WHERE EXISTS (SELECT 1 FROM chunks WHERE job = id) ORDER BY submitted_ns, id LIMIT 1";
        let oldest: Option<Vec<u8>> = transaction.query_row(sql, [], |row| row.get(0)).optional()?;
        let Some(id) = oldest else { return Ok(false) };
        let last = "SELECT max(seq) FROM (SELECT seq FROM chunks WHERE job = ?1 ORDER BY seq LIMIT ?2)";
        let last: i64 = transaction.query_row(last, params![id, excess], |row| row.get(0))?;
        let removed =
            transaction.execute("DELETE FROM chunks WHERE job = ?1 AND seq <= ?2", params![id, last])?;
        let sql = "UPDATE jobs SET rows_pruned = rows_pruned + ?2 WHERE id = ?1";
        transaction.execute(sql, params![id, removed as i64])?;
        transaction.commit()?;
        self.rows = self.rows.saturating_sub(removed as u64);
        Ok(removed > 0)
    }

    /// Chunks whose job was dropped from the queue.
    fn remove_orphans(&mut self) -> Result<bool> {
        let removed = self.db.execute("DELETE FROM chunks WHERE job NOT IN (SELECT id FROM jobs)", [])?;
        self.rows = self.rows.saturating_sub(removed as u64);
        Ok(removed > 0)
    }

    /// Empty pages are used again; only when they are most of the file they are given back.
    fn give_pages_back(&self) -> Result<()> {
        let number = |pragma| self.db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if number("freelist_count")? * 2 <= number("page_count")? {
            return Ok(());
        }
        let mut statement = self.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES_MAX})"))?;
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Note;
    use crate::record::{ChunkStatus, JobState};
    use crate::store::tests::{chunk, job, memory};

    const DAY_NS: u64 = 86_400_000_000_000;

    fn limits(rows_max: u64) -> HistoryLimits {
        HistoryLimits { rows_max, ..HistoryLimits::default() }
    }

    fn fill(store: &mut Store, id: u128, state: JobState, chunks: u64) {
        let mut notes = vec![Note::Job(Box::new(job(id, state)))];
        notes.extend((0..chunks).map(|i| Note::Chunk(chunk(id, i, ChunkStatus::Ok))));
        store.write(&notes, 0).unwrap();
    }

    fn jobs(store: &Store) -> Vec<(u128, u64, u64)> {
        let sql = "SELECT id, (SELECT count(*) FROM chunks WHERE job = id), rows_pruned FROM jobs ORDER BY submitted_ns";
        let mut statement = store.db.prepare(sql).unwrap();
        let get = |row: &rusqlite::Row<'_>| Ok((u128::from_be_bytes(row.get(0)?), row.get(1)?, row.get(2)?));
        statement.query_map([], get).unwrap().collect::<Result<_>>().unwrap()
    }

    fn count(store: &Store) -> u64 {
        let sql = "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM chunks)";
        store.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_oldest_jobs_go_first_with_their_chunks() {
        let mut store = memory();
        (1..=10).for_each(|id| fill(&mut store, id, JobState::Completed, 9));
        store.prune(&limits(100), 0).unwrap();
        assert_eq!(jobs(&store).len(), 10, "as many as may be");
        fill(&mut store, 11, JobState::Completed, 9);
        store.prune(&limits(100), 0).unwrap();
        assert_eq!(jobs(&store).iter().map(|job| job.0).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!((store.rows, count(&store)), (90, 90));
    }

    #[test]
    fn a_job_that_is_larger_than_all_keeps_its_latest_rows() {
        for state in [JobState::Running, JobState::Completed] {
            let mut store = memory();
            fill(&mut store, 1, JobState::Completed, 20);
            fill(&mut store, 2, state, 500);
            store.prune(&limits(160), 0).unwrap();
            assert_eq!(jobs(&store), [(2, 149, 351)]);
            let first: i64 =
                store.db.query_row("SELECT min(chunk_first) FROM chunks", [], |row| row.get(0)).unwrap();
            assert_eq!((first, store.rows, count(&store)), (351, 150, 150));
        }
    }

    #[test]
    fn chunks_without_their_job_do_not_pile_up() {
        let mut store = memory();
        let notes: Vec<_> = (0..50).map(|i| Note::Chunk(chunk(9, i, ChunkStatus::Ok))).collect();
        store.write(&notes, 0).unwrap();
        fill(&mut store, 1, JobState::Running, 0);
        store.prune(&limits(10), 0).unwrap();
        assert_eq!((store.rows, count(&store)), (1, 1));
    }

    #[test]
    fn what_is_too_old_goes_unless_it_is_under_way() {
        let mut store = memory();
        fill(&mut store, 1, JobState::Completed, 3);
        fill(&mut store, 2, JobState::Running, 3);
        (3..900).for_each(|id| fill(&mut store, id, JobState::Aborted, 0));
        // Nobody knows when it ended.
        store
            .db
            .execute(
                "UPDATE jobs SET state = 'interrupted', ended_ns = NULL WHERE id = ?1",
                [3u128.to_be_bytes()],
            )
            .unwrap();
        fill(&mut store, 100_000_000, JobState::Completed, 3);
        store.prune(&limits(1 << 20), 30 * DAY_NS + 1_000).unwrap();
        assert_eq!(jobs(&store).len(), 900, "nothing is older than thirty days");
        store.prune(&limits(1 << 20), 31 * DAY_NS).unwrap();
        assert_eq!(jobs(&store), [(2, 3, 0), (100_000_000, 3, 0)]);
        assert_eq!(store.rows, count(&store));
    }
}
