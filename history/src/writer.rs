//! The thread that writes, and what it does when it cannot.
//!
//! A full or read-only disk, or somebody else's lock: one warning, and another attempt every few seconds; meanwhile notes wait in the queue and, when
//! that is full, are counted. A file that is damaged or not ours is set aside, and a new one begun.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Error, ErrorCode};

use crate::note::Note;
use crate::queue::{Queue, Taken};
use crate::recorder::HistoryLimits;
use crate::schema::{self, OpenError};
use crate::store::{Store, now_ns};

/// Between two attempts to write what could not be written.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// How often an idle writer looks for what has become too old.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3_600);

/// Writes until it is told to stop.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) path: PathBuf,
    pub(crate) limits: HistoryLimits,
    pub(crate) store: Option<Store>,
    /// Notes that are lost and that the file does not know of.
    pub(crate) dropped: u64,
    /// A warning was given, and nothing was written since.
    pub(crate) warned: bool,
    /// The file was opened once: what is under way in it now is this controller's.
    pub(crate) taken_over: bool,
    /// A warning was given that what is too old stays.
    pub(crate) hoards: bool,
}

impl Writer {
    pub(crate) fn run(mut self) {
        // A file that is there is looked at: jobs may have been under way in it. A new one is made with the first note.
        let is_open = !self.path.exists() || self.settle(&[]);
        self.queue.opened();
        if !is_open {
            self.persist(&[]);
        }
        let mut pruned = Instant::now();
        loop {
            let Taken { notes, dropped, stop } = self.queue.take(PRUNE_INTERVAL);
            self.dropped = self.dropped.saturating_add(dropped);
            let is_due = pruned.elapsed() >= PRUNE_INTERVAL;
            if !notes.is_empty() || self.dropped > 0 || (is_due && self.store.is_some()) {
                self.persist(&notes);
            }
            if is_due {
                pruned = Instant::now();
            }
            self.queue.settle(notes.len());
            if stop {
                return self.close();
            }
        }
    }

    /// Writes a batch, however often it must be tried.
    fn persist(&mut self, notes: &[Note]) {
        while !self.settle(notes) {
            if self.queue.pause(RETRY_DELAY) {
                // The last attempt.
                if !self.settle(notes) {
                    tracing::warn!(notes = notes.len(), "the last of the history could not be written");
                }
                return;
            }
        }
    }

    /// Tries to write a batch. True when it is done with: written, or given up.
    fn settle(&mut self, notes: &[Note]) -> bool {
        let mut written = self.write(notes);
        if let Err(e) = &written
            && e.is_hopeless()
        {
            self.store = None;
            match schema::set_aside(&self.path) {
                Ok(aside) => {
                    tracing::warn!(
                        "the history of jobs, {}, cannot be used and was set aside as {}; a new one is begun: {e}",
                        self.path.display(),
                        aside.display()
                    );
                    written = self.write(notes);
                }
                Err(source) => written = Err(source.into()),
            }
        }
        let Err(error) = written else {
            if std::mem::take(&mut self.warned) {
                tracing::info!("the history of jobs is written again");
            }
            return true;
        };
        if !is_passing(&error) {
            // What cannot be written now cannot be written later either.
            tracing::error!(notes = notes.len(), %error, "a part of the history of jobs is given up");
            self.dropped = self.dropped.saturating_add(notes.len() as u64);
            return true;
        }
        // Whatever was the matter, a new start is the safest.
        self.store = None;
        let message = format!("{} cannot be written: {error}", self.path.display());
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "the history of jobs is not being recorded, jobs go on: {message}; it is tried again every {} s",
                RETRY_DELAY.as_secs()
            );
        }
        self.queue.trouble(message);
        false
    }

    fn write(&mut self, notes: &[Note]) -> Result<(), OpenError> {
        if !self.path.exists() {
            // Somebody has removed it, so as to begin anew.
            self.store = None;
        }
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let db = schema::open(&self.path)?;
                if !self.limits.survives_power_loss {
                    db.pragma_update(None, "synchronous", "OFF")?;
                }
                if !self.taken_over {
                    crate::store::interrupt(&db)?;
                    self.taken_over = true;
                }
                none.insert(Store::new(db)?)
            }
        };
        if !notes.is_empty() || self.dropped > 0 {
            store.write(notes, self.dropped)?;
            self.dropped = 0;
        }
        // What was written is written: it must not be written again because something else could not be removed.
        match store.prune(&self.limits, now_ns()) {
            Ok(()) => self.hoards = false,
            Err(error) if !std::mem::replace(&mut self.hoards, true) => {
                tracing::warn!(%error, "what is too old could not be removed from the history of jobs; it is tried again");
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Jobs that are under way will not end in this controller's life.
    fn close(mut self) {
        if let Some(store) = self.store.take()
            && let Err(error) = crate::store::interrupt(&store.db)
        {
            tracing::debug!(%error, "jobs under way could not be marked as interrupted");
        }
    }
}

/// Whether it may be better later.
fn is_passing(error: &OpenError) -> bool {
    let OpenError::Sqlite(error) = error else { return true };
    !matches!(error, Error::ToSqlConversionFailure(_))
        && !matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::TooBig
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::ApiMisuse
            )
        )
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
