//! The use that work mappers were made for: the cycles of a simulation of walkers. In every cycle each walker is propagated by a segment of
//! dynamics, independently of the others, on workers that stay and hold a device each; then walkers are resampled.
//!
//! `cargo run --release --example mapper`

use std::error::Error;

use phalanx::mapper::{SegmentFunc, WorkMapper, WorkerMapper};

/// Segments per cycle, and steps per segment.
const WALKERS: usize = 12;
const STEPS: u32 = 500_000;
const CYCLES: usize = 4;

/// What a worker holds: a device, or as here what stands for one.
struct Device {
    id: usize,
    segments: u32,
}

impl Device {
    fn open(worker: usize) -> Self {
        Self { id: worker, segments: 0 }
    }
}

/// Brownian motion in a double well, seen from the walker's place: where it is after so many steps.
fn run_segment(device: &mut Device, walker: f64, seed: u64) -> f64 {
    device.segments += 1;
    let mut state = seed ^ (device.id as u64);
    let mut x = walker;
    for _ in 0..STEPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5;
        x += 1e-3 * 4.0 * x * (1.0 - x * x) + 0.06 * noise;
    }
    x
}

/// Walkers that came far are split, those that did not are merged away.
fn resampled(mut walkers: Vec<f64>) -> Vec<f64> {
    walkers.sort_by(f64::total_cmp);
    let far = walkers[WALKERS - WALKERS / 4..].to_vec();
    walkers[..WALKERS / 4].copy_from_slice(&far);
    walkers
}

fn main() -> Result<(), Box<dyn Error>> {
    phalanx::init(); // the first line of main: workers run this very program
    let mut mapper = WorkerMapper::new();
    mapper.init(Some(SegmentFunc::with_resource(Device::open, run_segment)), Some(3))?;

    let mut walkers = vec![-1.0; WALKERS];
    for cycle in 0..CYCLES {
        let seeds = (0..WALKERS).map(|walker| (cycle * WALKERS + walker) as u64).collect();
        walkers = mapper.map((walkers, seeds))?;
        println!(
            "cycle {cycle}: {} walkers are in the right well",
            walkers.iter().filter(|x| **x > 0.0).count()
        );
        for (worker, times) in mapper.worker_segment_times() {
            let total: f64 = times.iter().sum();
            println!("  worker {worker}: {} segments in {total:.3} s", times.len());
        }
        walkers = resampled(walkers);
    }
    mapper.cleanup();
    Ok(())
}
