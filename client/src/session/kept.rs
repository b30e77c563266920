//! Jobs that outlive their client, as the connection sees them: those that the controller has still to promise, those that
//! somebody wants to attach to, and questions about them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use phalanx_proto::ids::JobId;
use phalanx_proto::v1;

use super::aborting::Aborting;
use super::{Command, JOBS_MAX, Session, too_many};
use crate::error::{Error, NotKept, Result};
use crate::job::Job;

/// How long a client that is closed waits for the controller to have all of its kept jobs.
const KEEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Somebody waits to be attached to a job.
pub(super) struct Attaching {
    pub(super) id: JobId,
    pub(super) wanted: &'static str,
    tell: SyncSender<Result<Arc<Job>>>,
}

impl Attaching {
    pub(super) fn tell(self, answer: Result<Arc<Job>>) {
        // Whoever asked waits for it.
        let _ = self.tell.send(answer);
    }
}

/// What waits for the controller's word.
#[derive(Default)]
pub(crate) struct Kept {
    /// By their numbers, at most one for each thread.
    pub(super) attaching: DashMap<u64, Attaching>,
    /// Jobs that are to be kept and are not promised yet, by their numbers.
    pub(super) unpromised: DashMap<u64, Arc<Job>>,
    pub(super) aborting: Aborting,
}

impl Kept {
    /// The controller has gone, or the connection has ended.
    pub(super) fn lost(&self, error: &Error) {
        let waiting: Vec<u64> = self.attaching.iter().map(|entry| *entry.key()).collect();
        for key in waiting {
            if let Some((_, waiting)) = self.attaching.remove(&key) {
                waiting.tell(Err(error.clone()));
            }
        }
        // The others are followed when it is back.
        self.unpromised.retain(|_, job| {
            let over = job.is_over();
            if over {
                job.keeps_no_more(error.clone());
            }
            !over
        });
    }

    /// The connection has ended for good.
    pub(super) fn end(&self, error: &Error) {
        self.lost(error);
        self.unpromised.iter().for_each(|job| job.keeps_no_more(error.clone()));
        self.unpromised.clear();
        self.aborting.clear();
    }

    /// The controller will not keep this one.
    pub(super) fn refused(&self, key: u64, error: &Error) {
        self.aborting.remove(key);
        if let Some((_, job)) = self.unpromised.remove(&key) {
            job.keeps_no_more(error.clone());
        }
    }
}

impl Session {
    /// A job of any client, by its id.
    pub(crate) fn attach(&self, id: JobId, wanted: &'static str) -> Result<Arc<Job>> {
        if self.jobs.len() >= JOBS_MAX {
            return Err(too_many());
        }
        let key = self.fresh_key();
        let (tell, told) = sync_channel(1);
        self.kept.attaching.insert(key, Attaching { id, wanted, tell });
        if self.commands.send(Command::Attach { key, id, result_type: wanted }).is_err() {
            self.kept.attaching.remove(&key);
            return Err(Error::Closed);
        }
        self.answer(&told)?
    }

    fn answer<T>(&self, told: &Receiver<T>) -> Result<T> {
        let _waiting = self.waiting();
        told.recv().map_err(|_| Error::ControllerLost("it is not there at present".to_owned()))
    }

    /// Waits until the controller has all of the job that it needs to go on without this client.
    pub(crate) fn wait_kept(&self, job: &Job, timeout: Option<Duration>) -> Result<()> {
        let _waiting = self.waiting();
        job.wait_kept(timeout)
    }

    /// Waits until the controller has all of every kept job, and has ended those that were aborted, before the client leaves.
    pub(crate) fn wait_all_kept(&self) {
        let until = Instant::now() + KEEP_TIMEOUT;
        let jobs: Vec<Arc<Job>> = self.kept.unpromised.iter().map(|job| Arc::clone(&job)).collect();
        for job in jobs {
            let left = until.saturating_duration_since(Instant::now());
            if let Err(e) = self.wait_kept(&job, Some(left)) {
                tracing::error!(job = %job.id, "the job is not kept, and ends with this client: {e}");
            }
        }
        let _waiting = self.waiting();
        if !self.kept.aborting.wait_until_none(until) {
            tracing::error!("the controller has not said that the kept jobs that were aborted have ended");
        }
    }
}

/// Why the controller says that a job is not kept, if it does.
pub(super) fn refusal(attached: &v1::Attached, job: JobId, wanted: &str) -> Option<(v1::NotKept, Error)> {
    let refused = attached.refused();
    let why = match refused {
        v1::NotKept::Unspecified => return None,
        v1::NotKept::Type => {
            let found = attached.result_type.clone();
            let (job, wanted) = (job.to_string(), wanted.to_owned());
            return Some((refused, Error::WrongResultType { job, wanted, found }));
        }
        other => NotKept::from_wire(other),
    };
    Some((refused, Error::NotKept { job: job.to_string(), why, message: attached.message.clone() }))
}

impl Attaching {
    pub(super) fn refusal(&self, attached: &v1::Attached) -> Option<Error> {
        refusal(attached, self.id, self.wanted).map(|(_, error)| error)
    }
}
