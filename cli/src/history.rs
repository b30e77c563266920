//! `phalanx history`: what has become of jobs. A controller that runs is asked; else the profile's file is read here.

use phalanx_history::{
    ChunkQuery, ChunkRecord, FilterError, HistoryQuery, JobRecord, QUERY_ROWS_MAX, ReadError, Reader, wire,
};
use phalanx_profile::{Profile, ProfileError};
use phalanx_proto::v1::{HistoryReply, HistoryRequest};
use serde::Serialize;
use thiserror::Error;

use crate::arguments::HistoryOptions;
use crate::ask::{self, AskError, Controller};

/// Rows unless more are asked for: what fits a terminal, more or less.
const JOBS: usize = 50;
const CHUNKS: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Past {
    pub(crate) profile: String,
    /// Whether a controller was asked; else its file was read.
    pub(crate) running: bool,
    /// The newest first; with `--job`, that one.
    pub(crate) jobs: Vec<JobRecord>,
    /// Of the one job that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chunks: Option<Vec<ChunkRecord>>,
    /// There is more than was asked for.
    pub(crate) more: bool,
    /// Notes that were never written.
    pub(crate) dropped: u64,
    /// Why none can be written now.
    pub(crate) trouble: Option<String>,
}

/// The history could not be read.
#[derive(Debug, Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("the controller says what this version does not know: {0}")]
    Newer(String),
}

/// Who answers.
enum Source {
    Controller(Box<Controller>),
    File(Profile),
}

/// `phalanx history`
pub(crate) async fn history(options: &HistoryOptions) -> Result<Past, HistoryError> {
    let jobs = jobs_query(options);
    jobs.check()?;
    let profile = Profile::open(&options.profile)?;
    let name = profile.name().to_owned();
    let running = ask::may_run(&profile)?;
    let mut source = if running {
        Source::Controller(Box::new(Controller::connect(&profile).await?))
    } else {
        Source::File(profile)
    };
    let mut past =
        Past { profile: name, running, jobs: vec![], chunks: None, more: false, dropped: 0, trouble: None };
    match &options.job {
        None => find_jobs(&mut source, &jobs, &mut past).await?,
        Some(job) => {
            let chunks = chunks_query(options, job);
            chunks.check()?;
            find_chunks(&mut source, &chunks, &mut past).await?;
            // Its chunks were found, so it is one.
            find_jobs(&mut source, &HistoryQuery::new().job(job.as_str()).limit(1), &mut past).await?;
        }
    }
    Ok(past)
}

fn jobs_query(options: &HistoryOptions) -> HistoryQuery {
    let mut query = HistoryQuery::new().limit(options.limit.unwrap_or(JOBS));
    if let Some(since) = options.since {
        query = query.since(since);
    }
    if let Some(until) = options.until {
        query = query.until(until);
    }
    for state in &options.state {
        query = query.state(*state);
    }
    if let Some(engine) = options.engine {
        query = query.engine(engine);
    }
    if options.failed {
        query = query.failed();
    }
    query.label(options.label.as_str()).host(options.host.as_str())
}

fn chunks_query(options: &HistoryOptions, job: &str) -> ChunkQuery {
    let mut query = ChunkQuery::new(job).limit(options.limit.unwrap_or(CHUNKS)).host(options.host.as_str());
    if let Some(engine) = options.engine {
        query = query.engine(engine);
    }
    if options.failed { query.failed() } else { query }
}

async fn find_jobs(source: &mut Source, query: &HistoryQuery, past: &mut Past) -> Result<(), HistoryError> {
    let wanted = query.limit_or_default();
    loop {
        let rows = (wanted - past.jobs.len()).min(QUERY_ROWS_MAX);
        let reply = source.ask(wire::ask_jobs(query, rows, past.jobs.last())).await?;
        let more = note(past, &reply);
        let found: Result<Vec<_>, String> = reply.jobs.into_iter().map(JobRecord::try_from).collect();
        let found = found.map_err(HistoryError::Newer)?;
        let is_last = !more || found.is_empty();
        past.jobs.extend(found);
        if is_last || past.jobs.len() >= wanted {
            past.more |= more && past.chunks.is_none();
            return Ok(());
        }
    }
}

async fn find_chunks(source: &mut Source, query: &ChunkQuery, past: &mut Past) -> Result<(), HistoryError> {
    let (wanted, mut after, mut found) = (query.limit_or_default(), 0, Vec::new());
    loop {
        let rows = (wanted - found.len()).min(QUERY_ROWS_MAX);
        let reply = source.ask(wire::ask_chunks(query, rows, after)).await?;
        let more = note(past, &reply);
        after = reply.next;
        for chunk in reply.chunks {
            found.push(ChunkRecord::try_from(chunk).map_err(HistoryError::Newer)?);
        }
        if !more || found.len() >= wanted {
            past.more = more;
            past.chunks = Some(found);
            return Ok(());
        }
    }
}

/// Whether there is more to come.
fn note(past: &mut Past, reply: &HistoryReply) -> bool {
    past.dropped = reply.dropped;
    past.trouble = Some(reply.trouble.clone()).filter(|trouble| !trouble.is_empty());
    reply.more
}

impl Source {
    /// A page. A file is asked as a controller would be, so that both answer alike.
    async fn ask(&mut self, request: HistoryRequest) -> Result<HistoryReply, HistoryError> {
        let profile = match self {
            Source::Controller(controller) => return Ok(controller.history(request).await?),
            Source::File(profile) => profile,
        };
        let reader = Reader::open(&profile.history_file(), false)?;
        Ok(match wire::Question::parse(request)? {
            wire::Question::Jobs(query, after) => wire::jobs_reply(reader.jobs(&query, after)?),
            wire::Question::Chunks(query, after) => wire::chunks_reply(reader.chunks(&query, after)?),
        })
    }
}
