//! Questions and answers as messages. What comes from a peer is checked here: a question by [`HistoryQuery::check`], an answer word by
//! word, so that nobody meets a state that does not exist.

use phalanx_proto::v1::{self, HistoryReply, HistoryRequest, PastChunk, PastChunks, PastJob, PastJobs};

use crate::chunk_query::ChunkQuery;
use crate::query::{FilterError, HistoryQuery};
use crate::reader::{ChunkCursor, JobCursor, Page};
use crate::record::{ChunkRecord, JobRecord};

/// A question, as a controller gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// For jobs.
    Jobs(HistoryQuery, Option<JobCursor>),
    /// For one job's chunks.
    Chunks(ChunkQuery, Option<ChunkCursor>),
}

impl Question {
    /// Reads a request.
    ///
    /// # Errors
    /// [`FilterError`] when it cannot be asked.
    pub fn parse(request: HistoryRequest) -> Result<Self, FilterError> {
        match request.ask {
            Some(v1::history_request::Ask::Chunks(asked)) => {
                let query = ChunkQuery {
                    job: asked.job,
                    engine: asked.engine,
                    host: asked.host,
                    failed: asked.failed,
                    limit: limit(asked.limit),
                };
                query.check()?;
                Ok(Self::Chunks(query, Some(ChunkCursor(asked.after)).filter(|after| after.0 > 0)))
            }
            Some(v1::history_request::Ask::Jobs(asked)) => {
                let after = asked.after.as_ref().map(cursor).transpose()?;
                let query = jobs_query(asked)?;
                query.check()?;
                Ok(Self::Jobs(query, after))
            }
            None => Ok(Self::Jobs(HistoryQuery::new(), None)),
        }
    }
}

fn jobs_query(asked: PastJobs) -> Result<HistoryQuery, FilterError> {
    let states = asked.states.iter().map(|word| word.parse().map_err(FilterError::State));
    Ok(HistoryQuery {
        since_ns: asked.since_ns,
        until_ns: Some(asked.until_ns).filter(|ns| *ns > 0),
        states: states.collect::<Result<_, _>>()?,
        label: asked.label,
        engine: asked.engine,
        host: asked.host,
        job: asked.job,
        failed: asked.failed,
        limit: limit(asked.limit),
    })
}

fn cursor(job: &PastJob) -> Result<JobCursor, FilterError> {
    let id = uuid::Uuid::parse_str(&job.id).map_err(|_| FilterError::Job(job.id.clone()))?;
    Ok(JobCursor { submitted_ns: job.submitted_ns, id: id.as_u128() })
}

fn limit(wire: u64) -> Option<usize> {
    (wire > 0).then(|| usize::try_from(wire).unwrap_or(usize::MAX))
}

/// A question for the next `rows` jobs.
#[must_use]
pub fn ask_jobs(query: &HistoryQuery, rows: usize, after: Option<&JobRecord>) -> HistoryRequest {
    let after =
        after.map(|job| PastJob { id: job.id.clone(), submitted_ns: job.submitted_ns, ..PastJob::default() });
    let asked = PastJobs {
        since_ns: query.since_ns,
        until_ns: query.until_ns.unwrap_or_default(),
        states: query.states.iter().map(|state| state.as_str().to_owned()).collect(),
        label: query.label.clone(),
        engine: query.engine,
        host: query.host.clone(),
        job: query.job.clone(),
        failed: query.failed,
        limit: rows as u64,
        after,
    };
    HistoryRequest { ask: Some(v1::history_request::Ask::Jobs(asked)) }
}

/// A question for the next `rows` rows of chunks.
#[must_use]
pub fn ask_chunks(query: &ChunkQuery, rows: usize, after: u64) -> HistoryRequest {
    let asked = PastChunks {
        job: query.job.clone(),
        engine: query.engine,
        host: query.host.clone(),
        failed: query.failed,
        limit: rows as u64,
        after,
    };
    HistoryRequest { ask: Some(v1::history_request::Ask::Chunks(asked)) }
}

/// An answer about jobs.
#[must_use]
pub fn jobs_reply(page: Page<JobRecord, JobCursor>) -> HistoryReply {
    HistoryReply {
        jobs: page.rows.into_iter().map(PastJob::from).collect(),
        more: page.next.is_some(),
        dropped: page.dropped,
        trouble: page.trouble.unwrap_or_default(),
        ..HistoryReply::default()
    }
}

/// An answer about chunks.
#[must_use]
pub fn chunks_reply(page: Page<ChunkRecord, ChunkCursor>) -> HistoryReply {
    HistoryReply {
        chunks: page.rows.into_iter().map(PastChunk::from).collect(),
        more: page.next.is_some(),
        next: page.next.map_or(0, |next| next.0),
        dropped: page.dropped,
        trouble: page.trouble.unwrap_or_default(),
        ..HistoryReply::default()
    }
}

macro_rules! same_fields {
    ($record:ident, $wire:ident, $word:ident, { $($field:ident),* $(,)? }) => {
        impl From<$record> for $wire {
            fn from(record: $record) -> Self {
                Self { $word: record.$word.as_str().to_owned(), $($field: record.$field,)* }
            }
        }

        impl TryFrom<$wire> for $record {
            type Error = String;

            /// The error says which word is unknown: the controller is newer.
            fn try_from(wire: $wire) -> Result<Self, String> {
                Ok(Self { $word: wire.$word.parse()?, $($field: wire.$field,)* })
            }
        }
    };
}

same_fields!(JobRecord, PastJob, state, {
    id, label, client_host, client_pid, direct, submitted_ns, ended_ns, elements, elements_done, elements_failed, chunks,
    attempts_lost, rows_pruned, message,
});
same_fields!(ChunkRecord, PastChunk, status, {
    job, chunk_first, chunks, element_first, elements, elements_failed, engine, host, attempt, started_ns, ended_ns, kind, message,
});

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::record::JobState;

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let query = HistoryQuery::new()
            .since(UNIX_EPOCH + Duration::from_secs(5))
            .until(UNIX_EPOCH + Duration::from_secs(7))
            .state(JobState::Failed)
            .state(JobState::ClientLost)
            .label("sweep*")
            .engine(0)
            .host("node7")
            .job("b302099a8057")
            .failed();
        let asked = Question::parse(ask_jobs(&query, 10, None)).unwrap();
        assert_eq!(asked, Question::Jobs(query.limit(10), None));
        let query = ChunkQuery::new("b302099a8057").engine(4).host("h").failed();
        let asked = Question::parse(ask_chunks(&query, 3, 77)).unwrap();
        assert_eq!(asked, Question::Chunks(query.limit(3), Some(ChunkCursor(77))));
        assert!(matches!(Question::parse(HistoryRequest::default()), Ok(Question::Jobs(..))));
    }

    #[test]
    fn a_question_that_no_client_of_ours_asks_is_refused() {
        let mut request = ask_jobs(&HistoryQuery::new(), 10, None);
        let Some(v1::history_request::Ask::Jobs(jobs)) = &mut request.ask else { unreachable!() };
        jobs.states.push("finished".into());
        let error = Question::parse(request.clone()).unwrap_err();
        assert!(error.to_string().contains("is no state of a job"), "{error}");
        let Some(v1::history_request::Ask::Jobs(jobs)) = &mut request.ask else { unreachable!() };
        (jobs.states, jobs.limit) = (vec![], u64::MAX);
        assert!(matches!(Question::parse(request.clone()), Err(FilterError::Limit(_))));
        let Some(v1::history_request::Ask::Jobs(jobs)) = &mut request.ask else { unreachable!() };
        (jobs.limit, jobs.after) = (1, Some(PastJob { id: "?".into(), ..PastJob::default() }));
        assert!(matches!(Question::parse(request), Err(FilterError::Job(_))));
    }
}
