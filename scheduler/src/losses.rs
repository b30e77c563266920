//! Duty: engines and workers are lost, and their chunks with them.
//!
//! Two budgets are kept apart: an element that may have *ended* what ran it is quarantined after
//! `crash_limit` times; elements whose function failed, or that ran for too long, are tried again as their job says.
//! Where it is known which element it was, its siblings in the chunk go on without it.

use std::sync::Arc;

use phalanx_proto::ids::EngineId;
use phalanx_proto::limits::ONLY_MAX;

use crate::action::{Action, ChunkFailure, Outcome};
use crate::bug::Bug;
use crate::direct::DirectChunk;
use crate::held::{HeldRun, Holding};
use crate::input::{Loss, LossKind, RunningChunk};
use crate::job::Crash;
use crate::ledger::ChunkState;
use crate::scheduler::Scheduler;

/// A chunk is given up as a whole when it has cost this many times as many workers as an element may: its other elements are
/// likely to be no better.
const CHUNK_CRASHES_FACTOR: usize = 4;

/// What was lost.
pub(crate) enum Lost<'a> {
    Engine(&'a Arc<str>),
    Worker(&'a Loss),
}

impl Lost<'_> {
    fn message(&self) -> &Arc<str> {
        match self {
            Self::Engine(reason) => reason,
            Self::Worker(loss) => &loss.message,
        }
    }

    /// What that means for a direct chunk.
    fn failure(&self, was_running: bool) -> ChunkFailure {
        match self {
            Self::Engine(reason) => ChunkFailure::EngineLost { reason: Arc::clone(reason) },
            Self::Worker(loss) if loss.kind == LossKind::CannotStart => {
                ChunkFailure::CannotStart { message: Arc::clone(&loss.message) }
            }
            Self::Worker(loss) if loss.kind == LossKind::Overran && was_running => {
                ChunkFailure::Overran { message: Arc::clone(&loss.message) }
            }
            Self::Worker(loss) => ChunkFailure::WorkerLost { was_running, loss: (*loss).clone() },
        }
    }

    fn is_overrun(&self) -> bool {
        matches!(self, Self::Worker(loss) if loss.kind == LossKind::Overran)
    }
}

/// A chunk that may be to blame for a loss: its ordinal, and the place of the element it was at.
type Culprit = (u64, Option<u32>);

/// What fails for good: all that is left of a chunk, or one element of it.
struct Verdict {
    offset: Option<u32>,
    failure: ChunkFailure,
}

fn quarantined<'a>(crashes: impl Iterator<Item = &'a Crash>) -> ChunkFailure {
    let (engines, messages) = crashes.map(|crash| (crash.engine, Arc::clone(&crash.message))).unzip();
    ChunkFailure::Quarantined { engines, messages }
}

impl Scheduler {
    /// An engine is no more.
    pub(crate) fn lose_engine(&mut self, at: u32, reason: &Arc<str>) {
        let front = self.next_on(at);
        self.lose_held(at, front, front, &Lost::Engine(reason));
        self.remove_engine(at, reason);
    }

    /// Forgets an engine that holds nothing any more.
    pub(crate) fn remove_engine(&mut self, at: u32, reason: &Arc<str>) {
        self.fail_queued_direct(at, reason);
        self.released(at);
        self.note(at);
        self.leave_classes(at);
        let engine = self.engines.remove(at);
        self.ids.retire(engine.id);
        self.actions.push_back(Action::EngineGone { engine: engine.id, reason: Arc::clone(reason) });
    }

    pub(crate) fn on_worker_lost(&mut self, at: u32, loss: &Loss, running: Option<RunningChunk>) {
        let program = self.engines[at].program;
        let culprit = match loss.kind {
            // One that dies before it has begun anything may have done so over what it was given: without end, if nobody counted.
            LossKind::Died => running.or_else(|| self.next_on(at)),
            LossKind::Overran => running,
            _ => None,
        };
        self.lose_held(at, running, culprit, &Lost::Worker(loss));
        if let Some(program) = program.filter(|_| loss.kind == LossKind::CannotStart) {
            self.fail_queued_of(at, program, loss);
            self.programs[program].barred.insert(self.engines[at].node);
            self.programs[program].refusal = Some((self.engines[at].id, Arc::clone(&loss.message)));
            self.stranded.extend(self.programs[program].jobs.iter().copied());
            self.fail_unrunnable();
        }
        self.released(at);
        self.feed();
        self.refill(at);
    }

    /// The chunk that an engine would run next.
    fn next_on(&self, at: u32) -> Option<RunningChunk> {
        let run = self.engines[at].held.likely_running().filter(|run| run.holding != Holding::Cancelled)?;
        Some(RunningChunk { job: run.job, chunk: run.index, attempt: run.attempt, place: None })
    }

    /// Everything that the engine holds is lost. `culprit`: the chunk that may be to blame.
    pub(crate) fn lose_held(
        &mut self,
        at: u32,
        running: Option<RunningChunk>,
        culprit: Option<RunningChunk>,
        lost: &Lost<'_>,
    ) {
        let is_in = |run: &HeldRun, running: Option<RunningChunk>| {
            let RunningChunk { job, chunk, attempt, place } = running?;
            let inside = run.job == job && run.attempt == attempt;
            let skip = chunk.checked_sub(run.index).filter(|skip| inside && *skip < u64::from(run.count))?;
            Some((run.ordinal + skip, place))
        };
        for run in self.engines[at].held.take_all() {
            if run.holding != Holding::Cancelled && is_in(&run, running).is_some() {
                self.begin(run.slot);
            }
            match run.holding {
                Holding::Cancelled => continue,
                Holding::Direct => {
                    self.refund(&run);
                    let failure = lost.failure(is_in(&run, running).is_some());
                    self.fail_chunk(run.slot, run.ordinal, self.engines[at].id, failure);
                    self.finish_if_done(run.slot);
                }
                Holding::Balanced | Holding::Recalled | Holding::Begun => {
                    self.refund(&run);
                    self.lose_run(at, &run, is_in(&run, culprit), lost);
                }
            }
            self.review_overdue(run.slot);
        }
    }

    /// What a run was expected to take has not been had.
    fn refund(&mut self, run: &HeldRun) {
        let charge_ns = run.charge_total_ns().min(i64::MAX as u64) as i64;
        self.fair.charge(run.slot, -charge_ns);
    }

    fn lose_run(&mut self, at: u32, run: &HeldRun, culprit: Option<Culprit>, lost: &Lost<'_>) {
        if self.has_bug(Bug::ForgetsLostChunks) {
            return;
        }
        let id = self.engines[at].id;
        let judged =
            culprit.and_then(|(ordinal, place)| Some((ordinal, self.judge(run, ordinal, place, id, lost)?)));
        let Some((ordinal, Verdict { offset, failure })) = judged else {
            return self.go_on_elsewhere(at, run, lost);
        };
        if let Some(offset) = offset {
            self.fail_element(run, ordinal, offset, id, failure);
            return self.go_on_elsewhere(at, run, lost);
        }
        let before = (ordinal - run.ordinal) as u32;
        let after = run.count - before - 1;
        if before > 0 {
            self.go_on_elsewhere(at, &HeldRun { count: before, ..*run }, lost);
        }
        if after > 0 {
            let (ordinal, index) = (ordinal + 1, run.index + u64::from(before) + 1);
            self.go_on_elsewhere(at, &HeldRun { count: after, ordinal, index, ..*run }, lost);
        }
        self.fail_chunk(run.slot, ordinal, id, failure);
        self.finish_if_done(run.slot);
    }

    /// What is to fail, if this was once too often.
    fn judge(
        &mut self,
        run: &HeldRun,
        ordinal: u64,
        place: Option<u32>,
        engine: EngineId,
        lost: &Lost<'_>,
    ) -> Option<Verdict> {
        let crash_limit = self.config.crash_limit.max(1) as usize;
        let forgives = self.has_bug(Bug::ForgivesOverruns);
        let job = &mut self.jobs[run.slot];
        let offset = place.and_then(|place| job.offset_at(ordinal, place));
        // The last one left is the chunk.
        let alone = offset.filter(|_| (2..=ONLY_MAX).contains(&job.elements_open(ordinal)));
        let message = Arc::clone(lost.message());
        if lost.is_overrun() {
            // Each element by itself: another one of its chunk that hangs is tried as often.
            let times = job.overruns.entry((ordinal, offset)).or_default();
            *times = times.saturating_add(1);
            let may_retry = *times <= job.retries;
            return (!may_retry && !forgives)
                .then_some(Verdict { offset: alone, failure: ChunkFailure::Overran { message } });
        }
        let crashes = job.crashes.entry(ordinal).or_default();
        crashes.push(Crash { engine, offset, message });
        let alike = crashes.iter().filter(|crash| crash.offset == offset);
        if alike.clone().count() >= crash_limit {
            Some(Verdict { offset: alone, failure: quarantined(alike) })
        } else if crashes.len() >= crash_limit.saturating_mul(CHUNK_CRASHES_FACTOR) {
            Some(Verdict { offset: None, failure: quarantined(crashes.iter()) })
        } else {
            None
        }
    }

    /// One element of a chunk has failed for good; the others are still to be done.
    fn fail_element(
        &mut self,
        held: &HeldRun,
        ordinal: u64,
        offset: u32,
        engine: EngineId,
        failure: ChunkFailure,
    ) {
        let job = &mut self.jobs[held.slot];
        let left = job.offsets_open(ordinal).iter().copied().filter(|open| *open != offset).collect();
        job.only.insert(ordinal, left);
        job.elements_failed += 1;
        let run = job.run(job.cutter.piece(ordinal, 1), held.attempt);
        let client = job.client_id;
        self.actions.push_back(Action::Failed { client, run, offset: Some(offset), engine, failure });
    }

    fn go_on_elsewhere(&mut self, at: u32, run: &HeldRun, lost: &Lost<'_>) {
        let (kind, signal) = match lost {
            Lost::Engine(_) => (None, None),
            Lost::Worker(loss) => (Some(loss.kind), loss.signal),
        };
        let job = &self.jobs[run.slot];
        let piece = job.cutter.piece(run.ordinal, run.count);
        self.actions.push_back(Action::AttemptLost {
            client: job.client_id,
            run: job.run(piece, run.attempt),
            engine: self.engines[at].id,
            kind,
            signal,
            message: Arc::clone(lost.message()),
        });
        self.requeue(at, run, true);
    }

    /// A chunk has failed for good.
    pub(crate) fn fail_chunk(&mut self, slot: u32, ordinal: u64, engine: EngineId, failure: ChunkFailure) {
        let job = &mut self.jobs[slot];
        let attempt = job.ledger.get(ordinal).map_or(0, |chunk| chunk.attempt);
        let run = job.run(job.cutter.piece(ordinal, 1), attempt);
        job.elements_failed += job.elements_open(ordinal);
        job.finish(ordinal, 1, ChunkState::Failed);
        let client = self.jobs[slot].client_id;
        self.actions.push_back(Action::Failed { client, run, offset: None, engine, failure });
    }

    pub(crate) fn fail_engine_lost(&mut self, slot: u32, ordinal: u64, at: u32, reason: &Arc<str>) {
        let failure = ChunkFailure::EngineLost { reason: Arc::clone(reason) };
        self.fail_chunk(slot, ordinal, self.engines[at].id, failure);
    }

    /// Direct chunks that wait for an engine that will not run them.
    pub(crate) fn fail_queued_direct(&mut self, at: u32, reason: &Arc<str>) {
        for DirectChunk { job, ordinal } in std::mem::take(&mut self.engines[at].direct).iter() {
            self.fail_engine_lost(job, ordinal, at, reason);
            self.finish_if_done(job);
        }
    }

    /// Direct chunks of a program that an engine cannot run.
    fn fail_queued_of(&mut self, at: u32, program: u32, loss: &Loss) {
        let queued: Vec<_> =
            self.engines[at].direct.iter().filter(|c| self.jobs[c.job].program == program).collect();
        for DirectChunk { job, ordinal } in queued {
            let client = self.jobs[job].client;
            self.engines[at].direct.retain(client, |c| (c.job, c.ordinal) != (job, ordinal));
            let failure = ChunkFailure::CannotStart { message: Arc::clone(&loss.message) };
            self.fail_chunk(job, ordinal, self.engines[at].id, failure);
            self.finish_if_done(job);
        }
    }

    /// A node is gone or goes, and may have been the last that can run some program. It may come back as well.
    pub(crate) fn fail_unrunnable_later(&mut self) {
        if self.programs.iter().any(|(_, program)| !program.barred.is_empty()) {
            self.unrunnable.get_or_insert(self.now.after(self.config.return_timeout));
        }
    }

    /// Fails the balanced jobs of programs that no node that is there can run.
    pub(crate) fn fail_unrunnable(&mut self) {
        let able = |barred: &std::collections::BTreeSet<_>| {
            let mut nodes = self.nodes.iter().filter(|(_, node)| !node.draining).peekable();
            nodes.peek().is_none() || nodes.any(|(_, node)| !barred.contains(&node.id))
        };
        let unrunnable =
            |program: &crate::engine::Program| !program.barred.is_empty() && !able(&program.barred);
        let programs: Vec<u32> =
            self.programs.iter().filter(|(_, p)| unrunnable(p)).map(|(slot, _)| slot).collect();
        for program in programs {
            let Some((engine, message)) = self.programs[program].refusal.clone() else { continue };
            let jobs: Vec<u32> = self.programs[program].jobs.iter().map(|key| self.job_slots[key]).collect();
            for job in jobs.into_iter().filter(|job| !self.jobs[*job].is_direct()).collect::<Vec<_>>() {
                self.fail_job(job, engine, &message);
            }
        }
    }

    /// Fails all that is left of a balanced job.
    pub(crate) fn fail_job(&mut self, slot: u32, engine: EngineId, message: &Arc<str>) {
        let job = &mut self.jobs[slot];
        if job.is_exhausted() {
            // Without elements it needs no engine, and ends after what it waits for.
            return;
        }
        let client = job.client_id;
        let mut runs = Vec::new();
        let open = || job.ledger.iter().filter(|(_, chunk)| !chunk.state.is_terminal());
        runs.extend(open().map(|(ordinal, chunk)| job.run(job.cutter.piece(ordinal, 1), chunk.attempt)));
        let mut failed: u64 = open().map(|(ordinal, _)| job.elements_open(ordinal)).sum();
        let mut next = job.ledger.end();
        while let Some(piece) = job.cutter.cut(next, u32::MAX, u64::from(u32::MAX), job.elements) {
            next += u64::from(piece.count);
            failed += u64::from(piece.count) * u64::from(piece.len);
            runs.push(job.run(piece, 0));
        }
        job.elements_failed += failed;
        for run in runs {
            let failure = ChunkFailure::CannotStart { message: Arc::clone(message) };
            self.actions.push_back(Action::Failed { client, run, offset: None, engine, failure });
        }
        self.end_job(slot, Outcome::Completed);
    }
}
