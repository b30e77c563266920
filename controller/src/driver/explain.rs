//! Why a job waits, from the scheduler's own reasons.

use phalanx_proto::ids::JobKey;
use phalanx_proto::v1::{ExplainReply, Running};
use phalanx_scheduler::Waiting;

use super::Driver;
use super::job::Job;

/// Jobs that are named where a question fits several.
const NAMED_MAX: usize = 5;

/// Fewer characters of an id are more likely a slip.
const PART_CHARS_MIN: usize = 4;

impl Driver {
    /// Says how a job stands that is named by its id, either end of it, or its label; or why there is no saying.
    pub(super) fn explain(&self, wanted: &str) -> Result<ExplainReply, String> {
        let (key, job) = self.find_job(wanted)?;
        let seen = self.scheduler.job_status(key).unwrap_or_default();
        let stands = self.scheduler.explain_job(key).unwrap_or_default();
        let after = match &stands.waiting {
            Some(Waiting::After { jobs }) => {
                jobs.iter().filter_map(|key| Some(self.jobs.get(key)?.id.to_string())).collect()
            }
            _ => Vec::new(),
        };
        let running = stands.running.iter().map(|run| Running {
            engine: run.engine.0,
            chunk: run.chunk,
            attempt: run.attempt,
            chunks: run.chunks,
            behind: run.behind,
        });
        Ok(ExplainReply {
            id: job.id.to_string(),
            label: job.label.clone(),
            elements: job.elements,
            elements_done: seen.elements_done,
            elements_failed: seen.elements_failed,
            running: running.collect(),
            chunks_queued: stands.chunks_queued,
            chunks_waiting: stands.chunks_waiting,
            waiting: stands.waiting.map(|waiting| waiting.to_string()).unwrap_or_default(),
            after,
        })
    }

    /// The only job that has not ended and has this id, begins or ends with it, or has this label.
    pub(super) fn find_job(&self, wanted: &str) -> Result<(JobKey, &Job), String> {
        let id = |job: &Job| job.id.to_string();
        // `status` shows the end of an id: its beginning is the time.
        let part = wanted.to_ascii_lowercase();
        let is_of = |id: &str| part.len() >= PART_CHARS_MIN && (id.starts_with(&part) || id.ends_with(&part));
        let is_it = |job: &Job| !wanted.is_empty() && (is_of(&id(job)) || job.label == wanted);
        let mut found: Vec<(JobKey, &Job)> =
            self.jobs.iter().filter(|(_, job)| is_it(job)).map(|(key, job)| (*key, job)).collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!(
                "no job under way has the label {wanted:?}, or an id that begins or ends with it ({PART_CHARS_MIN} characters or more); {} are under way (phalanx status lists them, phalanx jobs and phalanx history those that have ended)",
                self.jobs.len()
            )),
            several => {
                let named: Vec<String> = several.iter().take(NAMED_MAX).map(|(_, job)| id(job)).collect();
                Err(format!(
                    "{wanted:?} fits {} jobs: {} …; give more of the id",
                    several.len(),
                    named.join(", ")
                ))
            }
        }
    }
}
