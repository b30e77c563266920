//! "Why is it waiting?"

use std::fmt;

use phalanx_proto::ids::{ChunkId, EngineId, JobKey};

use crate::cutter::Cutter;
use crate::engine::Engine;
use crate::job::Job;
use crate::ledger::ChunkState;
use crate::place::Need;
use crate::scheduler::Scheduler;

/// Where a chunk is, and if it waits, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// No such job, or it has ended.
    UnknownJob,
    /// The job has no such chunk.
    UnknownChunk,
    /// It has ended, with results or for good without.
    Done,
    /// First in its engine's queue: it runs, or will when it has arrived.
    Running {
        /// Where.
        engine: EngineId,
        /// Which try.
        attempt: u32,
    },
    /// It is on an engine, behind others.
    Queued {
        /// Where.
        engine: EngineId,
        /// Chunks before it.
        behind: u32,
        /// It has been asked back, for an engine that has nothing to do.
        recalled: bool,
    },
    /// It is not assigned, for this reason.
    Waiting(Waiting),
}

/// Why a chunk is not assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Its elements have not all arrived.
    NotSupplied {
        /// Elements that have.
        supplied: u64,
        /// Elements that must have.
        needed: u64,
    },
    /// The lengths of automatic chunks are found while the job runs: it has not come to this one.
    NotCutYet,
    /// There are no engines.
    NoEngines,
    /// There are engines, but their nodes are leaving or do not read their commands.
    NoOpenEngines,
    /// The client does not read its results.
    ClientPressure,
    /// Other jobs must be over before it begins.
    After {
        /// Those of them that are not.
        jobs: Vec<JobKey>,
    },
    /// No engine that is there has what it needs; one that has may come.
    Needs {
        /// What it needs.
        needs: Vec<Need>,
    },
    /// The engines that it is bound to are not there; they may come back.
    Absent,
    /// None of the nodes that could take it can run its program.
    CannotRun,
    /// It was to have been begun by now; engines have been asked for what they hold of it, and have not answered yet.
    Overdue,
    /// All engines are busy, or all that will do.
    AllEnginesBusy {
        /// How many there are.
        engines: u64,
        /// These are not all that there are.
        bound: bool,
        /// Chunks of this job that come before it.
        before: u64,
    },
    /// Its engine is busy with another program and takes this one up when it has nothing left.
    ProgramSwitch {
        /// Which.
        engine: EngineId,
    },
    /// Its engine's node does not read its commands.
    NodePressure {
        /// Which engine.
        engine: EngineId,
    },
    /// Other direct chunks of its engine come before it.
    BehindDirect {
        /// Which engine.
        engine: EngineId,
    },
    /// Its engine has not said yet what became of a cancelled job.
    BehindCancelled {
        /// Which engine.
        engine: EngineId,
    },
}

/// How a job stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobExplanation {
    /// What engines hold of it, whether it runs or waits there.
    pub running: Vec<HeldChunks>,
    /// Chunks that engines hold behind what they run.
    pub chunks_queued: u64,
    /// Chunks that are not assigned, as far as they can be counted.
    pub chunks_waiting: u64,
    /// Why the first of those is not.
    pub waiting: Option<Waiting>,
}

/// What one engine holds of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldChunks {
    /// Which.
    pub engine: EngineId,
    /// The first of the job's chunks on it.
    pub chunk: u64,
    /// Which try that is.
    pub attempt: u32,
    /// How many there are.
    pub chunks: u64,
    /// Chunks of others before it; 0 when it runs, or will when it has arrived.
    pub behind: u64,
}

impl Scheduler {
    /// How a job stands that has not ended. It looks at all engines.
    #[must_use]
    pub fn explain_job(&self, key: JobKey) -> Option<JobExplanation> {
        let slot = self.job_slot(key).ok()?;
        let job = &self.jobs[slot];
        let held = |engine: &Engine| {
            let mut runs = engine.held.iter();
            let mut behind = 0;
            let first = runs.find(|run| {
                behind += if run.job == key { 0 } else { u64::from(run.count) };
                run.job == key
            })?;
            let more = runs.filter(|run| run.job == key).map(|run| u64::from(run.count)).sum::<u64>();
            let (chunk, attempt, chunks) = (first.index, first.attempt, u64::from(first.count) + more);
            Some(HeldChunks { engine: engine.id, chunk, attempt, chunks, behind })
        };
        let mut running: Vec<HeldChunks> =
            self.engines.iter().filter_map(|(_, engine)| held(engine)).collect();
        running.sort_unstable_by_key(|held| held.engine);
        let auto_len = match &job.cutter {
            Cutter::Auto(auto) => job.pace.auto_len(auto.left(), self.open_for(slot), &self.config),
            Cutter::Blocks(_) => 0,
        };
        let waits = |(ordinal, chunk): (u64, &crate::ledger::Chunk)| {
            (chunk.state == ChunkState::Waiting).then_some(ordinal)
        };
        let waiting = if job.waits.is_empty() {
            job.next_waiting().map(|ordinal| self.why_waiting(slot, ordinal))
        } else {
            Some(Waiting::After { jobs: self.still_open(job) })
        };
        let chunks_waiting = match job.is_direct() {
            true => job.ledger.iter().filter_map(waits).count() as u64,
            false => job.unassigned(auto_len),
        };
        let chunks_running = running.iter().filter(|held| held.behind == 0).count() as u64;
        let chunks_queued = job.ledger.assigned() - chunks_running;
        Some(JobExplanation { running, chunks_queued, chunks_waiting, waiting })
    }

    /// Where a chunk is, and if it waits, for what.
    #[must_use]
    pub fn explain(&self, chunk: ChunkId) -> Explanation {
        let Ok(slot) = self.job_slot(chunk.job) else { return Explanation::UnknownJob };
        let job = &self.jobs[slot];
        if !job.waits.is_empty() {
            return Explanation::Waiting(Waiting::After { jobs: self.still_open(job) });
        }
        let Some(ordinal) = job.cutter.ordinal(chunk.index, job.ledger.end()) else {
            let may_come = matches!(&job.cutter, Cutter::Auto(auto) if auto.left() > 0);
            return if may_come {
                Explanation::Waiting(Waiting::NotCutYet)
            } else {
                Explanation::UnknownChunk
            };
        };
        if ordinal < job.ledger.base() {
            return Explanation::Done;
        }
        match job.ledger.get(ordinal) {
            Some(known) if known.state.is_terminal() => Explanation::Done,
            Some(known) if known.state == ChunkState::Assigned => self.where_held(job, known.owner, ordinal),
            _ => Explanation::Waiting(self.why_waiting(slot, ordinal)),
        }
    }

    fn where_held(&self, job: &Job, owner: EngineId, ordinal: u64) -> Explanation {
        let at = self.ids.slot(owner).expect("the owner of an assigned chunk is alive");
        let mut behind = 0;
        for run in self.engines[at].held.iter() {
            if run.job == job.key && (run.ordinal..run.ordinal + u64::from(run.count)).contains(&ordinal) {
                behind += (ordinal - run.ordinal) as u32;
                if behind == 0 {
                    return Explanation::Running { engine: owner, attempt: run.attempt };
                }
                let recalled = run.holding == crate::held::Holding::Recalled;
                return Explanation::Queued { engine: owner, behind, recalled };
            }
            behind += run.count;
        }
        unreachable!("an assigned chunk is held by its owner: see the invariants")
    }

    /// What a job waits for, and is not over.
    fn still_open(&self, job: &Job) -> Vec<JobKey> {
        let mut jobs: Vec<JobKey> =
            job.waits.iter().flat_map(|wait| wait.dependency.jobs.iter().copied()).collect();
        jobs.retain(|key| self.job_slots.contains_key(key));
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }

    pub(crate) fn why_waiting(&self, slot: u32, ordinal: u64) -> Waiting {
        let job = &self.jobs[slot];
        let end = match &job.cutter {
            // How long it will be is not known, but where it begins.
            Cutter::Auto(cutter) if ordinal >= job.ledger.end() => {
                cutter.next_element().map_or(0, |next| next + 1)
            }
            Cutter::Auto(_) => 0,
            Cutter::Blocks(_) => job.direct_end(ordinal),
        };
        if end > job.supplied {
            return Waiting::NotSupplied { supplied: job.supplied, needed: end };
        }
        if job.overdue {
            return Waiting::Overdue;
        }
        if self.fair.is_pressed(job.client) {
            return Waiting::ClientPressure;
        }
        if job.is_direct() {
            return self.why_direct_waits(&self.engines[job.targets[ordinal as usize]], job);
        }
        if job.return_by.is_some() && job.place.targets.as_deref().is_some_and(|ids| !self.is_any_alive(ids))
        {
            return Waiting::Absent;
        }
        if self.engines.len() == 0 {
            return Waiting::NoEngines;
        }
        if self.open_engines == 0 {
            return Waiting::NoOpenEngines;
        }
        let class = job.class.map(|class| &self.classes[class]);
        if class.is_some_and(|class| class.able.is_empty()) {
            return Waiting::Needs { needs: job.place.needs.clone() };
        }
        let can = |(at, engine): (u32, &Engine)| engine.open && self.can_run(slot, at);
        if !self.engines.iter().any(can) {
            return Waiting::CannotRun;
        }
        let again_before: u64 =
            job.again.iter().take_while(|s| s.ordinal != ordinal).map(|s| u64::from(s.count)).sum();
        let fresh_before = ordinal.saturating_sub(job.ledger.end());
        let (engines, bound) = (self.open_for(slot), class.is_some());
        Waiting::AllEnginesBusy { engines, bound, before: fresh_before + again_before }
    }

    fn why_direct_waits(&self, engine: &Engine, job: &Job) -> Waiting {
        let id = engine.id;
        if !engine.open {
            Waiting::NodePressure { engine: id }
        } else if engine.held.cancelled() > 0 {
            Waiting::BehindCancelled { engine: id }
        } else if engine.program.is_some_and(|program| program != job.program) {
            Waiting::ProgramSwitch { engine: id }
        } else {
            Waiting::BehindDirect { engine: id }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownJob => f.write_str("its job is not known, or has ended"),
            Self::UnknownChunk => f.write_str("its job has no such chunk"),
            Self::Done => f.write_str("it has ended"),
            Self::Running { engine, attempt } => write!(f, "it runs on engine {engine} (attempt {attempt})"),
            Self::Queued { engine, behind, recalled } => {
                let asked = if *recalled { "; it was asked back for an idle engine" } else { "" };
                write!(f, "it is queued on engine {engine} behind {behind} others{asked}")
            }
            Self::Waiting(reason) => write!(f, "it waits: {reason}"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSupplied { supplied, needed } => {
                write!(f, "{supplied} elements have arrived, and {needed} must have before it can start")
            }
            Self::NotCutYet => f.write_str("how long it will be is decided when an engine is free for it"),
            Self::NoEngines => f.write_str("there are no engines; start some (engine --profile NAME -n 4)"),
            Self::NoOpenEngines => f.write_str("all nodes are leaving, or do not read what they are sent"),
            Self::ClientPressure => {
                f.write_str("its client does not read the results that are there already")
            }
            Self::After { jobs } => match jobs.len() {
                1 => f.write_str("a job that it runs after is not over"),
                n => write!(f, "{n} jobs that it runs after are not over"),
            },
            Self::Needs { needs } => {
                let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
                write!(f, "no engine that is there has what it needs: {}", needs.join(", "))
            }
            Self::Absent => f.write_str("the engines that it is bound to are not there, and may come back"),
            Self::CannotRun => f.write_str("no node that is free can run its program"),
            Self::Overdue => {
                f.write_str("it was not begun in time, and engines hand back what they have of it")
            }
            Self::AllEnginesBusy { engines, bound, before } => {
                let that_will_do = if *bound { " that will do" } else { "" };
                match engines {
                    1 => write!(f, "the only engine{that_will_do} is busy")?,
                    n => write!(f, "all {n} engines{that_will_do} are busy")?,
                }
                match before {
                    0 => Ok(()),
                    1 => f.write_str(", and one chunk of its job comes before it"),
                    n => write!(f, ", and {n} chunks of its job come before it"),
                }
            }
            Self::ProgramSwitch { engine } => {
                write!(f, "engine {engine} finishes what it holds of another program first")
            }
            Self::NodePressure { engine } => {
                write!(f, "the node of engine {engine} does not read what it is sent")
            }
            Self::BehindDirect { engine } => {
                write!(f, "other direct calls come before it on engine {engine}")
            }
            Self::BehindCancelled { engine } => {
                write!(f, "engine {engine} has not ended what it ran of a cancelled job")
            }
        }
    }
}
