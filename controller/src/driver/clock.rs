//! The time that the scheduler is told.
//!
//! It leaves out time in which the controller itself did not run: stopped, swapped out, on a
//! laptop that slept. Peers could not be heard then, and must not be blamed for their silence.

use std::time::{Duration, Instant};

use phalanx_scheduler::Timestamp;

/// Being this late for a deadline means that the controller did not run.
const LATE: Duration = Duration::from_millis(500);

/// Nanoseconds since the start, without those in which the controller did not run.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    skipped: Duration,
    last: Timestamp,
    grace: Duration,
}

impl Clock {
    /// A clock at zero. After a time of not running, peers get `grace` to be heard again.
    pub(crate) fn new(start: Instant, grace: Duration) -> Self {
        Self { start, skipped: Duration::ZERO, last: Timestamp::default(), grace }
    }

    /// The time at `instant`; never before an earlier answer.
    pub(crate) fn at(&mut self, instant: Instant) -> Timestamp {
        let passed = instant.saturating_duration_since(self.start).saturating_sub(self.skipped);
        self.last = self.last.max(Timestamp::default().after(passed));
        self.last
    }

    /// When it will be `deadline`.
    pub(crate) fn instant(&self, deadline: Timestamp) -> Instant {
        self.start + self.skipped + Duration::from_nanos(deadline.0)
    }

    /// To be called with the next deadline when the driver wakes, before [`at`](Self::at): if the deadline was
    /// missed by so much that the controller cannot have run, the time goes back to shortly before it.
    pub(crate) fn woke(&mut self, deadline: Timestamp, instant: Instant) {
        let late = instant.saturating_duration_since(self.instant(deadline));
        if late >= LATE {
            self.skipped += late + self.grace;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    fn secs(n: u64) -> Timestamp {
        Timestamp(n * 1_000_000_000)
    }

    #[test]
    fn it_runs_with_the_instants() {
        let start = Instant::now();
        let mut clock = Clock::new(start, GRACE);
        assert_eq!(clock.at(start + Duration::from_secs(3)), secs(3));
        assert_eq!(clock.at(start + Duration::from_secs(2)), secs(3), "never back");
        assert_eq!(clock.instant(secs(4)), start + Duration::from_secs(4));
        clock.woke(secs(4), start + Duration::from_millis(4_100));
        assert!(clock.at(start + Duration::from_millis(4_100)) > secs(4), "a little late is late");
    }

    #[test]
    fn a_time_of_not_running_is_left_out_and_peers_get_a_grace() {
        let start = Instant::now();
        let mut clock = Clock::new(start, GRACE);
        clock.at(start + Duration::from_secs(1));
        let woken = start + Duration::from_secs(100);
        clock.woke(secs(10), woken);
        assert_eq!(clock.at(woken), secs(8));
        assert_eq!(clock.instant(secs(10)), woken + GRACE);
        clock.woke(secs(10), woken + GRACE);
        assert_eq!(clock.at(woken + GRACE), secs(10));
    }

    #[test]
    fn what_was_told_before_is_not_taken_back() {
        let start = Instant::now();
        let mut clock = Clock::new(start, GRACE);
        clock.at(start + Duration::from_secs(9));
        clock.woke(secs(10), start + Duration::from_secs(50));
        assert_eq!(clock.at(start + Duration::from_secs(50)), secs(9));
    }
}
