//! "Why is it waiting?", answered by the controller's scheduler.

use std::fmt;

use phalanx_proto::v1;

use super::handle::JobHandle;
use crate::error::{Error, Result};
use crate::session::Session;

/// How a job stands; see [`JobHandle::explain`]. `Display` says it in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobExplanation {
    /// It has ended: nothing runs and nothing waits.
    pub ended: bool,
    /// What engines hold of it, by their ids, whether it runs or waits there.
    pub running: Vec<HeldChunks>,
    /// Chunks that engines hold, and do not run yet.
    pub chunks_queued: u64,
    /// Chunks that no engine has yet, as far as they can be counted.
    pub chunks_waiting: u64,
    /// Why the first of those waits; of a job that has [`ended`](Self::ended), why it ended as a whole, if it did not end well.
    pub reason: Option<String>,
    /// The ids of the jobs that must be over before it begins, and are not.
    pub after: Vec<String>,
}

/// What one engine holds of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldChunks {
    /// The engine.
    pub engine: u32,
    /// The first of the job's chunks on it.
    pub chunk: u64,
    /// Which attempt that is, from 1.
    pub attempt: u32,
    /// How many chunks of the job it holds.
    pub chunks: u64,
    /// Chunks of other jobs that come before it there; 0 when it runs, or is about to.
    pub behind: u64,
}

/// Asks the controller, unless the job has ended.
pub(super) fn explain(handle: &JobHandle) -> Result<JobExplanation> {
    let ended = || {
        let reason = handle.error().map(|e| e.to_string());
        JobExplanation { ended: true, reason, ..JobExplanation::default() }
    };
    if handle.job.is_over() {
        return Ok(ended());
    }
    match explain_by_name(&handle.session, &handle.id()) {
        Ok(explanation) => Ok(explanation),
        // It is on its way there, or has ended in the meantime.
        Err(Error::Question(_)) if handle.job.is_over() => Ok(ended()),
        Err(Error::Question(_)) => {
            let reason = Some("the controller has not taken it up yet".to_owned());
            Ok(JobExplanation { reason, ..JobExplanation::default() })
        }
        Err(e) => Err(e),
    }
}

/// Asks the controller of a job by its id, or what else names it.
pub(crate) fn explain_by_name(session: &Session, name: &str) -> Result<JobExplanation> {
    let request = v1::ExplainRequest { job: name.to_owned() };
    let reply = session.ask(|mut cluster| async move { Ok(cluster.explain(request).await?.into_inner()) })?;
    Ok(JobExplanation::new(reply))
}

impl JobExplanation {
    fn new(reply: v1::ExplainReply) -> Self {
        let held = |run: &v1::Running| HeldChunks {
            engine: run.engine,
            chunk: run.chunk,
            attempt: run.attempt,
            chunks: run.chunks,
            behind: run.behind,
        };
        Self {
            ended: false,
            running: reply.running.iter().map(held).collect(),
            chunks_queued: reply.chunks_queued,
            chunks_waiting: reply.chunks_waiting,
            reason: Some(reply.waiting).filter(|reason| !reason.is_empty()),
            after: reply.after,
        }
    }
}

/// Engines that are named one by one.
const NAMED_MAX: usize = 8;

fn named(held: &[HeldChunks]) -> String {
    let names: Vec<String> = held.iter().take(NAMED_MAX).map(|held| held.engine.to_string()).collect();
    match held.len() {
        1 => format!("engine {}", names[0]),
        n if n > NAMED_MAX => format!("{n} engines ({}, …)", names.join(", ")),
        n => format!("{n} engines ({})", names.join(", ")),
    }
}

impl fmt::Display for JobExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ended {
            return match &self.reason {
                Some(reason) => write!(f, "it has ended: {reason}"),
                None => f.write_str("it has ended"),
            };
        }
        let chunks = |n: u64| if n == 1 { "1 chunk".to_owned() } else { format!("{n} chunks") };
        let (run, wait): (Vec<HeldChunks>, _) = self.running.iter().partition(|held| held.behind == 0);
        let mut said = Vec::new();
        match run.len() {
            0 => said.push("nothing of it runs".to_owned()),
            _ => said.push(format!("it runs on {}", named(&run))),
        }
        if self.chunks_queued > 0 {
            let place = if wait.is_empty() {
                "there".to_owned()
            } else {
                format!("behind other work on {}", named(&wait))
            };
            said.push(format!("{} queued {place}", chunks(self.chunks_queued)));
        }
        if let Some(reason) = &self.reason {
            let whose =
                if self.chunks_waiting > 0 { chunks(self.chunks_waiting) } else { "the rest".to_owned() };
            let verb = if self.chunks_waiting == 1 || self.chunks_waiting == 0 { "waits" } else { "wait" };
            said.push(format!("{whose} {verb}: {reason}"));
        }
        if !self.after.is_empty() {
            said.push(format!("before it: {}", self.after.join(", ")));
        }
        f.write_str(&said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_words() {
        let held = |engine| HeldChunks { engine, chunk: 0, attempt: 1, chunks: 2, behind: 0 };
        let one = JobExplanation { running: vec![held(3)], ..JobExplanation::default() };
        assert_eq!(one.to_string(), "it runs on engine 3");
        let some = JobExplanation {
            running: vec![held(0), held(1)],
            chunks_queued: 2,
            chunks_waiting: 5,
            reason: Some("all 2 engines are busy".to_owned()),
            ..JobExplanation::default()
        };
        let text =
            "it runs on 2 engines (0, 1); 2 chunks queued there; 5 chunks wait: all 2 engines are busy";
        assert_eq!(some.to_string(), text);
        let behind = HeldChunks { behind: 3, ..held(0) };
        let waits = JobExplanation { running: vec![behind], chunks_queued: 2, ..JobExplanation::default() };
        let text = "nothing of it runs; 2 chunks queued behind other work on engine 0";
        assert_eq!(waits.to_string(), text);
        let reason = Some("a job that it runs after is not over".to_owned());
        let none = JobExplanation {
            chunks_waiting: 1,
            reason,
            after: vec!["x".into()],
            ..JobExplanation::default()
        };
        let text = "nothing of it runs; 1 chunk waits: a job that it runs after is not over; before it: x";
        assert_eq!(none.to_string(), text);
    }
}
