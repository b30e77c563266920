//! Automatic chunks against the best of a sweep of fixed sizes, in virtual time.
//! `cargo run --release -p phalanx-scheduler --features sim --example auto`

use phalanx_scheduler::Chunking;
use phalanx_scheduler::sim::makespan::{Times, makespan};

fn main() {
    let mut worst = f64::INFINITY;
    println!("engines  mean/µs  ms/engine  times        best size  best/ms  auto/ms  best/auto  work/auto");
    for engines in [2, 16, 128] {
        for (mean_us, per_engine) in
            [(0.1, 200_000), (20.0, 5_000), (400.0, 500), (400.0, 50), (20_000.0, 40)]
        {
            for times in Times::ALL {
                // Tiny elements on very many engines only take memory.
                let n = (u64::from(engines) * per_engine).min(3_000_000);
                let drawn = times.draw(n, mean_us * 1e3, 7);
                let sizes = (0..8).map(|e| 4u64.pow(e)).filter(|size| n / size < 300_000 && *size <= n);
                let fixed = sizes.map(|size| (makespan(engines, &drawn, Chunking::Fixed(size)), size));
                let (best, size) = fixed.min().expect("there is a size");
                let auto = makespan(engines, &drawn, Chunking::Auto);
                let ratio = best as f64 / auto as f64;
                let ideal = drawn.iter().sum::<u64>() as f64 / f64::from(engines) / auto as f64;
                worst = worst.min(ratio);
                let (best, auto) = (best as f64 / 1e6, auto as f64 / 1e6);
                let each = n as f64 * mean_us / 1e3 / f64::from(engines);
                println!(
                    "{engines:7}  {mean_us:7}  {each:9.1}  {:11}  {size:9}  {best:7.2}  {auto:7.2}  {ratio:9.3}  {ideal:9.3}",
                    format!("{times:?}")
                );
            }
        }
    }
    println!("worst best/auto {worst:.3}");
}
