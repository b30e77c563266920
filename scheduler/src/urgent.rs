//! Duty: a short call of one client does not wait behind what another client has queued.
//!
//! An engine holds some milliseconds of work, and a call that comes behind them waits for all of it. So a chunk whose client is
//! not ahead of those whose chunks the engine holds is *urgent*: it is sent at once, one at a time, beside a full window, and the
//! engine runs it between two elements of what it is at.
//!
//! It is a way around the queue and none around the share. Urgent chunks are charged as all others are, direct ones too, and
//! a client that is [`URGENT_LEAD_NS`] ahead, for each engine, waits for its turn. An engine never holds more than
//! [`URGENT_CHUNKS_MAX`] of them, and none of a client of whose other chunks it holds any: the order of one client's chunks stays.
//!
//! What is urgent is not interrupted itself, so it has to be short: one element, or known to end soon, or, while its job's pace is not
//! known, no more elements than the chunk that it goes before.

use std::time::Duration;

use crate::assign::DIRECT_CHUNKS_MAX;
use crate::bug::Bug;
use crate::direct::DirectChunk;
use crate::held::Holding;
use crate::job::Job;
use crate::recall::STALL;
use crate::scheduler::Scheduler;

/// The most urgent chunks that an engine holds.
pub(crate) const URGENT_CHUNKS_MAX: u32 = 4;

/// A client is still served at once when it has had this much more work on each engine than another one.
const URGENT_LEAD_NS: u64 = 20_000_000;

/// When a client that is ahead is looked at again: those that it is ahead of get on meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Elements that take longer than this are not worth waiting for: the next engine to report may be free before.
const ELEMENT_NS_MAX: f64 = 1e6;

/// Engines that are looked at for one that can take a chunk at once.
const ENGINES_MAX: usize = 8;

/// Jobs that are looked at for one that may go first.
const JOBS_MAX: usize = 4;

impl Scheduler {
    /// Whether the engine, which holds other work, is to run a chunk of this job, of `len` elements, before what is queued.
    pub(crate) fn is_urgent(&self, at: u32, slot: u32, len: u64) -> bool {
        let held = &self.engines[at].held;
        if held.urgent() >= URGENT_CHUNKS_MAX || held.cancelled() > 0 || held.urgent() == held.chunks() {
            return false;
        }
        if self.has_bug(Bug::HurriesAlways) {
            return true;
        }
        if !self.is_brief(at, slot, len) {
            return false;
        }
        let lead_ns = URGENT_LEAD_NS.saturating_mul(self.open_engines);
        let owner = |slot: u32| self.jobs[slot].client;
        let (client, under_way) = (owner(slot), held.iter().find(|run| !run.urgent));
        held.iter().all(|run| {
            let other = owner(run.slot);
            if other == client {
                return run.urgent;
            }
            // What runs for longer than was expected has not been charged for that yet.
            let uncharged = under_way.filter(|front| owner(front.slot) == other);
            let uncharged_ns = uncharged.map_or(0, |front| self.ran_ns(at).saturating_sub(front.charge_ns));
            self.fair.lead_ns(slot, run.slot) <= lead_ns.saturating_add(uncharged_ns)
        })
    }

    /// Whether a chunk of `len` elements is short enough to be urgent.
    fn is_brief(&self, at: u32, slot: u32, len: u64) -> bool {
        let front = || self.engines[at].held.iter().find(|run| !run.urgent);
        len == 1
            || match self.jobs[slot].pace.mean_ns() {
                Some(mean_ns) => mean_ns * len as f64 <= ELEMENT_NS_MAX,
                None => front().is_some_and(|run| len <= run.len),
            }
    }

    /// How long the engine has been at its chunk, without the urgent ones in between.
    fn ran_ns(&self, at: u32) -> u64 {
        let engine = &self.engines[at];
        let since = u64::try_from(self.now.since(engine.begun).as_nanos()).unwrap_or(u64::MAX);
        since.saturating_sub(engine.urgent_ns)
    }

    /// An engine has reported: it is at its next chunk, or still at the same one.
    pub(crate) fn note_begun(&mut self, at: u32, urgent: bool, busy_ns: u64) {
        let (now, engine) = (self.now, &mut self.engines[at]);
        if urgent {
            engine.urgent_ns = engine.urgent_ns.saturating_add(busy_ns);
        } else {
            (engine.begun, engine.urgent_ns) = (now, 0);
        }
    }

    /// Sends chunks of jobs that need not wait to engines whose windows are full.
    pub(crate) fn hurry(&mut self) {
        for program in self.fair.ready_programs() {
            let jobs: Vec<u32> = self.fair.order_of(program).take(JOBS_MAX).collect();
            for job in jobs {
                while self.fair.is_ready(job)
                    && self.is_short(&self.jobs[job])
                    && let Some(at) = self.engine_at_once(program, job)
                {
                    self.programs[program].urgent_at = at;
                    self.assign_urgent(at, job);
                }
                if self.fair.is_ready(job)
                    && self.is_short(&self.jobs[job])
                    && self.waits_for_others(program, job)
                {
                    self.look_again = Some(self.now.after(PAUSE));
                }
            }
        }
    }

    /// One chunk, whatever the engine holds.
    pub(crate) fn assign_urgent(&mut self, at: u32, job: u32) {
        let piece = self.jobs[job].take(1, 1).expect("a ready job has a chunk");
        self.assign(at, job, piece, Holding::Balanced);
        self.note(at);
    }

    /// Whether what is left of the job is so little that it need not be spread: one chunk for each engine. So is a job of
    /// which nothing is known: its first chunks show how long it is.
    fn is_short(&self, job: &Job) -> bool {
        job.pace.reports() == 0 || job.unassigned(1) <= self.open_engines
    }

    /// An engine that runs such a chunk as soon as its element has ended: the last one again, while it has no other urgent chunk.
    fn engine_at_once(&self, program: u32, job: u32) -> Option<u32> {
        let program = &self.programs[program];
        let (holders, last) = (&program.holders, program.urgent_at);
        let in_turn = holders.iter_from(last).chain(holders.iter().take_while(|at| *at < last));
        let len = self.jobs[job].next_len(1);
        let mut least: Option<(u32, u32)> = None;
        for at in in_turn.take(ENGINES_MAX) {
            let may = self.engines[at].open && self.can_run(job, at);
            if !may || !self.is_urgent(at, job, len) || !self.has_quick_elements(at) {
                continue;
            }
            let before_it = self.engines[at].held.urgent();
            if before_it == 0 {
                return Some(at);
            }
            if least.is_none_or(|(fewest, _)| before_it < fewest) {
                least = Some((before_it, at));
            }
        }
        least.map(|(_, at)| at)
    }

    /// Whether engines that were looked at hold work of other clients.
    fn waits_for_others(&self, program: u32, job: u32) -> bool {
        let client = self.jobs[job].client;
        let has_others = |at: u32| {
            let held = &self.engines[at].held;
            held.cancelled() == 0 && held.iter().any(|run| self.jobs[run.slot].client != client)
        };
        self.programs[program].holders.iter().take(ENGINES_MAX).any(has_others)
    }

    /// Whether what the engine runs lets others in soon, as far as is known: its elements are short, or it has begun or ended one just
    /// now. One element of which nothing is known may run for hours.
    pub(crate) fn has_quick_elements(&self, at: u32) -> bool {
        let engine = &self.engines[at];
        let front = engine.held.iter().find(|run| !run.urgent);
        let is_quick = front.is_none_or(|run| match self.jobs[run.slot].pace.mean_ns() {
            Some(mean_ns) => mean_ns <= ELEMENT_NS_MAX,
            None => run.len > 1 || run.count > 1,
        });
        is_quick || Duration::from_nanos(self.ran_ns(at)) < STALL
    }

    /// Whether an engine can be given a direct chunk now.
    pub(crate) fn has_room_for_direct(&self, at: u32, chunk: DirectChunk) -> bool {
        if self.engines[at].held.direct() < DIRECT_CHUNKS_MAX {
            return true;
        }
        let len = self.jobs[chunk.job].cutter.piece(chunk.ordinal, 1).len;
        self.is_urgent(at, chunk.job, len.into())
    }
}
