//! Duty: jobs are submitted, supplied, cancelled, and end.

use std::collections::BTreeSet;
use std::ops::Range;

use phalanx_proto::block::chunk_count;
use phalanx_proto::ids::{ClientId, EngineId, JobKey, ProgramKey};
use phalanx_proto::limits::{CHUNK_ELEMENTS_MAX, JOB_ELEMENTS_MAX};

use crate::action::{Action, Outcome};
use crate::bits::Bits;
use crate::bug::Bug;
use crate::cutter::{AutoCutter, Blocks, Cutter, fault_in};
use crate::dependency::PastJob;
use crate::direct::DirectChunk;
use crate::engine::Program;
use crate::input::{Chunking, JobSpec, Plan};
use crate::job::Job;
use crate::ledger::ChunkState;
use crate::reject::Reject;
use crate::scheduler::Scheduler;

impl Scheduler {
    pub(crate) fn on_submit(&mut self, client: ClientId, key: JobKey, spec: JobSpec) -> Result<(), Reject> {
        let client_slot = self.present_slot(client)?;
        if self.job_slots.contains_key(&key) {
            return Err(Reject::Duplicate("the job's key"));
        }
        if self.jobs.len() >= self.config.jobs_max {
            return Err(Reject::Limit { what: "unfinished jobs", max: self.config.jobs_max });
        }
        let (cutter, targets) = self.plan(spec.elements, spec.plan)?;
        if !targets.is_empty() && (!spec.after.is_empty() || !spec.place.is_anywhere()) {
            return Err(Reject::Malformed("a direct job that waits for others, or chooses its place"));
        }
        self.check_waits(key, &spec.after)?;
        self.check_place(&spec.place)?;
        let is_empty = spec.elements == 0 || cutter.total(0) == Some(0);
        let cutter = if is_empty { Cutter::Auto(AutoCutter::new(0, Vec::new())) } else { cutter };
        if is_empty && spec.after.is_empty() {
            self.past.enter(key, PastJob { succeeded: true, ran_on: Box::default() });
            self.actions.push_back(Action::Finished { client, job: key, outcome: Outcome::Completed });
            return Ok(());
        }
        let program = self.program(spec.program);
        let mut job = Job::new(key, client_slot, client, program, cutter);
        (job.retries, job.elements, job.targets) = (spec.retries, spec.elements, targets);
        job.priority = spec.priority;
        job.class = self.enter_class(key, &spec.place);
        job.return_by = spec.place.returning.then(|| self.now.after(self.config.return_timeout));
        self.returns.extend(job.return_by.map(|until| (until, key)));
        job.place = spec.place;
        let class = job.class;
        job.kept = spec.kept;
        job.begin_by = spec.queue_limit.map(|limit| self.now.after(limit));
        let slot = self.jobs.insert(job);
        self.watch(slot);
        self.job_slots.insert(key, slot);
        self.clients[client_slot].jobs.insert(key);
        self.programs[program].jobs.insert(key);
        self.fair.open_job(slot, client_slot, program, spec.priority, class);
        self.enter_waits(slot, spec.after);
        self.enter_direct(slot);
        if !self.programs[program].barred.is_empty() && self.unrunnable.is_none() {
            self.fail_unrunnable();
        }
        Ok(())
    }

    /// How the job is cut, and the slots of its targets.
    fn plan(&self, elements: u64, plan: Plan) -> Result<(Cutter, Box<[u32]>), Reject> {
        if elements > JOB_ELEMENTS_MAX {
            return Err(Reject::Limit { what: "elements in a job", max: JOB_ELEMENTS_MAX as usize });
        }
        match plan {
            Plan::Balanced { chunking, remaining } => {
                let cutter = balanced(elements, chunking, remaining)?;
                Ok((cutter, Box::default()))
            }
            Plan::Direct { targets } => {
                let slots = self.targets(&targets)?;
                let blocks = Blocks::new(elements, targets.len() as u64, &[]);
                Ok((Cutter::Blocks(checked(blocks)?), slots))
            }
        }
    }

    fn targets(&self, targets: &[EngineId]) -> Result<Box<[u32]>, Reject> {
        if targets.is_empty() {
            return Err(Reject::Malformed("a direct job without engines"));
        }
        if targets.iter().collect::<BTreeSet<_>>().len() < targets.len() {
            return Err(Reject::Malformed("an engine twice among a direct job's engines"));
        }
        let alive = |id: &EngineId| {
            let slot = self.ids.slot(*id).ok_or(Reject::UnknownEngine(*id))?;
            let draining = self.nodes[self.engines[slot].node_slot].draining;
            if draining { Err(Reject::UnknownEngine(*id)) } else { Ok(slot) }
        };
        targets.iter().map(alive).collect()
    }

    fn program(&mut self, key: ProgramKey) -> u32 {
        if let Some(slot) = self.program_slots.get(&key) {
            return *slot;
        }
        let slot = self.programs.insert(Program {
            key,
            jobs: BTreeSet::new(),
            holders: Bits::default(),
            urgent_at: 0,
            hungry: BTreeSet::new(),
            barred: BTreeSet::new(),
            refusal: None,
        });
        self.program_slots.insert(key, slot);
        slot
    }

    /// Forgets a program that nobody uses any more, and what was held against it.
    pub(crate) fn release_program(&mut self, slot: u32) {
        let program = &mut self.programs[slot];
        if !program.jobs.is_empty() {
            return;
        }
        program.barred.clear();
        if program.holders.is_empty() {
            let key = program.key;
            self.programs.remove(slot);
            self.program_slots.remove(&key);
        }
    }

    /// Puts a direct job's chunks into their engines' queues. Those without elements are done.
    fn enter_direct(&mut self, slot: u32) {
        let job = &mut self.jobs[slot];
        let targets = job.targets.len() as u32;
        if targets == 0 {
            return;
        }
        job.ledger.extend(targets);
        let full = job.elements.min(u64::from(targets)) as u32;
        if full < targets {
            job.finish(u64::from(full), targets - full, ChunkState::Done);
        }
        for ordinal in 0..full {
            let engine = self.jobs[slot].targets[ordinal as usize];
            let chunk = DirectChunk { job: slot, ordinal: u64::from(ordinal) };
            self.engines[engine].direct.push(self.jobs[slot].client, chunk);
        }
    }

    pub(crate) fn on_supplied(&mut self, key: JobKey, elements: u64) -> Result<(), Reject> {
        let slot = self.job_slot(key)?;
        let job = &mut self.jobs[slot];
        if elements < job.supplied || elements > job.elements {
            return Err(Reject::Malformed(
                "elements were supplied that the job does not have, or taken back",
            ));
        }
        job.supplied = elements;
        if self.has_bug(Bug::AssignsUnsupplied) {
            self.jobs[slot].supplied = self.jobs[slot].elements;
        }
        let job = &self.jobs[slot];
        if !job.is_direct() {
            self.update_ready(slot);
            self.feed();
            return Ok(());
        }
        let mut ready = job.direct_ready;
        let full = (job.targets.len() as u64).min(job.elements);
        while ready < full && self.jobs[slot].direct_end(ready) <= elements {
            self.jobs[slot].direct_ready = ready + 1;
            if self.jobs[slot].ledger.get(ready).is_some_and(|c| c.state == ChunkState::Waiting) {
                self.refill(self.jobs[slot].targets[ready as usize]);
            }
            ready += 1;
        }
        Ok(())
    }

    pub(crate) fn on_cancel(&mut self, client: ClientId, key: JobKey) -> Result<(), Reject> {
        let client_slot = self.client_slot(client)?;
        let slot = self.job_slot(key)?;
        if self.jobs[slot].client != client_slot {
            return Err(Reject::NotOfClient { job: key, client });
        }
        self.end_job(slot, Outcome::Cancelled);
        Ok(())
    }

    pub(crate) fn job_slot(&self, key: JobKey) -> Result<u32, Reject> {
        self.job_slots.get(&key).copied().ok_or(Reject::UnknownJob(key))
    }

    /// Tells the order of turns whether a job has anything to assign.
    pub(crate) fn update_ready(&mut self, slot: u32) {
        self.fair.set_ready(slot, self.jobs[slot].has_work());
    }

    /// Ends the job if all of it is done or has failed.
    pub(crate) fn finish_if_done(&mut self, slot: u32) {
        if self.jobs[slot].is_finished() {
            self.end_job(slot, Outcome::Completed);
        }
    }

    /// Forgets a job. Engines that hold chunks of it are told to drop them.
    pub(crate) fn end_job(&mut self, slot: u32, outcome: Outcome) {
        self.unwatch(slot);
        self.leave_waits(slot);
        self.fair.close_job(slot);
        let job = self.jobs.remove(slot);
        if let Some(until) = job.return_by {
            self.returns.remove(&(until, job.key));
        }
        self.job_slots.remove(&job.key);
        self.clients[job.client].jobs.remove(&job.key);
        self.programs[job.program].jobs.remove(&job.key);
        for at in &job.targets {
            let engine = self.engines.get_mut(*at);
            if engine.is_some_and(|engine| engine.direct.forget_job(job.client, slot)) {
                // Something of another job may have waited behind it.
                self.unblocked.push(*at);
            }
        }
        for engine in job.holders() {
            self.cancel_on(engine, slot, job.key);
        }
        self.release_program(job.program);
        self.leave_class(job.key, job.class);
        self.forget_if_done(job.client);
        self.actions.push_back(Action::Finished { client: job.client_id, job: job.key, outcome });
        self.remember(job, outcome);
    }

    fn cancel_on(&mut self, id: EngineId, job_slot: u32, job: JobKey) {
        let at = self.ids.slot(id).expect("the owner of an assigned chunk is alive");
        let engine = &mut self.engines[at];
        engine.held.cancel(job_slot);
        let node = engine.node;
        if !self.has_bug(Bug::CancelsSilently) {
            self.actions.push_back(Action::CancelOn { node, engine: id, job });
        }
        self.rest(at);
        self.note(at);
    }
}

fn balanced(elements: u64, chunking: Chunking, remaining: Vec<Range<u64>>) -> Result<Cutter, Reject> {
    if let Some(fault) = fault_in(&remaining, elements) {
        return Err(Reject::Malformed(fault));
    }
    match chunking {
        Chunking::Fixed(0) => Err(Reject::Malformed("a chunk size of zero")),
        Chunking::Fixed(size) => {
            let chunks = chunk_count(elements, size).max(1);
            Ok(Cutter::Blocks(checked(Blocks::new(elements, chunks, &remaining))?))
        }
        Chunking::Auto => Ok(Cutter::Auto(AutoCutter::new(elements, remaining))),
    }
}

fn checked(blocks: Blocks) -> Result<Blocks, Reject> {
    if blocks.len_max() > CHUNK_ELEMENTS_MAX {
        return Err(Reject::Limit { what: "elements in a chunk", max: CHUNK_ELEMENTS_MAX as usize });
    }
    Ok(blocks)
}
