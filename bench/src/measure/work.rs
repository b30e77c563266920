//! Elements that cost processor time, as much as is wanted.

use std::hint::black_box;
use std::time::Instant;

use crate::samples::Samples;

/// Work that depends on nothing but its length: elements cost processor time, not waiting.
pub(super) fn spin(steps: u64) -> u64 {
    let mut x = steps | 1;
    for _ in 0..steps {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x)
}

/// How many steps of [`spin`] take a microsecond: the median of some tries.
pub(super) fn steps_per_us() -> f64 {
    const STEPS: u64 = 2_000_000;
    let tries = (0..9).map(|_| {
        let started = Instant::now();
        black_box(spin(black_box(STEPS)));
        STEPS as f64 / (started.elapsed().as_secs_f64() * 1e6)
    });
    tries.collect::<Samples>().median().expect("there were tries")
}
