//! An organised simulation: a particle in a double well, sampled in overlapping windows of its position, one piece per window. Each
//! piece finds the logarithm of the probability up to a constant; joined, they are minus the potential.
//!
//! `cargo run --release --example simulation`: run it twice, and the second time the first one's results are in the file;
//! interrupt it, and it goes on where it was.

use ndarray::Array1;
use phalanx::Client;
use phalanx::simulation::{Simulation, System, extend_bin, join_results, windows};
use serde::{Deserialize, Serialize};

/// A particle that hops on a line of sites; V(x) = depth (x² − 1)², in units of k_B T.
struct DoubleWell {
    parameters: Well,
    /// Built where it is used, not sent.
    potential: Vec<f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Well {
    depth: f64,
    /// Sites from x = −1.5 to x = 1.5.
    sites: usize,
}

impl System for DoubleWell {
    type Parameters = Well;

    fn build(well: &Well) -> Self {
        let x = |site: usize| 3.0 * site as f64 / (well.sites - 1) as f64 - 1.5;
        let potential = (0..well.sites).map(|site| well.depth * (x(site).powi(2) - 1.0).powi(2)).collect();
        Self { parameters: well.clone(), potential }
    }

    fn parameters(&self) -> Well {
        self.parameters.clone()
    }
}

/// What cuts the system into pieces.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Windows {
    bins: usize,
    /// By how much of its neighbours' width a bin is extended.
    overlap: f64,
}

/// One piece: the sites from the first to the last.
type Sites = (usize, usize);

fn prepare(system: DoubleWell, windows: &Windows) -> Vec<(DoubleWell, Sites)> {
    let last = system.parameters.sites - 1;
    let edges: Vec<f64> = (0..=windows.bins).map(|i| (i * last) as f64 / windows.bins as f64).collect();
    let piece = |bin| {
        let (low, high) = extend_bin(&edges, bin, windows.overlap).expect("there is one bin less than edges");
        (DoubleWell::build(&system.parameters), (low.ceil() as usize, high.floor() as usize))
    };
    (0..windows.bins).map(piece).collect()
}

/// What a piece finds: ln p at each of its sites, up to a constant.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sampled {
    first_site: usize,
    ln_p: Vec<f64>,
}

/// Metropolis' walk within the window (Metropolis et al., J. Chem. Phys. 21, 1087, 1953).
fn sample(system: DoubleWell, (first, last): Sites, steps: &u64, seed: u64) -> Sampled {
    let mut state = seed;
    let mut uniform = || {
        // SplitMix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut visits = vec![0u64; last - first + 1];
    let mut at = first;
    for _ in 0..*steps {
        let to = if uniform() < 0.5 { at.wrapping_sub(1) } else { at + 1 };
        let is_inside = (first..=last).contains(&to);
        if is_inside && uniform() < (system.potential[at] - system.potential[to]).exp() {
            at = to;
        }
        visits[at - first] += 1;
    }
    Sampled { first_site: first, ln_p: visits.iter().map(|n| (*n as f64).ln()).collect() }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    phalanx::init();
    let client = Client::local(4)?;
    let well = Well { depth: 4.0, sites: 61 };
    let simulation = Simulation::<DoubleWell>::new(well.clone())
        .with(2_000_000u64)
        .parallel(Windows { bins: 6, overlap: 0.4 }, prepare);
    #[cfg(feature = "hdf5")]
    let simulation = simulation.save_to("data/double-well.h5");
    let outcome = simulation.run(&client.load_balanced_view(), sample)?;
    println!("the seeds, to repeat any piece: {:?}", outcome.seeds);

    let pieces = outcome.values()?;
    let sites = |p: &Sampled| (0..p.ln_p.len()).map(|i| (p.first_site + i) as f64).collect::<Array1<f64>>();
    let xs: Vec<_> = pieces.iter().map(sites).collect();
    let ys: Vec<_> = pieces.iter().map(|p| Array1::from(p.ln_p.clone())).collect();
    let joined = join_results(&xs, &ys, windows::hann)?;

    // Up to a constant ln p is −V.
    let potential = DoubleWell::build(&well).potential;
    let off: Vec<f64> = joined.y.iter().zip(&potential).map(|(ln_p, v)| ln_p + v).collect();
    let mean = off.iter().sum::<f64>() / off.len() as f64;
    let largest = off.iter().map(|x| (x - mean).abs()).fold(0.0, f64::max);
    println!("{} sites joined; ln p is at most {largest:.3} off the exact one", joined.x.len());
    Ok(())
}
