//! What must hold whenever the core has handled an input.
//!
//! | invariant | why |
//! |---|---|
//! | [`held_is_assigned`] | what an engine holds is assigned to it, with that attempt: late reports are told apart |
//! | [`assigned_is_held`] | at most one live attempt, and no chunk that nobody runs |
//! | [`waiting_is_queued`] | a chunk is in exactly one place: what waits is queued once, and nothing else is |
//! | [`counts_agree`] | every element of a job is in one chunk, ended or not; sums are those of their parts |
//! | [`jobs_live`] | a job that was acknowledged never vanishes, and one that is done does not stay |
//! | [`windows_hold`] | no more than the window, and a few urgent chunks, is assigned to an engine |
//! | [`one_program_each`] | an engine holds chunks of one program |
//! | [`cancelled_leaves_nothing`] | nothing refers to a job that is gone but what engines still have to answer for |
//! | [`seekers_are_listed`] | an engine that looks for work is found, and no other |
//! | [`nothing_idles`] | no engine is idle while there is work that it could do |
//! | [`closed_nodes_get_nothing`] | a leaving, pressed or lost node is not given work |
//! | [`recalls_are_counted`] | an engine is asked for chunks once at a time |
//! | [`deadlines_are_kept`] | every node is watched |
//! | [`classes_are_kept`] | which engines will do for a job is known, and nobody waits for what has ended |
//! | [`the_gone_leave_what_is_kept`] | of a client that is gone only kept jobs are left, and they wait for no reader |
//!
//! That terminal states never change and attempts rise is a matter of two moments: the simulator's
//! model watches it.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_proto::ids::JobKey;
use phalanx_proto::limits::RUN_CHUNKS_MAX;
use thiserror::Error;

use crate::assign::{DIRECT_CHUNKS_MAX, WINDOW_CHUNKS_MIN};
use crate::engine::{Engine, Mood};
use crate::held::Holding;
use crate::ledger::ChunkState;
use crate::place::Place;
use crate::scheduler::Scheduler;
use crate::urgent::URGENT_CHUNKS_MAX;

/// An invariant that does not hold: a bug of the core.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{invariant} does not hold: {what}")]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

type Invariant = fn(&Scheduler) -> Result<(), String>;

const ALL: [(&str, Invariant); 15] = [
    ("held_is_assigned", held_is_assigned),
    ("assigned_is_held", assigned_is_held),
    ("waiting_is_queued", waiting_is_queued),
    ("counts_agree", counts_agree),
    ("jobs_live", jobs_live),
    ("windows_hold", windows_hold),
    ("one_program_each", one_program_each),
    ("cancelled_leaves_nothing", cancelled_leaves_nothing),
    ("seekers_are_listed", seekers_are_listed),
    ("nothing_idles", nothing_idles),
    ("closed_nodes_get_nothing", closed_nodes_get_nothing),
    ("recalls_are_counted", recalls_are_counted),
    ("deadlines_are_kept", deadlines_are_kept),
    ("classes_are_kept", classes_are_kept),
    ("the_gone_leave_what_is_kept", the_gone_leave_what_is_kept),
];

impl Scheduler {
    /// Checks everything that must hold. For tests and simulation: it looks at all there is.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check_invariants(&self) -> Result<(), Violation> {
        let broken = |(invariant, check): (&'static str, Invariant)| {
            check(self).err().map(|what| Violation { invariant, what })
        };
        ALL.into_iter().find_map(broken).map_or(Ok(()), Err)
    }
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn held_is_assigned(core: &Scheduler) -> Result<(), String> {
    for (_, engine) in core.engines.iter() {
        for run in engine.held.iter().filter(|run| run.holding != Holding::Cancelled) {
            let job = core.job_slots.get(&run.job).filter(|slot| **slot == run.slot);
            let job = &core.jobs
                [*job.ok_or_else(|| format!("engine {} holds chunks of {}", engine.id, run.job))?];
            for ordinal in run.ordinal..run.ordinal + u64::from(run.count) {
                let good = job.ledger.get(ordinal).is_some_and(|chunk| {
                    (chunk.state, chunk.owner, chunk.attempt)
                        == (ChunkState::Assigned, engine.id, run.attempt)
                });
                must(good, || format!("chunk {ordinal} of {} on engine {}", job.key, engine.id))?;
            }
            let piece = job.cutter.piece(run.ordinal, run.count);
            must((piece.index, piece.count) == (run.index, run.count), || format!("{run:?} is {piece:?}"))?;
        }
    }
    Ok(())
}

fn assigned_is_held(core: &Scheduler) -> Result<(), String> {
    let mut held: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, engine) in core.engines.iter() {
        for run in engine.held.iter().filter(|run| run.holding != Holding::Cancelled) {
            *held.entry(run.slot).or_default() += u64::from(run.count);
        }
    }
    // Together with `held_is_assigned`: equal numbers mean that no chunk is held twice or by nobody.
    for (slot, job) in core.jobs.iter() {
        let held = held.get(&slot).copied().unwrap_or(0);
        must(held == job.ledger.assigned(), || {
            format!("{held} chunks of {} held, {} assigned", job.key, job.ledger.assigned())
        })?;
    }
    Ok(())
}

fn waiting_is_queued(core: &Scheduler) -> Result<(), String> {
    let mut queued: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (_, engine) in core.engines.iter() {
        for chunk in engine.direct.iter() {
            queued.entry(chunk.job).or_default().push(chunk.ordinal);
        }
    }
    for (slot, job) in core.jobs.iter() {
        let mut found = queued.remove(&slot).unwrap_or_default();
        found.extend(job.again.iter().flat_map(|span| span.ordinal..span.ordinal + u64::from(span.count)));
        found.sort_unstable();
        let waiting =
            job.ledger.iter().filter(|(_, c)| c.state == ChunkState::Waiting).map(|(ordinal, _)| ordinal);
        must(waiting.eq(found.iter().copied()), || format!("{found:?} of {} are queued", job.key))?;
        let again: u64 = job.again.iter().map(|span| u64::from(span.count)).sum();
        must(again == job.again_chunks(), || format!("{again} chunks of {} again", job.key))?;
    }
    must(queued.is_empty(), || format!("queued chunks of jobs {:?}", queued.keys()))
}

fn counts_agree(core: &Scheduler) -> Result<(), String> {
    for (_, job) in core.jobs.iter() {
        let open = job.ledger.iter().filter(|(_, chunk)| !chunk.state.is_terminal()).count() as u64;
        let assigned =
            job.ledger.iter().filter(|(_, chunk)| chunk.state == ChunkState::Assigned).count() as u64;
        let counts = (job.ledger.open(), job.ledger.assigned());
        must((open, assigned) == counts, || {
            format!("{} has {open} open, {assigned} assigned: {counts:?}", job.key)
        })?;
        let left: u64 = job
            .ledger
            .iter()
            .filter(|(_, c)| !c.state.is_terminal())
            .map(|(o, _)| job.elements_open(o))
            .sum();
        let ended = job.elements_done + job.elements_failed;
        must(ended + left <= job.elements, || {
            format!("{}: {ended} elements ended and {left} open", job.key)
        })?;
        let overran = job.overruns.keys().map(|(ordinal, _)| ordinal);
        let special = job.only.keys().chain(job.crashes.keys()).chain(overran);
        let is_open =
            |ordinal: &u64| job.ledger.get(*ordinal).is_some_and(|chunk| !chunk.state.is_terminal());
        must(special.clone().all(is_open), || format!("{} remembers of chunks that have ended", job.key))?;
    }
    for (_, engine) in core.engines.iter() {
        must(engine.held.is_consistent(), || format!("sums of engine {}", engine.id))?;
    }
    Ok(())
}

fn jobs_live(core: &Scheduler) -> Result<(), String> {
    let of_clients: usize = core.clients.iter().map(|(_, client)| client.jobs.len()).sum();
    let of_programs: usize = core.programs.iter().map(|(_, program)| program.jobs.len()).sum();
    let jobs = (core.jobs.len(), core.job_slots.len());
    must((of_clients, of_programs) == jobs, || {
        format!("{of_clients}, {of_programs} jobs known, {jobs:?} there")
    })?;
    for (slot, job) in core.jobs.iter() {
        must(!job.is_finished(), || format!("{} is done", job.key))?;
        must(core.fair.is_ready(slot) == job.has_work(), || format!("whether {} has work", job.key))?;
        must(core.clients[job.client].id == job.client_id, || format!("{} has another's client", job.key))?;
    }
    Ok(())
}

fn windows_hold(core: &Scheduler) -> Result<(), String> {
    let most = u64::from(core.config.window_chunks_max).clamp(WINDOW_CHUNKS_MIN, RUN_CHUNKS_MAX.into());
    for (_, engine) in core.engines.iter() {
        let held = &engine.held;
        let direct = held.direct();
        let urgent = held.urgent();
        must(urgent <= URGENT_CHUNKS_MAX, || format!("engine {} holds {urgent} urgent chunks", engine.id))?;
        must(direct <= DIRECT_CHUNKS_MAX + urgent, || {
            format!("engine {} holds {direct} direct chunks", engine.id)
        })?;
        let others = u64::from(held.chunks() - direct - held.cancelled());
        must(others <= most + u64::from(urgent), || format!("engine {} holds {others} chunks", engine.id))?;
    }
    Ok(())
}

fn one_program_each(core: &Scheduler) -> Result<(), String> {
    let mut holders: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (at, engine) in core.engines.iter() {
        let holds = engine.held.chunks() > 0;
        must(holds == engine.program.is_some(), || format!("engine {} holds: {holds}", engine.id))?;
        let live = engine.held.iter().filter(|run| run.holding != Holding::Cancelled);
        for run in live {
            must(engine.program == Some(core.jobs[run.slot].program), || {
                format!("programs on engine {}", engine.id)
            })?;
        }
        if let Some(program) = engine.program {
            holders.entry(program).or_default().insert(at);
        }
    }
    for (slot, program) in core.programs.iter() {
        let found = holders.remove(&slot).unwrap_or_default();
        must(program.holders.iter().eq(found.iter().copied()), || {
            format!("engines {found:?} hold program {}", program.key)
        })?;
        must(!found.is_empty() || !program.jobs.is_empty(), || {
            format!("program {} is not used", program.key)
        })?;
        must(core.program_slots.get(&program.key) == Some(&slot), || {
            format!("program {} is lost", program.key)
        })?;
    }
    Ok(())
}

fn cancelled_leaves_nothing(core: &Scheduler) -> Result<(), String> {
    for (_, engine) in core.engines.iter() {
        for run in engine.held.iter().filter(|run| run.holding == Holding::Cancelled) {
            must(!core.job_slots.contains_key(&run.job), || {
                format!("{} lives, but not on engine {}", run.job, engine.id)
            })?;
        }
    }
    Ok(())
}

fn seekers_are_listed(core: &Scheduler) -> Result<(), String> {
    let in_mood = |mood| core.engines.iter().filter(move |(_, engine)| engine.mood == mood);
    let idle: BTreeSet<_> = in_mood(Mood::Idle).map(|(at, engine)| (engine.rank, at)).collect();
    must(idle == core.idle, || format!("idle: {idle:?}, listed: {:?}", core.idle))?;
    for (slot, program) in core.programs.iter() {
        let hungry: BTreeSet<_> =
            in_mood(Mood::Hungry).filter(|(_, e)| e.program == Some(slot)).map(|(at, _)| at).collect();
        must(hungry == program.hungry, || format!("hungry: {hungry:?}, listed: {:?}", program.hungry))?;
    }
    let free = |engine: &Engine| engine.open && engine.held.chunks() == 0;
    for (_, engine) in core.engines.iter() {
        must(free(engine) == (engine.mood == Mood::Idle), || {
            format!("engine {} is {:?}", engine.id, engine.mood)
        })?;
    }
    Ok(())
}

fn nothing_idles(core: &Scheduler) -> Result<(), String> {
    for (_, at) in &core.idle {
        let could = core.fair.order().find(|job| core.can_run(*job, *at));
        must(could.is_none(), || format!("engine {} idles beside ready jobs", core.engines[*at].id))?;
        for (client, chunk) in core.engines[*at].direct.next() {
            let job = &core.jobs[chunk.job];
            let waits = core.fair.is_pressed(client) || chunk.ordinal >= job.direct_ready || job.overdue;
            must(waits, || format!("engine {} idles beside direct chunks", core.engines[*at].id))?;
        }
    }
    Ok(())
}

fn closed_nodes_get_nothing(core: &Scheduler) -> Result<(), String> {
    let mut open = 0;
    for (_, engine) in core.engines.iter() {
        let node = &core.nodes[engine.node_slot];
        must(node.id == engine.node, || format!("engine {} has another's node", engine.id))?;
        must(engine.open != (node.pressed || node.draining), || {
            format!("engine {} is open: {}", engine.id, engine.open)
        })?;
        must(!node.drained || engine.held.chunks() == 0, || {
            format!("engine {} holds chunks and was drained", engine.id)
        })?;
        open += u64::from(engine.open);
    }
    must(open == core.open_engines, || format!("{open} engines are open, {} counted", core.open_engines))
}

fn recalls_are_counted(core: &Scheduler) -> Result<(), String> {
    let since = |(at, engine): (u32, &Engine)| Some((engine.recalling?, at));
    let recalls: BTreeSet<_> = core.engines.iter().filter_map(since).collect();
    must(recalls == core.recalls, || format!("{recalls:?} are recalled from, {:?} listed", core.recalls))?;
    for (_, engine) in core.engines.iter() {
        must(engine.recalling.is_some() == (engine.held.recalled() > 0), || {
            format!("engine {} is recalled from since {:?}", engine.id, engine.recalling)
        })?;
    }
    let mut spare: Vec<u32> = core.load.heaviest().collect();
    spare.sort_unstable();
    let can_give = |engine: &Engine| engine.held.recalled() == 0 && engine.held.recallable_ns() > 0;
    let expected = core.engines.iter().filter(|(_, engine)| can_give(engine)).map(|(at, _)| at);
    must(expected.eq(spare.iter().copied()), || format!("engines {spare:?} are listed as loaded"))
}

fn deadlines_are_kept(core: &Scheduler) -> Result<(), String> {
    let expected: BTreeSet<_> = core.nodes.iter().map(|(slot, node)| (node.deadline, slot)).collect();
    must(expected == core.deadlines, || format!("{:?} are watched", core.deadlines))?;
    let watched = |(slot, job): (u32, &crate::job::Job)| job.begin_by.map(|deadline| (deadline, slot));
    let expected: BTreeSet<_> = core.jobs.iter().filter_map(watched).collect();
    let forgets = core.has_bug(crate::bug::Bug::WaitsForEver);
    must(forgets || expected == core.begin_by, || format!("jobs {:?} are to begin", core.begin_by))?;
    let returning = |(_, job): (u32, &crate::job::Job)| job.return_by.map(|until| (until, job.key));
    let expected: BTreeSet<_> = core.jobs.iter().filter_map(returning).collect();
    must(expected == core.returns, || format!("engines of {:?} may come back", core.returns))?;
    for (_, job) in core.jobs.iter().filter(|(_, job)| job.overdue) {
        must(job.begin_by.is_some(), || format!("{} is overdue for ever", job.key))?;
        must(job.ledger.assigned() > 0, || format!("{} is overdue, and nobody holds any of it", job.key))?;
    }
    must(core.node_slots.len() == core.nodes.len(), || "a node is not known by its id".to_owned())
}

/// Slots of the engines that will do for a job with this place which these have refused.
fn engines_for(core: &Scheduler, place: &Place, refused_by: &BTreeSet<u32>) -> BTreeSet<u32> {
    let will_do =
        |(at, engine): &(u32, &Engine)| place.suits(engine.id, &engine.tags) && !refused_by.contains(at);
    core.engines.iter().filter(will_do).map(|(at, _)| at).collect()
}

fn classes_are_kept(core: &Scheduler) -> Result<(), String> {
    for (slot, class) in core.classes.iter() {
        let able = &class.able;
        let open = able.iter().filter(|at| core.engines[**at].open).count() as u64;
        must(open == class.open, || format!("{open} of class {slot} are open, {} counted", class.open))?;
        let of_it = |(_, job): &(u32, &crate::job::Job)| job.class == Some(slot);
        let jobs: BTreeSet<_> = core.jobs.iter().filter(of_it).map(|(_, job)| job.key).collect();
        must(jobs == class.jobs && !jobs.is_empty(), || {
            format!("{jobs:?} are of class {slot}: {:?}", class.jobs)
        })?;
        for (_, job) in core.jobs.iter().filter(of_it) {
            let expected = engines_for(core, &job.place, &job.refused_by.iter().collect());
            must(expected == *able, || format!("{expected:?} will do for {}, {able:?} are listed", job.key))?;
        }
        if let Some(sample) = &class.sample {
            must(engines_for(core, sample, &BTreeSet::new()) == *able, || {
                format!("class {slot} is not that of {sample:?}")
            })?;
        }
    }
    let waits = core.jobs.iter().flat_map(|(_, job)| &job.waits);
    let wishes = waits.map(|wait| wait.dependency.jobs.len()).sum::<usize>();
    must(wishes == core.past.wishes(), || format!("{wishes} wishes, {} counted", core.past.wishes()))?;
    for (_, job) in core.jobs.iter() {
        must(job.class.is_some() != job.place.is_anywhere(), || format!("the class of {}", job.key))?;
        let mut before = job.waits.iter().flat_map(|wait| &wait.dependency.jobs);
        let forgotten =
            before.find(|key| !core.job_slots.contains_key(key) && core.past.get(**key).is_none());
        must(forgotten.is_none(), || format!("{} waits for {forgotten:?}, which is forgotten", job.key))?;
        let live = |key: &&JobKey| core.job_slots.contains_key(*key);
        for wait in &job.waits {
            let open = wait.dependency.jobs.iter().filter(live).count();
            must(open == wait.open(), || format!("{open} jobs that {} waits for are open", job.key))?;
        }
        let waits = |key: &JobKey| {
            let waits = core.job_slots.get(key).map(|slot| &core.jobs[*slot].waits);
            waits.is_some_and(|waits| waits.iter().any(|w| w.dependency.jobs.contains(&job.key)))
        };
        must(job.dependents.iter().all(waits), || format!("{:?} wait for {}", job.dependents, job.key))?;
        must(job.waits.is_empty() || job.ledger.end() == 0, || format!("{} has begun too early", job.key))?;
    }
    Ok(())
}

fn the_gone_leave_what_is_kept(core: &Scheduler) -> Result<(), String> {
    must(core.client_slots.len() == core.clients.len(), || "a client is not known by its id".to_owned())?;
    for (slot, client) in core.clients.iter().filter(|(_, client)| client.gone) {
        let kept = |key: &JobKey| core.jobs[core.job_slots[key]].kept;
        must(!client.jobs.is_empty() && client.jobs.iter().all(kept), || {
            format!("client {} is gone and has left {:?}", client.id, client.jobs)
        })?;
        must(!core.fair.is_pressed(slot), || format!("client {} is gone and pressed", client.id))?;
    }
    Ok(())
}
