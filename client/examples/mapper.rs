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
    steps: u64,
}

impl Device {
    fn open(worker: usize) -> Self {
        Self { id: worker, steps: 0 }
    }
}

/// Brownian motion in a double well: where the walker is after so many steps, and the device that took them. The seed decides, not the device.
fn run_segment(device: &mut Device, walker: f64, seed: u64) -> (f64, usize) {
    device.steps += u64::from(STEPS);
    let mut state = seed;
    let mut x = walker;
    for _ in 0..STEPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5;
        x += 1e-3 * 4.0 * x * (1.0 - x * x) + 0.06 * noise;
    }
    (x, device.id)
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
        let (moved, devices): (Vec<f64>, Vec<usize>) = mapper.map((walkers, seeds))?.into_iter().unzip();
        let right = moved.iter().filter(|x| **x > 0.0).count();
        println!("cycle {cycle}: {right} of {WALKERS} walkers are in the right well; by device {devices:?}");
        for (worker, times) in mapper.worker_segment_times() {
            let total: f64 = times.iter().sum();
            println!("  worker {worker}: {} segments in {total:.3} s", times.len());
        }
        walkers = resampled(moved);
    }
    mapper.cleanup();
    Ok(())
}
