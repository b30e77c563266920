//! Duty: give engines chunks.
//!
//! An engine holds the chunk it runs and a short queue: about `window_work` of measured work, at
//! least one chunk ahead. It is refilled when half of that is gone, so that runs stay long, and never
//! with more than its part of what is left, so that engines finish together.

use phalanx_proto::limits::RUN_CHUNKS_MAX;

use crate::action::Action;
use crate::bug::Bug;
use crate::cutter::{Cutter, Piece};
use crate::direct::DirectChunk;
use crate::engine::Mood;
use crate::held::{HeldRun, Holding};
use crate::scheduler::Scheduler;

/// The chunk that runs and one ahead: an engine may always hold these.
pub(crate) const WINDOW_CHUNKS_MIN: u64 = 2;

/// The most direct chunks that an engine holds.
pub(crate) const DIRECT_CHUNKS_MAX: u32 = 64;

/// An engine goes over to another program when its own has had this much more work on each engine:
/// going over costs it a round trip.
const SWITCH_LEAD_NS: u64 = 20_000_000;

/// A round trip to an engine, about: shorter work cannot usefully be held back from it.
const ROUND_TRIP_NS: u64 = 200_000;

/// What an engine could do next.
enum Next {
    Direct(u32, DirectChunk),
    Balanced(u32),
    /// Nothing until it holds less.
    Drain,
    Nothing,
}

/// How many chunks of a job an engine may get.
struct Room {
    count: u32,
    /// Its part of what is left was less than it could hold.
    is_share: bool,
    auto_len: u64,
}

impl Scheduler {
    /// Gives an engine what it should get now; whether that was anything.
    pub(crate) fn refill(&mut self, at: u32) -> bool {
        let mut given = false;
        let mut filling = false;
        let mood = loop {
            match self.next_for(at) {
                Next::Nothing if self.engines[at].held.chunks() == 0 => break Mood::Idle,
                Next::Nothing => break Mood::Hungry,
                Next::Drain => break Mood::Content,
                Next::Direct(client, chunk) => {
                    self.engines[at].direct.take(client);
                    self.fair.arrive(chunk.job);
                    let piece = self.jobs[chunk.job].cutter.piece(chunk.ordinal, 1);
                    self.assign(at, chunk.job, piece, Holding::Direct);
                }
                Next::Balanced(job) => {
                    let room = self.room(at, job, filling);
                    if room.count == 0 {
                        let len = self.jobs[job].next_len(1);
                        if self.is_urgent(at, job, len) && self.has_quick_elements(at) {
                            self.assign_urgent(at, job);
                            given = true;
                        }
                        break Mood::Content;
                    }
                    let piece =
                        self.jobs[job].take(room.count, room.auto_len).expect("a ready job has a chunk");
                    self.assign(at, job, piece, Holding::Balanced);
                    filling = true;
                    if room.is_share && piece.count == room.count {
                        given = true;
                        let holds = self.engines[at].held.chunks();
                        break if u64::from(holds) < WINDOW_CHUNKS_MIN {
                            Mood::Hungry
                        } else {
                            Mood::Content
                        };
                    }
                }
            }
            given = true;
        };
        self.set_mood(at, mood);
        self.note(at);
        // What has just been given may be what another client's call would wait for.
        if self.clients.len() > 1 && !self.fair.is_empty() {
            self.hurry();
        }
        given
    }

    fn next_for(&self, at: u32) -> Next {
        let engine = &self.engines[at];
        // Behind a cancelled chunk nothing is certain: its worker may have to be ended.
        if !engine.open || engine.held.cancelled() > 0 {
            return Next::Drain;
        }
        if !engine.direct.is_empty() {
            let mut is_full = false;
            for (client, chunk) in engine.direct.next() {
                let job = &self.jobs[chunk.job];
                if self.fair.is_pressed(client) || chunk.ordinal >= job.direct_ready || job.overdue {
                    continue;
                }
                let fits = engine.program.is_none_or(|program| program == job.program);
                if fits && self.has_room_for_direct(at, chunk) {
                    return Next::Direct(client, chunk);
                }
                is_full = true;
                if !fits {
                    break;
                }
            }
            if is_full {
                return Next::Drain;
            }
        }
        self.next_balanced(at)
    }

    fn next_balanced(&self, at: u32) -> Next {
        let engine = &self.engines[at];
        let can = |job: &u32| self.can_run(*job, at);
        let Some(program) = engine.program else {
            return self.fair.order().find(can).map_or(Next::Nothing, Next::Balanced);
        };
        let Some(own) = self.fair.order_of(program).find(can) else { return Next::Nothing };
        let waits_longer = |best: u32| {
            let lead_ns = SWITCH_LEAD_NS.saturating_mul(self.open_engines);
            self.jobs[best].program != program
                && (self.fair.outranks(best, own) || self.fair.lead_ns(own, best) > lead_ns)
        };
        if self.fair.order().find(can).is_some_and(waits_longer) { Next::Drain } else { Next::Balanced(own) }
    }

    /// Whether the engine's node cannot run the program.
    pub(crate) fn is_barred(&self, program: u32, at: u32) -> bool {
        let barred = &self.programs[program].barred;
        !barred.is_empty() && barred.contains(&self.engines[at].node)
    }

    /// How many chunks of this job the engine may get. Once it is `filling`, up to its window; before, only if half of that is gone.
    fn room(&self, at: u32, job: u32, filling: bool) -> Room {
        let engines = self.open_for(job);
        let (job, held) = (&self.jobs[job], &self.engines[at].held);
        let auto_len = match &job.cutter {
            Cutter::Auto(auto) => job.pace.auto_len(auto.left(), engines, &self.config),
            Cutter::Blocks(_) => 0,
        };
        let charge_ns = job.pace.charge_ns(job.next_len(auto_len));
        let work_max_ns = u64::try_from(self.config.window_work.as_nanos()).unwrap_or(u64::MAX);
        // Measured by few chunks, the time of a chunk may be far off: the window doubles with every round of reports.
        let known = WINDOW_CHUNKS_MIN + job.pace.reports() / engines;
        let most = u64::from(self.config.window_chunks_max).clamp(WINDOW_CHUNKS_MIN, RUN_CHUNKS_MAX.into());
        let window = (work_max_ns / charge_ns).clamp(WINDOW_CHUNKS_MIN, most).min(known);
        let holds = u64::from(held.chunks());
        let half_full = held.work_ns() > work_max_ns / 2 || holds > window / 2;
        if !filling && holds >= WINDOW_CHUNKS_MIN && half_full {
            return Room { count: 0, is_share: false, auto_len };
        }
        let by_work = work_max_ns.saturating_sub(held.work_ns()) / charge_ns;
        let room = by_work.min(window.saturating_sub(holds)).max(WINDOW_CHUNKS_MIN.saturating_sub(holds));
        // An engine that holds less than a round trip would idle for the rest of it.
        let cover =
            if job.pace.reports() > 0 { ROUND_TRIP_NS.saturating_sub(held.work_ns()) / charge_ns } else { 1 };
        // One ahead is for engines that hold nothing, if there are any; if not, it can still be recalled.
        let others_idle = self.idle.len() > usize::from(self.engines[at].mood == Mood::Idle);
        let ahead = if others_idle { 1 } else { WINDOW_CHUNKS_MIN.saturating_sub(holds) };
        let share = (job.unassigned(auto_len) / (2 * engines)).max(cover).max(ahead).max(1);
        Room { count: room.min(share) as u32, is_share: share <= room, auto_len }
    }

    /// Puts chunks that were taken from their job on an engine.
    pub(crate) fn assign(&mut self, at: u32, slot: u32, piece: Piece, holding: Holding) {
        let keeps_attempt = self.has_bug(Bug::KeepsAttempt);
        let only = if self.jobs[slot].only.is_empty() {
            None
        } else {
            self.jobs[slot].only.get(&piece.ordinal).cloned()
        };
        let len = only.as_ref().map_or(u64::from(piece.len), |only| only.len() as u64);
        let urgent = piece.count == 1 && self.is_urgent(at, slot, len);
        let engine = &mut self.engines[at];
        let job = &mut self.jobs[slot];
        let attempt = job.ledger.assign(piece.ordinal, piece.count, engine.id);
        let attempt = if keeps_attempt { 1 } else { attempt };
        let charge_ns = job.pace.charge_ns(len);
        let held = HeldRun {
            job: job.key,
            slot,
            ordinal: piece.ordinal,
            index: piece.index,
            count: piece.count,
            attempt,
            len,
            charge_ns,
            holding,
            urgent,
        };
        if engine.held.chunks() == 0 {
            (engine.begun, engine.urgent_ns) = (self.now, 0);
        }
        engine.held.push(held);
        if engine.program.is_none() {
            engine.program = Some(job.program);
            self.programs[job.program].holders.insert(at);
        }
        let run = job.run(piece, attempt);
        self.actions.push_back(Action::Assign { node: engine.node, engine: engine.id, run, only, urgent });
        self.fair.charge(slot, i64::try_from(held.charge_total_ns()).unwrap_or(i64::MAX));
        if holding == Holding::Balanced && !self.jobs[slot].has_work() {
            self.fair.set_ready(slot, false);
        }
    }

    /// Finds engines for work that has turned up: those that hold nothing, then those that could hold more.
    pub(crate) fn feed(&mut self) {
        let mut from = (0, 0);
        while self.fair.has_unbound() {
            let Some(&(rank, engine)) = self.idle.range(from..).next() else { break };
            self.refill(engine);
            from = (rank, engine + 1);
        }
        if !self.idle.is_empty() {
            self.feed_bound(|mood| mood == Mood::Idle);
        }
        if self.fair.is_empty() {
            return;
        }
        self.feed_hungry();
        if !self.fair.is_empty() {
            self.hurry();
        }
    }

    fn feed_hungry(&mut self) {
        for program in self.fair.ready_programs() {
            let mut from = 0;
            while self.fair.has_unbound_of(program) {
                let Some(&engine) = self.programs[program].hungry.range(from..).next() else { break };
                self.refill(engine);
                from = engine + 1;
            }
        }
        if self.programs.iter().any(|(_, program)| !program.hungry.is_empty()) {
            self.feed_bound(|mood| mood == Mood::Hungry);
        }
    }

    /// As [`feed`](Self::feed), for jobs that only some engines may run, and engines in that mood.
    fn feed_bound(&mut self, wanted: impl Fn(Mood) -> bool) {
        for class in self.fair.ready_classes() {
            let mut from = 0;
            while self.fair.is_class_ready(class) {
                let mut able = self.classes[class].able.range(from..).copied();
                let Some(at) = able.find(|at| wanted(self.engines[*at].mood)) else { break };
                self.refill(at);
                from = at + 1;
            }
        }
    }

    /// Enters an engine where engines that look for work are found, or takes it out.
    pub(crate) fn set_mood(&mut self, at: u32, mood: Mood) {
        let engine = &mut self.engines[at];
        if engine.mood == mood {
            return;
        }
        let hungry = |program: Option<u32>| program.expect("only an engine that holds chunks is hungry");
        match engine.mood {
            Mood::Content => {}
            Mood::Idle => drop(self.idle.remove(&(engine.rank, at))),
            Mood::Hungry => drop(self.programs[hungry(engine.program)].hungry.remove(&at)),
        }
        match mood {
            Mood::Content => {}
            Mood::Idle => drop(self.idle.insert((engine.rank, at))),
            Mood::Hungry => drop(self.programs[hungry(engine.program)].hungry.insert(at)),
        }
        engine.mood = mood;
    }

    /// An engine does not look for work now.
    pub(crate) fn rest(&mut self, at: u32) {
        self.set_mood(at, Mood::Content);
    }
}
