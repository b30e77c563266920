//! What has become of jobs: [`Client::history`] asks the controller, which keeps it in a file of its profile.

use std::future::Future;
use std::time::Duration;

use phalanx_history::{ChunkQuery, ChunkRecord, HistoryQuery, JobRecord, QUERY_ROWS_MAX, wire};
use phalanx_proto::host;
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{HistoryReply, HistoryRequest};
use tonic::Code;
use tonic::transport::Channel;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::session::FileSource;

/// How long one page may take: it comes from a disk, and others may have asked before.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Client {
    /// Jobs of all clients of this cluster that have ended, in this controller's life or an earlier one's, and those under way; the newest first.
    ///
    /// They are kept in the profile, as many and as long as the controller was told (`--history-rows-limit`, `--history-days-limit`).
    ///
    /// ```
    /// use phalanx::{Client, HistoryQuery, JobState};
    ///
    /// let client = Client::in_process(2)?;
    /// let out = client.load_balanced_view().label("squares").map_async(|x: u64| x * x, 0..100, 10);
    /// out.get()?;
    /// let jobs = client.history(HistoryQuery::new().label("squares").limit(5))?;
    /// assert_eq!((&jobs[0].id, jobs[0].state, jobs[0].elements_done), (&out.id(), JobState::Completed, 100));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::History`] when it cannot be asked like this, or the controller keeps none or cannot read it; [`Error::Connect`] when no controller answers.
    pub fn history(&self, query: HistoryQuery) -> Result<Vec<JobRecord>> {
        query.check().map_err(|e| Error::History(e.to_string()))?;
        ask(&self.source, async move |mut controller| {
            let wanted = query.limit_or_default();
            let mut jobs = Vec::new();
            loop {
                let rows = (wanted - jobs.len()).min(QUERY_ROWS_MAX);
                let reply = page(&mut controller, wire::ask_jobs(&query, rows, jobs.last())).await?;
                let is_last = !reply.more || reply.jobs.is_empty();
                for job in reply.jobs {
                    jobs.push(JobRecord::try_from(job).map_err(newer)?);
                }
                if is_last || jobs.len() >= wanted {
                    return Ok(jobs);
                }
            }
        })
    }

    /// What each engine said of the chunks of one job, in the order in which it came: a row per report, which is of a run of neighbouring chunks,
    /// and one for each attempt that was lost or failed, with the reason. Takes a job's id, or a [`ChunkQuery`] for some of the rows.
    ///
    /// ```
    /// use phalanx::{ChunkQuery, ChunkStatus, Client};
    ///
    /// let client = Client::in_process(2)?;
    /// let out = client.load_balanced_view().map_async(|x: u64| 10 / x, 0..4, 1);
    /// assert!(out.get().is_err(), "one cannot divide by 0");
    /// let rows = client.chunk_history(out.id())?;
    /// assert_eq!(rows.iter().map(|row| row.elements).sum::<u64>(), 4);
    /// let failed = client.chunk_history(ChunkQuery::new(out.id()).failed())?;
    /// assert_eq!((failed[0].element_first, failed[0].status), (0, ChunkStatus::Failed));
    /// assert!(failed[0].message.contains("divide by zero"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`history`](Self::history); also [`Error::History`] when it knows no such job.
    pub fn chunk_history(&self, query: impl Into<ChunkQuery>) -> Result<Vec<ChunkRecord>> {
        let query = query.into();
        query.check().map_err(|e| Error::History(e.to_string()))?;
        ask(&self.source, async move |mut controller| {
            let (wanted, mut after, mut rows) = (query.limit_or_default(), 0, Vec::new());
            loop {
                let next = (wanted - rows.len()).min(QUERY_ROWS_MAX);
                let reply = page(&mut controller, wire::ask_chunks(&query, next, after)).await?;
                after = reply.next;
                for row in reply.chunks {
                    rows.push(ChunkRecord::try_from(row).map_err(newer)?);
                }
                if !reply.more || rows.len() >= wanted {
                    return Ok(rows);
                }
            }
        })
    }
}

fn newer(what: String) -> Error {
    Error::History(format!("the controller says what this version does not know: {what}"))
}

async fn page(controller: &mut ClusterClient<Channel>, request: HistoryRequest) -> Result<HistoryReply> {
    match tokio::time::timeout(ANSWER_TIMEOUT, controller.history(request)).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) if status.code() == Code::Unimplemented => {
            Err(Error::History("the controller is of a version without a history; restart it".to_owned()))
        }
        Ok(Err(status)) => Err(Error::History(status.message().to_owned())),
        Err(_) => Err(Error::History(format!(
            "the controller does not answer within {} s: is it suspended, or its machine overloaded?",
            ANSWER_TIMEOUT.as_secs()
        ))),
    }
}

/// Talks to the controller on a connection and a thread of its own: answers from a disk must not hold up the session, and whoever asks may be inside
/// a runtime that must not be entered twice.
fn ask<T, F>(source: &FileSource, talk: impl FnOnce(ClusterClient<Channel>) -> F + Send) -> Result<T>
where
    T: Send,
    F: Future<Output = Result<T>>,
{
    let asking = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|e| Error::Connect(format!("this process cannot wait for events: {e}")))?;
        runtime.block_on(async {
            let file = source().map_err(Error::Connect)?;
            let connected = phalanx_link::connect(&file, &host::id()).await;
            let channel = connected.map_err(|e| Error::Connect(e.to_string()))?.channel;
            talk(ClusterClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)).await
        })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("phalanx-history".into()).spawn_scoped(scope, asking);
        let thread = thread.map_err(|e| Error::Connect(format!("no thread to ask with: {e}")))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
