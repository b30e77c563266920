//! How long to poll.

use std::time::{Duration, Instant};

/// How long a thread polls before it sleeps, learnt from how long its news took to come.
///
/// ```
/// use std::time::{Duration, Instant};
/// use phalanx_idle::Window;
///
/// let (mut window, now) = (Window::default(), Instant::now());
/// assert_eq!(window.len(), Duration::ZERO);
/// window.came_after(Duration::from_micros(30), now);
/// assert_eq!(window.len(), Window::MAX);
/// for _ in 0..10 {
///     window.came_after(Duration::from_millis(5), now);
/// }
/// assert_eq!(window.len(), Duration::ZERO);
/// ```
#[derive(Debug, Default)]
pub struct Window {
    len: Duration,
    /// Until when there is no polling, because others had work for the core, and for how long that was.
    crowded_until: Option<Instant>,
    crowded_for: Duration,
}

/// Below this, polling catches nothing.
const LEN_MIN: Duration = Duration::from_micros(10);
/// How long a crowded core is left to the others, at first and at most.
const CROWDED_MIN: Duration = Duration::from_millis(10);
const CROWDED_MAX: Duration = Duration::from_millis(500);

impl Window {
    /// The longest poll: some calls from end to end. Were it shorter than one on a slow day, everybody would fall asleep in
    /// the middle of a call, which makes calls slower still.
    pub const MAX: Duration = Duration::from_micros(500);
    /// A thread that gives its core away for one turn and waits longer than this to have it back shares it with real work,
    /// not with others that poll.
    pub const TURN_MAX: Duration = Duration::from_millis(1);

    /// How long to poll now.
    #[must_use]
    pub fn len(&self) -> Duration {
        self.len
    }

    /// Whether there is no point in polling now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.is_zero()
    }

    /// News came now, so long after the news before.
    pub fn came_after(&mut self, waited: Duration, now: Instant) {
        if waited > Self::MAX {
            self.len /= 2;
            if self.len < LEN_MIN {
                self.len = Duration::ZERO;
            }
        } else if self.crowded_until.is_none_or(|until| now >= until) {
            self.len = Self::MAX;
        }
    }

    /// Others have work for the core now.
    pub fn crowded(&mut self, now: Instant) {
        // Crowded again right after the rest: the next one is longer.
        let again = self.crowded_until.is_some_and(|until| now < until + self.crowded_for);
        self.crowded_for = if again { (self.crowded_for * 2).min(CROWDED_MAX) } else { CROWDED_MIN };
        self.crowded_until = Some(now + self.crowded_for);
        self.len = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(50);

    #[test]
    fn a_crowded_core_is_left_alone_for_a_while() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.came_after(SHORT, now);
        window.crowded(now);
        assert!(window.is_empty());
        window.came_after(SHORT, now + CROWDED_MIN / 2);
        assert!(window.is_empty(), "it has not been left alone for long enough");
        window.came_after(SHORT, now + CROWDED_MIN);
        assert_eq!(window.len(), Window::MAX);
    }

    #[test]
    fn the_more_crowded_the_longer() {
        let (mut window, now) = (Window::default(), Instant::now());
        let rests: Vec<_> = (0..10)
            .map(|_| {
                window.crowded(now);
                window.crowded_for
            })
            .collect();
        assert_eq!(rests[..3], [CROWDED_MIN, CROWDED_MIN * 2, CROWDED_MIN * 4]);
        assert_eq!(rests[9], CROWDED_MAX);
        window.crowded(now + 10 * CROWDED_MAX);
        assert_eq!(window.crowded_for, CROWDED_MIN, "that was long ago");
    }
}
