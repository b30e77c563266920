//! How long elements may run: looked after by the daemon, for a function that hangs cannot look after itself.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::board::{Board, NO_ELEMENT, Running};

/// How often a worker is looked at: so many times within its shortest limit, between these.
const LOOKS_PER_LIMIT: u32 = 16;
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(100);

/// The limits of the jobs that a worker knows.
#[derive(Debug, Default)]
pub(crate) struct RunLimits {
    jobs: Mutex<HashMap<u64, Duration>>,
    changed: Notify,
}

impl RunLimits {
    /// How long an element of a job may run; `None`: as long as it likes.
    pub(crate) fn set(&self, job: u64, limit: Option<Duration>) {
        let before = match limit {
            Some(limit) => self.jobs.lock().insert(job, limit),
            None => self.jobs.lock().remove(&job),
        };
        if before != limit {
            self.changed.notify_one();
        }
    }

    fn of(&self, job: u64) -> Option<Duration> {
        self.jobs.lock().get(&job).copied()
    }

    fn shortest(&self) -> Option<Duration> {
        self.jobs.lock().values().min().copied()
    }

    /// Waits until an element has run for longer than it may: which, and how long that was. It is never too early, for an element counts
    /// from when it was first seen.
    pub(super) async fn overrun(&self, board: &OnceLock<Board>) -> (Running, Duration) {
        let mut seen: Option<(Running, Instant)> = None;
        loop {
            let Some(shortest) = self.shortest() else {
                seen = None;
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep((shortest / LOOKS_PER_LIMIT).clamp(LOOK_MIN, LOOK_MAX)) => {}
                () = self.changed.notified() => {}
            }
            // Results that wait to be sent are not the function's fault.
            let running = board.get().and_then(Board::running).filter(|running| running.place != NO_ELEMENT);
            match (running, seen) {
                (Some(now), Some((before, since))) if now == before => {
                    if let Some(limit) = self.of(now.job).filter(|limit| since.elapsed() >= *limit) {
                        return (now, limit);
                    }
                }
                _ => seen = running.map(|running| (running, Instant::now())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn only_an_element_of_a_limited_job_that_stays_is_too_long() {
        let limits = RunLimits::default();
        let board = OnceLock::from(Board::create().unwrap());
        let page = board.get().unwrap();
        page.start(1, 0, 1);
        limits.set(2, Some(LIMIT));
        let nothing = tokio::time::timeout(LIMIT * 5, limits.overrun(&board)).await;
        assert!(nothing.is_err(), "job 1 has no limit");
        page.start(2, 7, 3);
        let elements = async {
            for place in 0..20 {
                page.reach(place);
                sleep(LIMIT / 4).await;
            }
            std::future::pending::<()>().await;
        };
        let (running, limit) = tokio::select! {
            overrun = limits.overrun(&board) => overrun,
            () = elements => unreachable!(),
        };
        assert_eq!((running, limit), (Running { job: 2, chunk: 7, attempt: 3, place: 19 }, LIMIT));
        page.reach(NO_ELEMENT);
        let nothing = tokio::time::timeout(LIMIT * 5, limits.overrun(&board)).await;
        assert!(nothing.is_err(), "its results are being sent");
        page.reach(19);
        limits.set(2, None);
        let nothing = tokio::time::timeout(LIMIT * 5, limits.overrun(&board)).await;
        assert!(nothing.is_err(), "there is no limit any more");
    }
}
