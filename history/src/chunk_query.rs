//! Which rows of one job's chunks can be asked for.

use crate::id_part::IdPart;
use crate::query::{FilterError, check_limit};

/// Rows of chunks that are found unless more are asked for.
const CHUNKS: usize = 100_000;

/// Which rows of a job's chunks are looked for, in the order in which they came.
///
/// ```
/// # use phalanx_history::ChunkQuery;
/// let query = ChunkQuery::new("b302099a8057").engine(3).failed();
/// # query.check().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkQuery {
    pub(crate) job: String,
    pub(crate) engine: Option<u32>,
    pub(crate) host: String,
    pub(crate) failed: bool,
    pub(crate) limit: Option<usize>,
}

impl ChunkQuery {
    /// All of the job with this id; its beginning or its end will do when no other job's is alike. The first hundred thousand,
    /// unless [`limit`](Self::limit) says otherwise.
    ///
    /// ```
    /// # use phalanx_history::ChunkQuery;
    /// assert_eq!(ChunkQuery::new("b302099a8057"), ChunkQuery::from("b302099a8057"));
    /// ```
    #[must_use]
    pub fn new(job: impl Into<String>) -> Self {
        Self { job: job.into(), engine: None, host: String::new(), failed: false, limit: None }
    }

    /// What this engine had.
    ///
    /// ```
    /// # use phalanx_history::ChunkQuery;
    /// let query = ChunkQuery::new("b302099a8057").engine(3);
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn engine(mut self, engine: u32) -> Self {
        self.engine = Some(engine);
        self
    }

    /// What engines of this machine had.
    ///
    /// ```
    /// # use phalanx_history::ChunkQuery;
    /// let query = ChunkQuery::new("b302099a8057").host("node7");
    /// # query.check().unwrap();
    /// ```
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Only what failed, was tried again, or was lost.
    ///
    /// ```
    /// # use phalanx_history::ChunkQuery;
    /// let query = ChunkQuery::new("b302099a8057").failed();
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
    /// # use phalanx_history::ChunkQuery;
    /// assert!(ChunkQuery::new("b302099a8057").limit(0).check().is_err());
    /// ```
    #[must_use]
    pub fn limit(mut self, rows: usize) -> Self {
        self.limit = Some(rows);
        self
    }

    /// How many are looked for.
    #[doc(hidden)]
    #[must_use]
    pub fn limit_or_default(&self) -> usize {
        self.limit.unwrap_or(CHUNKS)
    }

    /// Whether it can be asked.
    ///
    /// # Errors
    /// [`FilterError`] says what is wrong.
    ///
    /// ```
    /// # use phalanx_history::ChunkQuery;
    /// assert!(ChunkQuery::new("").check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), FilterError> {
        check_limit(self.limit)?;
        IdPart::parse(&self.job).map(drop)
    }
}

impl<S: Into<String>> From<S> for ChunkQuery {
    fn from(job: S) -> Self {
        Self::new(job)
    }
}
