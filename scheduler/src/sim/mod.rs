//! A world for the core, in which everything goes wrong that can: seeded, without threads or time.
//!
//! ```text
//!   world ── happens ──▶ Input ──▶ Scheduler ──▶ Action ──▶ world performs it
//!                          └────────▶ model ◀──────┘         (delays, workers, losses)
//! ```
//!
//! - `world`: the clock, the driver's part; `links`: the network; `nodes`, `worker`: engines as they behave;
//! - `clients`: jobs of all kinds; `streams`: one small job after another; `faults`: what goes wrong;
//! - `model`, `model_failures`, `model_order`, `place_model`, `job_model`: the promises, checked against every input and action;
//! - [`makespan`]: another, faultless world in which lengths of chunks are compared.
//!
//! First safety, then liveness: faults happen until the world is healed; then every job must end. A
//! failure names its seed: `cargo run -p phalanx-scheduler --features sim --example simulate -- --seed N --trace`.

mod clients;
mod faults;
mod job_model;
mod links;
pub mod makespan;
mod model;
mod model_failures;
mod model_inputs;
mod model_order;
mod nodes;
mod place_model;
mod rng;
mod streams;
mod worker;
mod world;

use thiserror::Error;

pub use rng::Rng;
use world::{Event, World};

use crate::bug::Bug;

/// Longest time of faults.
const FAULTY_NS: u64 = 30_000_000;
const STEPS_MAX: u64 = 50_000;

/// How to simulate.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Keep what happened, to be read.
    pub trace: bool,
    /// All invariants are checked after every so many steps (and at the end).
    pub check_every: u64,
    /// A bug to plant.
    pub bug: Option<Bug>,
}

/// What happened in a world.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "they are counts of what they say")]
pub struct Summary {
    pub steps: u64,
    pub assigned: u64,
    pub recalled: u64,
    pub urgent: u64,
    pub lost: u64,
    pub failed: u64,
    pub finished: u64,
    pub streamed: u64,
    /// What happened, if that was asked for.
    pub trace: Option<String>,
}

/// A promise was broken.
#[derive(Debug, Clone, Error)]
#[error(
    "seed {seed}, step {step}: {what}\n  cargo run -p phalanx-scheduler --features sim --example simulate -- --seed {seed} --trace"
)]
pub struct Failure {
    /// The world's seed.
    pub seed: u64,
    /// When.
    pub step: u64,
    /// Which.
    pub what: String,
    /// What happened before, if that was asked for.
    pub trace: Option<String>,
}

/// Lives through the world of a seed.
///
/// # Errors
/// The first promise that was broken.
pub fn simulate(seed: u64, options: &Options) -> Result<Summary, Failure> {
    let mut world = World::new(seed, options);
    let result = live(&mut world, seed);
    let (step, trace) = (world.summary.steps, world.trace.take());
    match result {
        Ok(()) => Ok(Summary { trace, ..world.summary }),
        Err(what) => Err(Failure { seed, step, what, trace }),
    }
}

fn live(world: &mut World, seed: u64) -> Result<(), String> {
    for _ in 0..world.rng.between(0, 3) {
        let engines = world.rng.between(1, 3) as u32;
        world.join(engines, Vec::new())?;
    }
    for _ in 0..world.rng.between(1, 3) {
        world.client_joins()?;
    }
    world.stream_joins(seed)?;
    let faulty = world.rng.between(1, FAULTY_NS);
    world.after(world.rng.clone().between(1, 2_000_000), Event::Fault);
    while world.now < faulty && world.step()? {}
    world.heal()?;
    let restless = |world: &World| {
        let waiting = world.model.jobs.values().any(|job| job.ended.is_none());
        let submitting = world.clients.values().any(|client| client.left > 0);
        waiting || submitting || world.is_streaming() || world.model.unanswered() > 0
    };
    while restless(world) {
        if world.summary.steps > STEPS_MAX || !world.step()? {
            return Err(unfinished(world));
        }
    }
    world.core.check_invariants().map_err(|violation| violation.to_string())?;
    match world.model.nodes.iter().find(|(_, node)| node.draining && !node.drained) {
        Some((id, _)) => Err(format!("node {id} holds nothing and is not drained")),
        None => Ok(()),
    }
}

fn unfinished(world: &World) -> String {
    let waiting = world.model.jobs.iter().filter(|(_, job)| job.ended.is_none());
    let why = |key: &phalanx_proto::ids::JobKey| {
        let chunk = |index| phalanx_proto::ids::ChunkId { job: *key, index };
        (0..200).map(|index| world.core.explain(chunk(index))).find(|e| *e != crate::Explanation::Done)
    };
    let waiting: Vec<_> = waiting.map(|(key, _)| (*key, why(key))).collect();
    format!("it does not end: {waiting:?}, {} chunks unanswered", world.model.unanswered())
}
