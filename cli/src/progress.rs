//! A spinner for people who wait: on a terminal, and only when it takes longer than a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less than this needs no explanation.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line that says what is waited for.
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            bar: ProgressBar::hidden().with_style(ProgressStyle::default_spinner()),
            since: Instant::now(),
        }
    }

    /// Says it, now that it is so.
    pub(crate) fn say(&self, what: String) {
        if self.since.elapsed() < PATIENCE {
            return;
        }
        if self.bar.is_hidden() {
            // Draws nothing when standard error is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_message(what);
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
