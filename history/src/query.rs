//! Which jobs can be asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::id_part::{ID_DIGITS_MIN, IdPart};
use crate::record::JobState;

/// Most rows in one answer on a connection; longer ones come in several.
pub const QUERY_ROWS_MAX: usize = 10_000;
/// Most rows that can be asked for: more than a history holds, unless it was told to.
const LIMIT_MAX: usize = 100_000_000;
/// Jobs that are found unless more are asked for.
const JOBS: usize = 1_000;
/// A pattern is matched against every label, so it is bounded in length and in wild cards.
const PATTERN_BYTES_MAX: usize = 256;
const WILD_CARDS_MAX: usize = 8;

/// Which jobs are looked for; each condition narrows it further. The newest come first.
///
/// ```
/// # use phalanx_history::HistoryQuery;
/// use std::time::Duration;
///
/// let query = HistoryQuery::new().within(Duration::from_secs(3_600)).label("sweep*").engine(3).limit(100);
/// # query.check().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    pub(crate) since_ns: u64,
    pub(crate) until_ns: Option<u64>,
    pub(crate) states: Vec<JobState>,
    pub(crate) label: String,
    pub(crate) engine: Option<u32>,
    pub(crate) host: String,
    pub(crate) job: String,
    pub(crate) failed: bool,
    pub(crate) limit: Option<usize>,
}

impl HistoryQuery {
    /// All jobs there were; the newest thousand, unless [`limit`](Self::limit) says otherwise.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// assert_eq!(HistoryQuery::new(), HistoryQuery::default());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Jobs that ended at this time or later, and those that are under way.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// # use std::time::SystemTime;
    /// let started = SystemTime::now();
    /// let query = HistoryQuery::new().since(started);
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since_ns = nanoseconds(time);
        self
    }

    /// As [`since`](Self::since): so long ago.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// # use std::time::Duration;
    /// let query = HistoryQuery::new().within(Duration::from_secs(60));
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        self.since(SystemTime::now().checked_sub(time).unwrap_or(UNIX_EPOCH))
    }

    /// Jobs that were submitted at this time or earlier.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// # use std::time::SystemTime;
    /// let query = HistoryQuery::new().until(SystemTime::now());
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until_ns = Some(nanoseconds(time));
        self
    }

    /// Jobs in this state; said several times, in one of these.
    ///
    /// ```
    /// # use phalanx_history::{HistoryQuery, JobState};
    /// let query = HistoryQuery::new().state(JobState::Failed).state(JobState::Aborted);
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn state(mut self, state: JobState) -> Self {
        self.states.push(state);
        self
    }

    /// Jobs with this text in their label; with `*`, `?` or `[…]` in it, those whose whole label fits the pattern.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// let some = HistoryQuery::new().label("sweep");
    /// let those = HistoryQuery::new().label("sweep::step_[0-9]");
    /// # some.check().and(those.check()).unwrap();
    /// ```
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Jobs that this engine had a part in.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// let query = HistoryQuery::new().engine(3);
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn engine(mut self, engine: u32) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Jobs that an engine of this machine had a part in.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// let query = HistoryQuery::new().host("node7");
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The job with this id, or those whose ids begin or end like this.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// let query = HistoryQuery::new().job("b302099a8057");
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn job(mut self, id: impl Into<String>) -> Self {
        self.job = id.into();
        self
    }

    /// Jobs some of whose elements failed, however they ended.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// let query = HistoryQuery::new().failed();
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.failed = true;
        self
    }

    /// So many at most.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// assert!(HistoryQuery::new().limit(1).check().is_ok());
    /// assert!(HistoryQuery::new().limit(0).check().is_err());
    /// ```
    #[must_use]
    pub fn limit(mut self, jobs: usize) -> Self {
        self.limit = Some(jobs);
        self
    }

    /// How many are looked for.
    #[doc(hidden)]
    #[must_use]
    pub fn limit_or_default(&self) -> usize {
        self.limit.unwrap_or(JOBS)
    }

    /// Whether it can be asked.
    ///
    /// # Errors
    /// [`FilterError`] says what is wrong.
    ///
    /// ```
    /// # use phalanx_history::HistoryQuery;
    /// assert!(HistoryQuery::new().job("no id").check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), FilterError> {
        check_limit(self.limit)?;
        if self.until_ns.is_some_and(|until| until < self.since_ns) {
            return Err(FilterError::Window);
        }
        let wild_cards = self.label.matches(['*', '?', '[']).count();
        if self.label.len() > PATTERN_BYTES_MAX || wild_cards > WILD_CARDS_MAX {
            return Err(FilterError::Label);
        }
        if !self.job.is_empty() {
            IdPart::parse(&self.job)?;
        }
        Ok(())
    }
}

/// Why something cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilterError {
    /// No rows, or more than there can be.
    #[error("a limit of {0} is not possible; ask for 1 to {LIMIT_MAX}")]
    Limit(usize),
    /// It ends before it begins.
    #[error("nothing is later than `since` and earlier than `until`: `until` comes first")]
    Window,
    /// Too long, or with too many wild cards.
    #[error(
        "a label is looked for with at most {PATTERN_BYTES_MAX} bytes and {WILD_CARDS_MAX} of `*`, `?` and `[`"
    )]
    Label,
    /// It cannot be an id or a part of one.
    #[error(
        "{0:?} is no job's id; give the id, or at least {ID_DIGITS_MIN} hexadecimal digits of its beginning or end"
    )]
    Job(String),
    /// There is no such state.
    #[error("{0}")]
    State(String),
}

pub(crate) fn check_limit(limit: Option<usize>) -> Result<(), FilterError> {
    match limit {
        Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => Err(FilterError::Limit(limit)),
        _ => Ok(()),
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let query = HistoryQuery::new;
        let later = UNIX_EPOCH + Duration::from_secs(2);
        assert_eq!(query().limit(0).check(), Err(FilterError::Limit(0)));
        assert_eq!(query().limit(usize::MAX).check(), Err(FilterError::Limit(usize::MAX)));
        assert_eq!(query().since(later).until(UNIX_EPOCH).check(), Err(FilterError::Window));
        assert_eq!(query().since(later).until(later).check(), Ok(()));
        assert_eq!(query().label("x".repeat(257)).check(), Err(FilterError::Label));
        assert_eq!(query().label("*a".repeat(9)).check(), Err(FilterError::Label));
        assert_eq!(query().job("12").check(), Err(FilterError::Job("12".into())));
        assert_eq!(query().within(Duration::MAX).since_ns, 0);
    }
}
