//! One run of the Ising model: a temperature and a seed in, averages with errors out.
//!
//! A run starts from the ordered state at every temperature. A random start below the critical temperature can
//! freeze into stripes that survive for very long; an ordered start has no such trap, and above the critical
//! temperature it is forgotten within a correlation time. After `burn_in` sweeps the energy and the magnetisation are
//! measured after every sweep, which costs a tenth of the sweep itself.
//!
//! The only randomness is xoshiro256++ (Blackman & Vigna, ACM Trans. Math. Softw. 47, 36, 2021), seeded through
//! SplitMix64 from the recorded `seed`, and spins are decided by integer comparison: a run repeats bit for bit. The one
//! thing left to the machine is the last binary digit of exp(−ΔE/T), in which mathematical libraries may differ; it
//! decides one spin in 2⁵³, less than one in ten million runs.

use crate::acceptance::Acceptance;
use crate::blocking::{Blocks, Estimate, Moments};
use crate::lattice::{Lattice, SIZES};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Blocks into which a run's measurements are cut to find their errors.
pub const BLOCKS: u32 = 32;

/// Everything that determines a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The lattice is `size` × `size`, periodic; one of [`SIZES`].
    pub size: u32,
    /// In units of J/k_B.
    pub temperature: f64,
    /// Of the random numbers.
    pub seed: u64,
    /// Sweeps before the first measurement.
    pub burn_in: u32,
    /// Sweeps from then on, each of them measured; a multiple of [`BLOCKS`], so that the blocks are equal.
    pub sweeps: u32,
}

/// What a run measured. Energies, magnetisations and specific heats are per site.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The run that gave this result.
    pub spec: RunSpec,
    /// ⟨e⟩.
    pub energy: Estimate,
    /// ⟨|m|⟩.
    pub magnetisation: Estimate,
    /// L²(⟨e²⟩ − ⟨e⟩²)/T².
    pub specific_heat: Estimate,
    /// 1 − ⟨m⁴⟩/3⟨m²⟩².
    pub binder: Estimate,
    /// The fraction of proposed flips that were accepted, after burn-in.
    pub acceptance: f64,
    /// The integrated autocorrelation time of the energy, in sweeps, from the growth of the error under blocking.
    /// The sweeps count for about `sweeps / 2τ` independent ones.
    pub autocorrelation_sweeps: f64,
}

/// Why a run could not start. The caller's fault: the settings are checked when they are read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RunError {
    /// Not a lattice this program can pack into words.
    #[error("a lattice cannot be {0} × {0}: choose a size among {SIZES:?}")]
    Size(u32),
    /// Zero, negative, infinite or not a number.
    #[error("a temperature must be positive and finite, not {0}")]
    Temperature(f64),
    /// The measurements cannot be cut into equal blocks.
    #[error("{0} sweeps do not make {BLOCKS} equal blocks: choose a positive multiple of {BLOCKS}")]
    Sweeps(u32),
}

/// Runs one simulation. The same spec gives the same result, bit for bit.
pub fn simulate(spec: &RunSpec) -> Result<RunResult, RunError> {
    let mut lattice = Lattice::ordered(spec.size).ok_or(RunError::Size(spec.size))?;
    if !(spec.temperature.is_finite() && spec.temperature > 0.0) {
        return Err(RunError::Temperature(spec.temperature));
    }
    if spec.sweeps == 0 || !spec.sweeps.is_multiple_of(BLOCKS) {
        return Err(RunError::Sweeps(spec.sweeps));
    }
    let acceptance = Acceptance::new(spec.temperature);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(spec.seed);
    for _ in 0..spec.burn_in {
        lattice.sweep(&acceptance, &mut rng);
    }
    let sites = f64::from(lattice.sites());
    let mut flipped = 0u64;
    let mut blocks = Vec::with_capacity(BLOCKS as usize);
    for _ in 0..BLOCKS {
        let mut moments = Moments::default();
        for _ in 0..spec.sweeps / BLOCKS {
            flipped += u64::from(lattice.sweep(&acceptance, &mut rng));
            moments.add(lattice.energy() as f64 / sites, lattice.magnetisation() as f64 / sites);
        }
        blocks.push(moments);
    }
    let blocks = Blocks::new(blocks).expect("BLOCKS is more than one");
    Ok(summarise(spec, &blocks, flipped as f64 / (f64::from(spec.sweeps) * sites)))
}

fn summarise(spec: &RunSpec, blocks: &Blocks, acceptance: f64) -> RunResult {
    let sites = f64::from(spec.size * spec.size);
    let heat = sites / spec.temperature.powi(2);
    let energy = blocks.estimate(Moments::energy);
    let total = blocks.total();
    let variance = total.energy_variance();
    // A frozen run has no fluctuations to be correlated.
    let two_tau = if variance > 0.0 { energy.error.powi(2) * total.count() / variance } else { 1.0 };
    RunResult {
        spec: *spec,
        energy,
        magnetisation: blocks.estimate(Moments::magnetisation),
        specific_heat: blocks.estimate(|moments| heat * moments.energy_variance()),
        binder: blocks.estimate(Moments::binder),
        acceptance,
        autocorrelation_sweeps: two_tau / 2.0,
    }
}

#[cfg(test)]
#[path = "ising_tests.rs"]
mod tests;
