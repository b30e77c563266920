//! Asking the controller of a profile how its cluster is.

use std::future::Future;
use std::time::Duration;

use phalanx_link::ConnectError;
use phalanx_profile::{
    ConnectionError, ConnectionFile, Lock, LockError, LockStatus, Profile, ProfileError, Role,
};
use phalanx_proto::host;
use phalanx_proto::ids::JobId;
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{
    AbortRequest, AbortedJob, ExplainRequest, HistoryReply, HistoryRequest, JobEntry, JobsRequest, NotKept,
    PurgeReply, PurgeRequest, StatusRequest,
};
use thiserror::Error;
use tonic::transport::Channel;

use crate::explained::Explained;
use crate::snapshot::Snapshot;

/// A controller that is not stuck answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// What it says of the past comes from a disk, and others may have asked before.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(30);

/// A controller could not be asked.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// No controller runs.
    #[error("no controller runs on profile `{profile}`")]
    NotRunning { profile: String },
    /// There is one, elsewhere perhaps, that cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    File(#[from] ConnectionError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It said no.
    #[error("the controller does not say how its cluster is: {0}")]
    Refused(String),
    /// There is no such job, or more than one.
    #[error("{0}")]
    UnknownJob(String),
    /// It does not drop what was asked for.
    #[error("{0}")]
    NotPurged(String),
    /// It said why it cannot answer.
    #[error("{0}")]
    History(String),
    /// It is stuck, or stopped.
    #[error("the controller of profile `{profile}` does not answer within {} seconds: is it suspended, or its machine overloaded?", ANSWER_TIMEOUT.as_secs())]
    Silent { profile: String },
}

/// `phalanx status`
pub(crate) async fn status(profile: &str) -> Result<Snapshot, AskError> {
    Controller::of(profile).await?.snapshot().await
}

/// `phalanx explain`
pub(crate) async fn explain(profile: &str, job: &str) -> Result<Explained, AskError> {
    Controller::of(profile).await?.explain(job).await
}

/// Whether a controller may answer: one holds the profile's lock, or the profile is a copy of another machine's,
/// whose lock cannot be seen from here.
pub(crate) fn may_run(profile: &Profile) -> Result<bool, AskError> {
    if !matches!(Lock::status(profile)?, LockStatus::Free) {
        return Ok(true);
    }
    match ConnectionFile::load(profile.client_file(), Role::Client) {
        Ok(file) => Ok(file.endpoints.socket.is_none_or(|socket| socket.host_id != host::id())
            && !profile.lock_file().exists()),
        Err(ConnectionError::Missing { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// A controller that answers.
pub(crate) struct Controller {
    profile: String,
    client: ClusterClient<Channel>,
}

impl Controller {
    /// The one that runs on this profile.
    pub(crate) async fn of(profile: &str) -> Result<Controller, AskError> {
        let profile = Profile::open(profile)?;
        if !may_run(&profile)? {
            return Err(AskError::NotRunning { profile: profile.name().to_owned() });
        }
        Self::connect(&profile).await
    }

    pub(crate) async fn connect(profile: &Profile) -> Result<Controller, AskError> {
        let file = ConnectionFile::load(profile.client_file(), Role::Client)?;
        let connected = in_time(profile.name(), phalanx_link::connect(&file, &host::id())).await??;
        let client = ClusterClient::new(connected.channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Controller { profile: profile.name().to_owned(), client })
    }

    pub(crate) async fn snapshot(&mut self) -> Result<Snapshot, AskError> {
        let asking = self.client.status(StatusRequest {});
        match in_time(&self.profile, asking).await? {
            Ok(reply) => Ok(Snapshot::new(&self.profile, reply.into_inner())),
            Err(status) => Err(AskError::Refused(status.message().to_owned())),
        }
    }

    /// A page of the history.
    pub(crate) async fn history(&mut self, request: HistoryRequest) -> Result<HistoryReply, AskError> {
        match tokio::time::timeout(HISTORY_TIMEOUT, self.client.history(request)).await {
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(AskError::History(status.message().to_owned())),
            Err(_) => Err(AskError::Silent { profile: self.profile.clone() }),
        }
    }

    /// Ends jobs: all that are named, or none.
    pub(crate) async fn abort(&mut self, jobs: Vec<String>) -> Result<Vec<AbortedJob>, AskError> {
        match in_time(&self.profile, self.client.abort(AbortRequest { jobs })).await? {
            Ok(reply) => Ok(reply.into_inner().jobs),
            Err(status) => Err(named(&status)),
        }
    }

    /// All jobs that it knows, the oldest first.
    pub(crate) async fn jobs(&mut self) -> Result<Vec<JobEntry>, AskError> {
        match in_time(&self.profile, self.client.jobs(JobsRequest {})).await? {
            Ok(reply) => Ok(reply.into_inner().jobs),
            Err(status) => Err(AskError::Refused(status.message().to_owned())),
        }
    }

    /// Drops results: all that were asked for, or none.
    pub(crate) async fn purge(&mut self, request: PurgeRequest) -> Result<PurgeReply, AskError> {
        let reply = match in_time(&self.profile, self.client.purge(request)).await? {
            Ok(reply) => reply.into_inner(),
            Err(status) => return Err(AskError::Refused(status.message().to_owned())),
        };
        match reply.refused() {
            NotKept::Unspecified => Ok(reply),
            _ => {
                let id = JobId::from_bytes(&reply.refused_id).map(|id| id.to_string()).unwrap_or_default();
                Err(AskError::NotPurged(format!("nothing was dropped: job {id}: {}", reply.message)))
            }
        }
    }

    async fn explain(&mut self, job: &str) -> Result<Explained, AskError> {
        let asking = self.client.explain(ExplainRequest { job: job.to_owned() });
        match in_time(&self.profile, asking).await? {
            Ok(reply) => Ok(Explained::new(reply.into_inner())),
            Err(status) => Err(named(&status)),
        }
    }
}

/// Why a job that was named was not found.
fn named(status: &tonic::Status) -> AskError {
    let text = status.message().to_owned();
    match status.code() {
        tonic::Code::NotFound | tonic::Code::InvalidArgument => AskError::UnknownJob(text),
        _ => AskError::Refused(text),
    }
}

async fn in_time<T>(profile: &str, answer: impl Future<Output = T>) -> Result<T, AskError> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer)
        .await
        .map_err(|_| AskError::Silent { profile: profile.to_owned() })
}
