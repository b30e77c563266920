//! Duty: when an engine has nothing to do, take back what waits on another.
//!
//! Half of the queue of the engine with most expected work is asked for; what was started in the
//! meantime stays there. An engine from which chunks have been asked and not heard of is left alone.
//!
//! Expectations can be wrong: one chunk of a job of short ones may run for ever, and what waits behind it must not. So what
//! an engine holds is taken from it, however little it seems, when nothing has been heard of it for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::action::Action;
use crate::engine::Mood;
use crate::held::HeldRun;
use crate::scheduler::Scheduler;
use crate::time::Timestamp;

/// Less than this is done before it could be elsewhere.
const RECALL_WORK_NS_MIN: u64 = 200_000;

/// An engine that has not been heard of for this long is busy with something longer than was expected.
pub(crate) const STALL: Duration = Duration::from_millis(5);

/// An engine that has not answered for this long is not waited for any more.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// Engines that are looked at for one that can give something.
const VICTIMS_MAX: usize = 8;

impl Scheduler {
    /// Asks for chunks back for engines that hold nothing, as long as that is worth while.
    pub(crate) fn rebalance(&mut self) {
        while self.wants_recalls() {
            let victim = self.load.heaviest().take(VICTIMS_MAX).find(|at| self.is_worth_recalling(*at));
            let Some(victim) = victim else {
                self.stalled = self.next_look();
                return;
            };
            let held = &self.engines[victim].held;
            let mut jobs = held.recallable_jobs();
            jobs.retain(|slot| self.may_go_elsewhere(*slot));
            self.recall(victim, held.recallable_ns().div_ceil(2), &jobs);
        }
    }

    /// Whether there are more engines that hold nothing than have been asked for something. One that does not answer may be stopped, and
    /// counts no more.
    fn wants_recalls(&self) -> bool {
        if self.idle.is_empty() {
            return false;
        }
        let is_silent = |(since, _): &&(Timestamp, u32)| self.now.since(*since) >= ANSWER_PATIENCE;
        let silent = self.recalls.iter().take_while(is_silent).count();
        self.recalls.len() - silent < self.idle.len()
    }

    /// When the first of those that could give something will have been silent for too long.
    fn next_look(&self) -> Option<Timestamp> {
        let look = |at| {
            let silent = self.engines[at].news.after(STALL);
            // It was looked at just now, and something else stands in the way: not again at once.
            if silent > self.now { silent } else { self.now.after(STALL) }
        };
        self.load.heaviest().take(VICTIMS_MAX).map(look).min()
    }

    fn is_worth_recalling(&self, at: u32) -> bool {
        let held = &self.engines[at].held;
        let may_go = |run: &&HeldRun| self.may_go_elsewhere(run.slot);
        let Some(last) = held.recallable().find(may_go) else { return false };
        let job = &self.jobs[last.slot];
        let len = u64::from(job.cutter.piece(last.ordinal, 1).len);
        // What was learnt since the chunks were assigned counts too.
        let work_ns =
            held.recallable_ns().max(job.pace.charge_ns(len).saturating_mul(u64::from(last.count - 1)));
        let is_stalled = self.now.since(self.engines[at].news) >= STALL;
        is_stalled || work_ns >= RECALL_WORK_NS_MIN
    }

    /// Whether an engine that holds nothing may be given chunks of the job.
    fn may_go_elsewhere(&self, slot: u32) -> bool {
        !self.fair.is_pressed(self.jobs[slot].client) && self.has_idle_for(slot)
    }

    /// Asks for all queued work that is not bound to the engine.
    pub(crate) fn recall_all(&mut self, at: u32) {
        self.recall(at, u64::MAX, &self.engines[at].held.recallable_jobs());
    }

    /// Asks for this much queued work of these jobs, or all that there is.
    fn recall(&mut self, at: u32, work_ns: u64, jobs: &BTreeSet<u32>) {
        let engine = &mut self.engines[at];
        let (node, id, actions) = (engine.node, engine.id, &mut self.actions);
        engine.held.recall(work_ns, jobs, |run| {
            let (job, first, count, attempt) = (run.job, run.index, run.count, run.attempt);
            actions.push_back(Action::Recall { node, engine: id, job, first, count, attempt });
        });
        self.note(at);
    }

    /// Keeps count of what could be recalled from an engine, after what it holds has changed.
    pub(crate) fn note(&mut self, at: u32) {
        let now = self.now;
        let engine = &mut self.engines[at];
        engine.news = now;
        let recalling = engine.held.recalled() > 0;
        match engine.recalling {
            None if recalling => {
                engine.recalling = Some(now);
                self.recalls.insert((now, at));
            }
            Some(since) if !recalling => {
                engine.recalling = None;
                self.recalls.remove(&(since, at));
            }
            _ => {}
        }
        self.load.place(at, if recalling { 0 } else { engine.held.recallable_ns() });
    }

    /// After an engine has handed chunks over: if it holds nothing now, it belongs to no program.
    pub(crate) fn released(&mut self, at: u32) {
        let engine = &mut self.engines[at];
        if engine.held.chunks() > 0 {
            return;
        }
        if engine.mood == Mood::Hungry {
            self.rest(at);
        }
        let engine = &mut self.engines[at];
        if let Some(program) = engine.program.take() {
            self.programs[program].holders.remove(at);
            self.release_program(program);
        }
        self.report_drained(self.engines[at].node_slot);
    }
}
