//! A sweep that survives: its results go to a file as they come. Interrupt it (Ctrl-C, kill -9) and start it again: it goes on where it
//! was. Meanwhile, in another terminal: `phalanx results data/logistic.h5`.
//!
//! `cargo run --release --example resume`

use phalanx::{Client, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Orbit {
    /// Where the orbit is at last, at so many times.
    points: Vec<f64>,
    /// The Lyapunov exponent: how fast neighbours part (positive: chaos).
    lyapunov: f64,
}

/// x → r x (1 − x), the logistic map (R. M. May, Nature 261, 459, 1976).
fn orbit(steps: &u32, r: f64) -> Orbit {
    let (mut x, mut sum, mut points) = (0.3, 0.0, Vec::new());
    for step in 0..*steps {
        x = r * x * (1.0 - x);
        sum += (r * (1.0 - 2.0 * x)).abs().max(f64::MIN_POSITIVE).ln();
        if step + 64 >= *steps {
            points.push(x);
        }
    }
    Orbit { points, lyapunov: sum / f64::from(*steps) }
}

fn main() -> Result<()> {
    phalanx::init();
    let client = Client::local(4)?;
    let rates = (0..400).map(|i| 2.8 + 1.2 * f64::from(i) / 399.0);
    let view = client.load_balanced_view().with(200_000).resumable("data/logistic.h5");
    let run = view.map_async(orbit, rates, 4)?;
    run.wait_interactive()?;
    let orbits = run.get()?;
    let chaotic = orbits.iter().filter(|orbit| orbit.lyapunov > 0.0).count();
    println!("{} rates ({} from before), {chaotic} of them chaotic", orbits.len(), run.resumed());
    println!("saved to {}", run.saved()?.display());
    Ok(())
}
