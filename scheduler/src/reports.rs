//! Duty: chunks come back, with results or unstarted.

use std::sync::Arc;
use std::time::Duration;

use phalanx_proto::ids::{ChunkId, JobKey, Run};
use phalanx_proto::limits::RUN_CHUNKS_MAX;

use crate::action::{Action, ChunkFailure};
use crate::bug::Bug;
use crate::direct::DirectChunk;
use crate::held::{HeldRun, Holding};
use crate::ledger::ChunkState;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

/// Longest time that is believed of a report; about a month.
const BUSY_NS_MAX: u64 = 1 << 51;

impl Scheduler {
    #[expect(clippy::too_many_arguments, reason = "they are the fields of one input")]
    pub(crate) fn on_report(
        &mut self,
        at: u32,
        key: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
        busy: Duration,
        failed: &[u32],
    ) -> Result<(), Reject> {
        let held = self.claimed(at, key, first, count, attempt)?;
        if held.holding == Holding::Cancelled {
            self.acknowledge(at, key, first, count);
            return Ok(());
        }
        let run = self.check_report(&held, count, failed)?;
        let charge_ns = self.take_held(at, key, first, count);
        self.engines[at].completed += u64::from(count);
        let busy_ns = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX).min(BUSY_NS_MAX);
        self.note_begun(at, held.urgent, busy_ns);
        self.fair.charge(held.slot, busy_ns as i64 - charge_ns.min(i64::MAX as u64) as i64);
        let retrying = self.enter_results(&held, run, busy_ns, failed);
        let id = self.engines[at].id;
        self.jobs[held.slot].ran_on.insert(id.0);
        self.actions.push_back(Action::Accepted { client: self.jobs[held.slot].client_id, run, retrying });
        self.begin(held.slot);
        if retrying {
            // Another engine that is free comes first: it may be this one's fault.
            self.requeue(at, &HeldRun { count, ..held }, true);
            self.feed();
        } else {
            self.finish_if_done(held.slot);
        }
        self.released(at);
        self.refill(at);
        Ok(())
    }

    /// The (first) run that these chunks are in, if the engine holds them all with this attempt.
    fn claimed(&self, at: u32, key: JobKey, first: u64, count: u32, attempt: u32) -> Result<HeldRun, Reject> {
        check_range(first, count)?;
        let engine = &self.engines[at];
        let mut held = engine.held.check(key, first, count, attempt);
        if held.is_none() && self.has_bug(Bug::IgnoresAttempts) {
            held = (1..9).find_map(|attempt| engine.held.check(key, first, count, attempt));
        }
        held.ok_or_else(|| self.why_not_held(at, key, first, count, attempt))
    }

    fn why_not_held(&self, at: u32, key: JobKey, first: u64, count: u32, attempt: u32) -> Reject {
        let Ok(slot) = self.job_slot(key) else { return Reject::UnknownJob(key) };
        let job = &self.jobs[slot];
        let engine = self.engines[at].id;
        for index in first..first + u64::from(count) {
            let chunk = ChunkId { job: key, index };
            let ordinal = job.cutter.ordinal(index, job.ledger.end()).filter(|o| *o < job.ledger.end());
            let Some(ordinal) = ordinal else { return Reject::UnknownChunk(chunk) };
            match job.ledger.get(ordinal) {
                Some(known) if known.attempt == attempt && known.owner != engine => {
                    return Reject::WrongOwner { chunk, engine };
                }
                Some(known) if known.attempt == attempt && known.state == ChunkState::Assigned => {}
                _ => return Reject::StaleAttempt { chunk, attempt },
            }
        }
        Reject::StaleAttempt { chunk: ChunkId { job: key, index: first }, attempt }
    }

    fn check_report(&self, held: &HeldRun, count: u32, failed: &[u32]) -> Result<Run, Reject> {
        let job = &self.jobs[held.slot];
        let piece = job.cutter.piece(held.ordinal, count);
        if piece.count != count {
            return Err(Reject::Malformed("a report of chunks of differing lengths"));
        }
        let special = || job.only.range(held.ordinal..held.ordinal + u64::from(count)).next().is_some();
        if count > 1 && (!failed.is_empty() || (!job.only.is_empty() && special())) {
            return Err(Reject::Malformed("a report of some elements of several chunks"));
        }
        if failed.is_empty() {
            return Ok(job.run(piece, held.attempt));
        }
        let ascending = failed.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || failed.last().is_some_and(|offset| *offset >= piece.len) {
            return Err(Reject::Malformed("failed elements that are not in the chunk"));
        }
        if let Some(only) = job.only.get(&held.ordinal)
            && failed.iter().any(|offset| only.binary_search(offset).is_err())
        {
            return Err(Reject::Malformed("failed elements that were not to be run"));
        }
        Ok(job.run(piece, held.attempt))
    }

    /// Takes chunks off an engine; what they were expected to take.
    fn take_held(&mut self, at: u32, key: JobKey, first: u64, count: u32) -> u64 {
        let (mut taken, mut charge_ns) = (0, 0u64);
        while taken < count {
            let run = self.engines[at].held.take(key, first + u64::from(taken), count - taken);
            let run = run.expect("that the engine holds the chunks was checked");
            taken += run.count;
            charge_ns = charge_ns.saturating_add(run.charge_total_ns());
        }
        charge_ns
    }

    /// Counts results. Whether the chunk's failed elements are tried again; if not, the chunks are done.
    fn enter_results(&mut self, held: &HeldRun, run: Run, busy_ns: u64, failed: &[u32]) -> bool {
        let retries_forever = self.has_bug(Bug::RetriesForever);
        let engines = self.open_for(held.slot);
        let job = &mut self.jobs[held.slot];
        let ran = match run.count {
            1 => job.elements_open(held.ordinal),
            count => u64::from(count) * u64::from(run.chunk_len),
        };
        job.pace.add(busy_ns, ran, run.count, engines);
        let mut retrying = false;
        if !failed.is_empty() {
            let chunk = job.ledger.get_mut(held.ordinal).expect("an assigned chunk is remembered");
            chunk.failures = chunk.failures.saturating_add(1);
            let allowed = u32::from(chunk.failures) <= job.retries && chunk.failures < u16::MAX;
            retrying = allowed || retries_forever;
        }
        job.elements_done += ran - failed.len() as u64;
        if retrying {
            job.only.insert(held.ordinal, failed.into());
        } else {
            job.elements_failed += failed.len() as u64;
            job.finish(held.ordinal, run.count, ChunkState::Done);
        }
        retrying
    }

    /// The engine has said what became of chunks whose job is gone.
    fn acknowledge(&mut self, at: u32, key: JobKey, first: u64, count: u32) {
        self.take_held(at, key, first, count);
        self.released(at);
        self.refill(at);
    }

    pub(crate) fn on_returned(
        &mut self,
        at: u32,
        key: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
        refused: bool,
    ) -> Result<(), Reject> {
        let held = self.claimed(at, key, first, count, attempt)?;
        if held.holding == Holding::Cancelled {
            self.acknowledge(at, key, first, count);
            return Ok(());
        }
        if refused && !self.jobs[held.slot].place.conditional {
            return Err(Reject::Malformed("a condition that is not met, of a job that has none"));
        }
        let charge_ns = self.take_held(at, key, first, count);
        self.fair.charge(held.slot, -(charge_ns.min(i64::MAX as u64) as i64));
        let draining = self.nodes[self.engines[at].node_slot].draining;
        if held.holding == Holding::Direct && draining {
            for ordinal in held.ordinal..held.ordinal + u64::from(count) {
                self.fail_engine_lost(held.slot, ordinal, at, &"its node is leaving".into());
            }
            self.finish_if_done(held.slot);
        } else {
            self.requeue(at, &HeldRun { count, ..held }, false);
            if refused {
                self.refuse_on(held.slot, at);
            }
            if self.has_bug(Bug::KeepsReturned) {
                self.engines[at].held.push(HeldRun { count, ..held });
            }
        }
        self.review_overdue(held.slot);
        self.released(at);
        self.feed();
        self.refill(at);
        Ok(())
    }

    /// A chunk has been run, and nobody will know what came of it.
    pub(crate) fn on_untold(
        &mut self,
        at: u32,
        key: JobKey,
        index: u64,
        attempt: u32,
        message: Arc<str>,
    ) -> Result<(), Reject> {
        let held = self.claimed(at, key, index, 1, attempt)?;
        if held.holding == Holding::Cancelled {
            self.acknowledge(at, key, index, 1);
            return Ok(());
        }
        // What it was expected to take is what it has had.
        self.take_held(at, key, index, 1);
        self.begin(held.slot);
        let id = self.engines[at].id;
        self.fail_chunk(held.slot, held.ordinal, id, ChunkFailure::Untold { message });
        self.finish_if_done(held.slot);
        self.released(at);
        self.refill(at);
        Ok(())
    }

    /// The engine did not hand these chunks back, or not all of them: it has begun them.
    pub(crate) fn on_begun(
        &mut self,
        at: u32,
        key: JobKey,
        first: u64,
        count: u32,
        attempt: u32,
    ) -> Result<(), Reject> {
        check_range(first, count)?;
        let held = self.engines[at].held.reclaim(key, first, count, attempt);
        let slot = held.ok_or_else(|| self.why_not_held(at, key, first, count, attempt))?;
        if let Some(slot) = slot {
            self.begin(slot);
        }
        self.note(at);
        Ok(())
    }

    /// Chunks of one job that were on an engine, and may have `begun` there, are to be assigned again.
    pub(crate) fn requeue(&mut self, at: u32, run: &HeldRun, begun: bool) {
        let job = &mut self.jobs[run.slot];
        job.requeue(run.ordinal, run.count, begun);
        if run.holding == Holding::Direct {
            let client = job.client;
            for ordinal in (run.ordinal..run.ordinal + u64::from(run.count)).rev() {
                self.engines[at].direct.push_front(client, DirectChunk { job: run.slot, ordinal });
            }
        } else {
            self.update_ready(run.slot);
        }
    }
}

fn check_range(first: u64, count: u32) -> Result<(), Reject> {
    if count == 0 || count > RUN_CHUNKS_MAX || first.checked_add(u64::from(count)).is_none() {
        return Err(Reject::Malformed("a range of chunks that cannot be"));
    }
    Ok(())
}
