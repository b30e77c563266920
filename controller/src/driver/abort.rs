//! Jobs that are ended by somebody who need not be their client.

use std::collections::BTreeMap;

use phalanx_proto::ids::{ClientId, JobKey};
use phalanx_proto::v1::{AbortReply, AbortedJob};
use phalanx_scheduler::Input;

use super::Driver;

impl Driver {
    /// Ends these jobs, each named by its id, either end of it, or its label; or none of them, and why.
    pub(super) fn abort(&mut self, wanted: &[String]) -> Result<AbortReply, String> {
        let mut found: BTreeMap<JobKey, (ClientId, AbortedJob)> = BTreeMap::new();
        for name in wanted {
            let (key, job) = self.find_job(name)?;
            found.insert(key, (job.client, AbortedJob { id: job.id.to_string(), label: job.label.clone() }));
        }
        let mut jobs = Vec::with_capacity(found.len());
        for (job, (client, aborted)) in found {
            tracing::info!(id = %aborted.id, "a job is aborted from outside");
            self.expect(Input::Cancel { client, job });
            jobs.push(aborted);
        }
        self.settle();
        Ok(AbortReply { jobs })
    }
}
