//! π by throwing darts: each element is a seed, so that the answer is the same however many engines there are.
//!
//! `cargo run --release --example pi`

use phalanx::{Auto, Client};

const SEEDS: u64 = 400;
const DARTS: u64 = 10_000;

/// Marsaglia's xorshift64*: Journal of Statistical Software 8(14), 2003. Uniform in [0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How many of the darts fall within the quarter of the unit circle.
fn hits(seed: u64) -> u64 {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..DARTS).filter(|_| uniform(&mut state).powi(2) + uniform(&mut state).powi(2) < 1.0).count() as u64
}

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let client = Client::local(4)?;
    let out = client.load_balanced_view().map_async(hits, 0..SEEDS, Auto);
    out.wait_interactive()?;
    let inside: u64 = out.get()?.iter().sum();
    println!("{:?} on one engine, {:?} on four", out.serial_time(), out.wall_time());
    println!("pi is about {}", 4.0 * inside as f64 / (SEEDS * DARTS) as f64);
    Ok(())
}
