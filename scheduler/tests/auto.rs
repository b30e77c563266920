//! Automatic chunks come close to the best fixed size, which nobody tells them.

use phalanx_scheduler::Chunking;
use phalanx_scheduler::sim::makespan::{Times, makespan, makespan_on_shared_cores};

/// The time of the best fixed size over that of automatic chunks.
fn of_best(engines: u32, mean_us: f64, per_engine: u64, times: Times) -> f64 {
    let n = u64::from(engines) * per_engine;
    let drawn = times.draw(n, mean_us * 1e3, 7);
    let sizes = (0..8).map(|e| 4u64.pow(e)).filter(|size| n / size < 100_000 && *size <= n);
    let best =
        sizes.map(|size| makespan(engines, &drawn, Chunking::Fixed(size))).min().expect("there is a size");
    best as f64 / makespan(engines, &drawn, Chunking::Auto) as f64
}

fn compare(engines: u32) {
    for (mean_us, per_engine) in [(20.0, 5_000), (400.0, 500), (20_000.0, 20)] {
        for times in Times::ALL {
            let ratio = of_best(engines, mean_us, per_engine, times);
            assert!(
                ratio >= 0.9,
                "{engines} engines, {per_engine} elements of {mean_us} µs each, {times:?}: {ratio:.3}"
            );
        }
    }
}

#[test]
fn automatic_chunks_are_near_the_best_on_2_engines() {
    compare(2);
}

#[test]
fn automatic_chunks_are_near_the_best_on_16_engines() {
    compare(16);
}

#[test]
fn automatic_chunks_are_near_the_best_on_128_engines() {
    compare(128);
}

#[test]
fn automatic_chunks_are_near_the_best_for_tiny_elements() {
    for times in Times::ALL {
        let ratio = of_best(16, 0.1, 200_000, times);
        assert!(ratio >= 0.9, "{times:?}: {ratio:.3}");
    }
}

/// The best of any size, and automatic chunks, on a machine that has no cores but the engines'.
#[test]
fn automatic_chunks_are_near_the_best_where_reports_cost_the_engines_time() {
    for (mean_us, per_engine) in [(100.0, 1_000), (100.0, 5_000), (1_000.0, 500)] {
        for times in [Times::Constant, Times::Uniform, Times::LogNormal] {
            let drawn = times.draw(2 * per_engine, mean_us * 1e3, 7);
            let sizes = (0..8).map(|e| 4u64.pow(e)).filter(|size| *size <= per_engine);
            let fixed = sizes.map(|size| makespan_on_shared_cores(2, &drawn, Chunking::Fixed(size)));
            let best = fixed.min().expect("there is a size");
            let ratio = best as f64 / makespan_on_shared_cores(2, &drawn, Chunking::Auto) as f64;
            assert!(ratio >= 0.9, "{per_engine} elements of {mean_us} µs per engine, {times:?}: {ratio:.3}");
        }
    }
}
