//! The runs of one temperature, combined.

use crate::blocking::Estimate;
use crate::ising::RunResult;
use serde::{Deserialize, Serialize};

/// Averages at one temperature over its replicas. All per site.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The lattice is `size` × `size`.
    pub size: u32,
    /// In units of J/k_B.
    pub temperature: f64,
    /// How many runs went in.
    pub replicas: usize,
    /// ⟨e⟩.
    pub energy: Estimate,
    /// ⟨|m|⟩.
    pub magnetisation: Estimate,
    /// From the fluctuations of the energy.
    pub specific_heat: Estimate,
    /// The Binder cumulant.
    pub binder: Estimate,
}

/// One point for every lattice size and temperature among the results, by size, then by temperature. The results may
/// come in any order.
pub fn combine(results: &[RunResult]) -> Vec<Point> {
    let mut sorted: Vec<&RunResult> = results.iter().collect();
    sorted.sort_by(|a, b| {
        a.spec.size.cmp(&b.spec.size).then(a.spec.temperature.total_cmp(&b.spec.temperature))
    });
    sorted
        .chunk_by(|a, b| a.spec.size == b.spec.size && a.spec.temperature == b.spec.temperature)
        .map(|runs| {
            let average = |of: fn(&RunResult) -> Estimate| {
                Estimate::average(runs.iter().map(|run| of(run))).expect("a chunk has at least one run")
            };
            Point {
                size: runs[0].spec.size,
                temperature: runs[0].spec.temperature,
                replicas: runs.len(),
                energy: average(|run| run.energy),
                magnetisation: average(|run| run.magnetisation),
                specific_heat: average(|run| run.specific_heat),
                binder: average(|run| run.binder),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ising::{RunSpec, simulate};

    #[test]
    fn replicas_meet_in_any_order() {
        let run = |temperature, seed| {
            simulate(&RunSpec { size: 4, temperature, seed, burn_in: 10, sweeps: 320 }).expect("a valid run")
        };
        let results = [run(3.0, 1), run(2.0, 2), run(3.0, 3), run(2.0, 4), run(2.0, 5)];
        let points = combine(&results);
        let found: Vec<_> = points.iter().map(|point| (point.temperature, point.replicas)).collect();
        assert_eq!(found, [(2.0, 3), (3.0, 2)]);
        let mean = (results[0].energy.mean + results[2].energy.mean) / 2.0;
        assert!((points[1].energy.mean - mean).abs() < 1e-15);
        assert_eq!(combine(&[]), []);
    }
}
