//! A parameter sweep: a damped oscillator for many dampings, with what they share going along, retries, and a results file.
//!
//! `cargo run --release --example sweep`

use phalanx::{Auto, Client};
use serde::{Deserialize, Serialize};

/// What all settings share.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Oscillator {
    frequency: f64,
    seconds: f64,
    steps: u32,
}

/// What comes of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Motion {
    /// Where it was at ten times, evenly spaced.
    positions: Vec<f64>,
    energy: f64,
}

/// x″ = −ω²x − 2γx′ from x = 1 at rest, by the semi-implicit Euler method (Hairer, Lubich, Wanner: Geometric Numerical Integration, I.1).
fn swing(system: &Oscillator, damping: f64) -> Result<Motion, String> {
    if damping < 0.0 {
        return Err(format!("a damping of {damping} would add energy"));
    }
    let dt = system.seconds / f64::from(system.steps);
    let (mut x, mut v) = (1.0, 0.0);
    let mut positions = Vec::new();
    for step in 0..system.steps {
        v += dt * (-system.frequency.powi(2) * x - 2.0 * damping * v);
        x += dt * v;
        if step % (system.steps / 10) == 0 {
            positions.push(x);
        }
    }
    Ok(Motion { positions, energy: 0.5 * (v * v + (system.frequency * x).powi(2)) })
}

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let client = Client::local(4)?;
    let system = Oscillator { frequency: 2.0, seconds: 10.0, steps: 100_000 };
    let dampings = (-1..100).map(|i| f64::from(i) / 50.0);
    let out = client.load_balanced_view().retries(1).with(system).try_map_async(swing, dampings, Auto);
    out.wait_interactive()?;

    let results = out.results();
    let failed = results.iter().filter(|r| r.is_err()).count();
    println!("{} settings, {failed} failed", results.len());
    if let Some(Ok(last)) = results.last() {
        println!("the most damped one ends with an energy of {:.3e}", last.energy);
    }
    #[cfg(feature = "hdf5")]
    println!("saved to {}", out.save("data/oscillator.h5")?.display());
    Ok(())
}
