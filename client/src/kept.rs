//! Jobs that outlive their client: finding them again, from any program, and dropping their results.

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::JobId;
use phalanx_proto::v1;

use crate::client::Client;
use crate::codec::Value;
use crate::error::{Error, NotKept, Result};
use crate::job::JobHandle;
use crate::result::AsyncMapResult;

/// A job that the controller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Its id, for [`Client::job`].
    pub id: String,
    /// What it is called.
    pub label: String,
    /// How it stands.
    pub phase: JobPhase,
    /// Its results are kept: they can be had by its id.
    pub kept: bool,
    /// The client that submitted it is not connected any more.
    pub client_left: bool,
    /// How many elements it has.
    pub elements: u64,
    /// Those of them that have a value.
    pub elements_done: u64,
    /// Those of them that have failed.
    pub elements_failed: u64,
    /// Time since it was submitted.
    pub age: Duration,
    /// Time since its end, if it has ended.
    pub ended: Option<Duration>,
    /// What its results take at the controller.
    pub kept_bytes: u64,
    /// The type of its values, as [`Client::job`] must be asked for them; unknown where nothing is kept.
    pub result_type: String,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobPhase {
    /// It waits or runs.
    Running,
    /// Every element has a value or has failed.
    Completed,
    /// It was aborted.
    Aborted,
    /// Nothing of it was begun within its queue limit.
    Expired,
    /// What was left of it could never be run.
    Impossible,
    /// Something a newer controller knows of.
    Other,
}

/// What a purge has dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Jobs whose results were dropped.
    pub jobs: u64,
    /// What they took at the controller.
    pub bytes: u64,
}

impl JobInfo {
    fn from_wire(entry: v1::JobEntry) -> Self {
        let phase = match entry.phase() {
            v1::JobPhase::Running => JobPhase::Running,
            v1::JobPhase::Completed => JobPhase::Completed,
            v1::JobPhase::Cancelled => JobPhase::Aborted,
            v1::JobPhase::Expired => JobPhase::Expired,
            v1::JobPhase::Impossible => JobPhase::Impossible,
            v1::JobPhase::Unspecified => JobPhase::Other,
        };
        Self {
            id: JobId::from_bytes(&entry.id).map(|id| id.to_string()).unwrap_or_default(),
            label: entry.label,
            phase,
            kept: entry.kept,
            client_left: entry.client_left,
            elements: entry.elements,
            elements_done: entry.elements_done,
            elements_failed: entry.elements_failed,
            age: Duration::from_millis(entry.age_ms),
            ended: (phase != JobPhase::Running).then(|| Duration::from_millis(entry.ended_ms)),
            kept_bytes: entry.kept_bytes,
            result_type: entry.result_type,
        }
    }
}

impl Client {
    /// The results of a job that was submitted by a view with [`keep`](crate::LoadBalancedView::keep), by this program or another one that has
    /// long ended: those that are there at once, the others as they come. `R` is the type of its values: for a map that of one element, for
    /// `apply` and the like that of what one engine gives. Progress, chunks, failures and `abort` work as for the client that submitted it.
    ///
    /// Any program may attach that may connect to the cluster: on the controller's machine its user's, elsewhere those with `client.json`.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let id = client.load_balanced_view().keep().map_async(|x: u32| x * x, 0..10, 5).id();
    /// // Later, and perhaps elsewhere:
    /// let out = client.job::<u32>(&id)?;
    /// assert_eq!(out.get()?[..4], [0, 1, 4, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotKept`] says why there is nothing to attach to: an unknown id, a job that was not to be kept, results that were dropped, a controller that was
    /// restarted. [`Error::WrongResultType`], [`Error::BadJobId`].
    pub fn job<R: Value>(&self, id: &str) -> Result<AsyncMapResult<R>> {
        let job = self.session.attach(job_id(id)?, std::any::type_name::<R>())?;
        let handle = JobHandle { job, session: Arc::clone(&self.session) };
        #[cfg(feature = "hdf5")]
        return Ok(AsyncMapResult::new(handle, crate::save::saver_alone::<R>));
        #[cfg(not(feature = "hdf5"))]
        return Ok(AsyncMapResult::new(handle));
    }

    /// All jobs whose results are kept, and all others that are under way, of every client; the oldest first, the newest ten thousand.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().keep().label("squares").map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// let jobs = client.jobs()?;
    /// assert_eq!((jobs[0].id.as_str(), jobs[0].label.as_str()), (out.id().as_str(), "squares"));
    /// assert_eq!(jobs[0].elements_done, 10);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ControllerLost`] while there is no connection.
    pub fn jobs(&self) -> Result<Vec<JobInfo>> {
        let reply = self
            .session
            .ask(|mut cluster| async move { Ok(cluster.jobs(v1::JobsRequest {}).await?.into_inner()) })?;
        Ok(reply.jobs.into_iter().map(JobInfo::from_wire).collect())
    }

    /// Drops the results of these jobs at the controller: of all of them, or with an error of none. Who has results already keeps them.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().keep().map_async(|x: u32| x * x, 0..10, 5);
    /// out.get()?;
    /// # while client.jobs()?[0].ended.is_none() {} // its end comes after its last value
    /// assert_eq!(client.purge([out.id()])?.jobs, 1);
    /// assert!(client.job::<u32>(&out.id()).unwrap_err().to_string().contains("purged"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotKept`] names the first that cannot be purged, and why: it is under way ([`NotKept::Unfinished`]), or nothing is kept of it.
    pub fn purge<I: AsRef<str>>(&self, ids: impl IntoIterator<Item = I>) -> Result<Purged> {
        let ids: Result<Vec<JobId>> = ids.into_iter().map(|id| job_id(id.as_ref())).collect();
        let ids = ids?.into_iter().map(|id| id.to_bytes().to_vec().into()).collect();
        self.purge_these(v1::PurgeRequest { ids, all: false })
    }

    /// Drops the results of all jobs that have ended, whoever submitted them.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.purge_all()?.jobs, 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`jobs`](Self::jobs).
    pub fn purge_all(&self) -> Result<Purged> {
        self.purge_these(v1::PurgeRequest { ids: Vec::new(), all: true })
    }

    fn purge_these(&self, request: v1::PurgeRequest) -> Result<Purged> {
        let reply =
            self.session.ask(|mut cluster| async move { Ok(cluster.purge(request).await?.into_inner()) })?;
        match reply.refused() {
            v1::NotKept::Unspecified => Ok(Purged { jobs: reply.jobs, bytes: reply.bytes }),
            refused => Err(Error::NotKept {
                job: JobId::from_bytes(&reply.refused_id).map(|id| id.to_string()).unwrap_or_default(),
                why: NotKept::from_wire(refused),
                message: reply.message,
            }),
        }
    }
}

fn job_id(text: &str) -> Result<JobId> {
    text.parse().map_err(|_| Error::BadJobId(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        let id = JobId(uuid::Uuid::now_v7().as_u128());
        assert_eq!(job_id(&id.to_string()).unwrap(), id);
        let error = job_id("squares").unwrap_err();
        assert!(error.to_string().contains("\"squares\" is no job's id"), "{error}");
    }
}
