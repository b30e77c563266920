//! What became of results that are kept no more.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use phalanx_proto::ids::JobId;
use phalanx_proto::v1::NotKept;

use super::Missing;

/// Jobs whose end is remembered; the oldest are forgotten first.
const GRAVES_MAX: usize = 4_096;

/// Remembers why.
#[derive(Debug, Default)]
pub(super) struct Graves {
    known: HashMap<JobId, (Instant, NotKept, Box<str>)>,
    order: VecDeque<(Instant, JobId)>,
}

impl Graves {
    pub(super) fn dig(&mut self, id: JobId, now: Instant, why: NotKept, what: &str) {
        if self.order.len() == GRAVES_MAX
            && let Some((at, oldest)) = self.order.pop_front()
            && self.known.get(&oldest).is_some_and(|(dug, ..)| *dug == at)
        {
            self.known.remove(&oldest);
        }
        self.known.insert(id, (now, why, what.into()));
        self.order.push_back((now, id));
    }

    /// It is kept anew.
    pub(super) fn open(&mut self, id: JobId) {
        self.known.remove(&id);
    }

    pub(super) fn find(&self, id: JobId, now: Instant) -> Option<Missing> {
        let (at, why, what) = self.known.get(&id)?;
        let ago = ago(now.saturating_duration_since(*at));
        Some(Missing::new(*why, format!("{what} (that was {ago} ago)")))
    }
}

/// A time as people say it.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..=119 => format!("{s} s"),
        s @ 120..=7_199 => format!("{} min", s / 60),
        s @ 7_200..=172_799 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first_and_times_are_said_in_words() {
        let (mut graves, now) = (Graves::default(), Instant::now());
        for id in 0..=GRAVES_MAX as u128 {
            graves.dig(JobId(id), now, NotKept::Dropped, "dropped");
        }
        assert!(graves.find(JobId(0), now).is_none() && graves.known.len() == GRAVES_MAX);
        let later = now + Duration::from_secs(7_300);
        assert_eq!(graves.find(JobId(1), later).unwrap().message, "dropped (that was 2 h ago)");
        graves.open(JobId(1));
        assert!(graves.find(JobId(1), now).is_none());
    }
}
