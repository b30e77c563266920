//! π to a wanted precision. How many samples that takes is not known beforehand, so the input has no end: batches go out as long as results
//! are read, and stop when the reader has enough.
//!
//! `cargo run --release --example stream`

use phalanx::Client;

/// Points per batch.
const POINTS: u32 = 100_000;
/// The standard error that is good enough.
const PRECISION: f64 = 5e-4;

/// The share of `POINTS` pseudo-random points of the unit square that lie within a quarter of the unit circle.
fn share(seed: u64) -> f64 {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15); // SplitMix64
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let inside = (0..POINTS).filter(|_| random().powi(2) + random().powi(2) < 1.0).count();
    inside as f64 / f64::from(POINTS)
}

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let client = Client::local(2)?;

    // Batches differ in nothing but their seeds: whichever is done first will do.
    let seeds = (0..).map(|batch: u64| batch.wrapping_mul(0xd134_2543_de82_ef95));
    let shares = client.load_balanced_view().retries(2).map_stream(share, seeds).as_completed();

    // Welford's algorithm: mean and variance as the values come.
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for outcome in shares {
        let (_, share) = outcome?;
        n += 1.0;
        let before = share - mean;
        mean += before / n;
        squares += before * (share - mean);
        let error = 4.0 * (squares / (n * (n - 1.0))).sqrt();
        if n >= 20.0 && error < PRECISION {
            println!("π ≈ {:.5} ± {error:.5} after {n} batches", 4.0 * mean);
            assert!((4.0 * mean - std::f64::consts::PI).abs() < 6.0 * PRECISION);
            break; // the stream is dropped: what is still under way ends
        }
    }
    Ok(())
}
