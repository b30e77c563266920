//! Automatic chunk sizes against the best of many fixed ones, for elements that take equally long, that are heavy-tailed,
//! and that are tiny.

use std::time::{Duration, Instant};

use phalanx::{Auto, Chunksize, Client};

use crate::arguments::Arguments;
use crate::catalogue::{AUTO_HEAVY, AUTO_TINY, AUTO_UNIFORM, Definition};
use crate::error::Error;
use crate::figures::Figures;
use crate::measure::work::{spin, steps_per_us};
use crate::samples::Samples;

/// The fixed sizes that are tried.
const SWEEP: [u64; 10] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000];
/// A size that was this much slower than the best of the first round is not tried again.
const HOPELESS: f64 = 1.3;
/// Pareto's exponent: a few elements hold much of the work.
const TAIL: f64 = 1.5;

/// Elements by what they cost, in steps of [`spin`].
struct Workload {
    definition: &'static Definition,
    elements: Vec<u64>,
}

pub(super) fn measure(arguments: &Arguments, client: &Client, figures: &mut Figures) -> Result<(), Error> {
    let per_us = steps_per_us();
    let scale = if arguments.quick { 1 } else { 3 };
    for workload in workloads(per_us, scale) {
        one(arguments, client, &workload, figures)?;
    }
    Ok(())
}

/// About 0.2 s of work per unit of `scale` each.
fn workloads(per_us: f64, scale: usize) -> [Workload; 3] {
    let mut random = SplitMix(7);
    let mean_us = 100.0;
    let shortest_us = mean_us * (TAIL - 1.0) / TAIL;
    let mut heavy = || (shortest_us * random.unit().powf(-1.0 / TAIL)).min(300.0 * mean_us);
    let steps = |us: f64| (us * per_us) as u64;
    [
        Workload { definition: &AUTO_UNIFORM, elements: vec![steps(mean_us); 2_000 * scale] },
        Workload { definition: &AUTO_HEAVY, elements: (0..2_000 * scale).map(|_| steps(heavy())).collect() },
        Workload { definition: &AUTO_TINY, elements: vec![steps(0.2); 500_000 * scale] },
    ]
}

fn one(
    arguments: &Arguments,
    client: &Client,
    workload: &Workload,
    figures: &mut Figures,
) -> Result<(), Error> {
    let largest = workload.elements.len() as u64 / u64::from(arguments.engines);
    let mut fixed: Vec<(u64, Vec<f64>)> =
        SWEEP.into_iter().filter(|k| *k <= largest).map(|k| (k, Vec::new())).collect();
    let mut automatic = Vec::new();
    map(client, workload, Auto.into())?;
    for round in 0..arguments.rounds() {
        for (size, times) in &mut fixed {
            times.push(map(client, workload, (*size).into())?.as_secs_f64());
        }
        automatic.push(map(client, workload, Auto.into())?.as_secs_f64());
        if round == 0 {
            let best =
                fixed.iter().map(|(_, times)| times[0]).min_by(f64::total_cmp).unwrap_or(f64::INFINITY);
            fixed.retain(|(_, times)| times[0] <= HOPELESS * best);
        }
    }
    let median = |times: &[f64]| times.iter().copied().collect::<Samples>().median().unwrap_or(f64::INFINITY);
    let best = fixed.iter().min_by(|a, b| median(&a.1).total_cmp(&median(&b.1)));
    let (size, best) = best.expect("size 1 fits every job");
    eprintln!(
        "  {}: best chunksize {size}, {:.1} ms; Auto {:.1} ms",
        workload.definition.key,
        median(best) * 1e3,
        median(&automatic) * 1e3
    );
    for (best, automatic) in best.iter().zip(&automatic) {
        figures.record(workload.definition, best / automatic);
    }
    Ok(())
}

fn map(client: &Client, workload: &Workload, chunksize: Chunksize) -> Result<Duration, Error> {
    let started = Instant::now();
    let values =
        client.load_balanced_view().map_async(spin, workload.elements.iter().copied(), chunksize).get()?;
    let took = started.elapsed();
    if values.len() == workload.elements.len() { Ok(took) } else { Err(Error::Wrong("map")) }
}

/// Random numbers that are the same in every run (Steele, Lea and Flood, 2014).
struct SplitMix(u64);

impl SplitMix {
    /// Uniform in (0, 1].
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_heavy_elements_hold_much_of_the_work() {
        let [uniform, heavy, _] = workloads(10.0, 3);
        let sum = |w: &Workload| w.elements.iter().sum::<u64>() as f64;
        let ratio = sum(&heavy) / sum(&uniform);
        assert!((0.6..1.6).contains(&ratio), "the same mean, roughly: {ratio}");
        let mut sorted = heavy.elements.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let top: u64 = sorted[..sorted.len() / 20].iter().sum();
        assert!(top as f64 > 0.25 * sum(&heavy), "5 % of the elements have {top}");
    }
}
