//! What has become of jobs: [`Client::history`] asks the controller, which keeps it in a file of its profile.

use std::future::Future;

use phalanx_history::{ChunkQuery, ChunkRecord, HistoryQuery, JobRecord, QUERY_ROWS_MAX, wire};
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{HistoryReply, HistoryRequest};
use tonic::Code;
use tonic::transport::Channel;

use crate::client::Client;
use crate::error::{Error, Result};

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
    /// [`Error::History`] when it cannot be asked like this, or the controller keeps none or cannot read it; [`Error::ControllerLost`] when no controller answers.
    pub fn history(&self, query: HistoryQuery) -> Result<Vec<JobRecord>> {
        query.check().map_err(|e| Error::History(e.to_string()))?;
        self.ask_history(async move |mut controller| {
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
        self.ask_history(async move |mut controller| {
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

impl Client {
    fn ask_history<T, F>(&self, talk: impl FnOnce(ClusterClient<Channel>) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        self.session.ask(async move |cluster| Ok(talk(cluster).await))?
    }
}

fn newer(what: String) -> Error {
    Error::History(format!("the controller says what this version does not know: {what}"))
}

async fn page(controller: &mut ClusterClient<Channel>, request: HistoryRequest) -> Result<HistoryReply> {
    match controller.history(request).await {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) if status.code() == Code::Unimplemented => {
            Err(Error::History("the controller is of a version without a history; restart it".to_owned()))
        }
        Err(status) if matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown) => {
            Err(Error::ControllerLost(phalanx_proto::lost::reason(&status)))
        }
        Err(status) => Err(Error::History(status.message().to_owned())),
    }
}
