//! Means and their errors from correlated measurements, by blocking and the jackknife.
//!
//! Successive sweeps are correlated, so their scatter understates the error of their mean. The measurements of a run
//! are cut into a fixed number of consecutive blocks, each much longer than the correlation time; the blocks are
//! then practically independent, and leaving each out in turn gives the error of any function of the means
//! (the jackknife: Efron, *The Jackknife, the Bootstrap and Other Resampling Plans*, 1982; blocking of
//! simulations: Flyvbjerg & Petersen, J. Chem. Phys. 91, 461, 1989).

use serde::{Deserialize, Serialize};

/// A mean and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
}

impl Estimate {
    /// The mean of independent estimates of the same thing; `None` if there are none. All count alike: weights
    /// taken from noisy error bars would bias the mean towards the runs that happened to fluctuate less.
    pub fn average(estimates: impl IntoIterator<Item = Estimate>) -> Option<Estimate> {
        let (mut count, mut sum, mut squares) = (0u32, 0.0, 0.0);
        for estimate in estimates {
            count += 1;
            sum += estimate.mean;
            squares += estimate.error * estimate.error;
        }
        let n = f64::from(count);
        (count > 0).then(|| Estimate { mean: sum / n, error: f64::sqrt(squares) / n })
    }

    /// How many standard errors the mean lies above `exact`; `None` if the error is 0, as in a run so cold that
    /// nothing moved, where nothing is known about what a longer one would see.
    pub fn deviation(&self, exact: f64) -> Option<f64> {
        (self.error > 0.0).then(|| (self.mean - exact) / self.error)
    }
}

/// Sums over a block of measurements of the energy and the magnetisation per site.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: f64,
    energy: [f64; 2],
    magnetisation: [f64; 3],
}

impl Moments {
    /// Adds one measurement, both per site.
    pub fn add(&mut self, energy: f64, magnetisation: f64) {
        let square = magnetisation * magnetisation;
        self.count += 1.0;
        self.energy[0] += energy;
        self.energy[1] += energy * energy;
        self.magnetisation[0] += magnetisation.abs();
        self.magnetisation[1] += square;
        self.magnetisation[2] += square * square;
    }

    /// The number of measurements.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// ⟨e⟩.
    pub fn energy(&self) -> f64 {
        self.energy[0] / self.count
    }

    /// ⟨e²⟩ − ⟨e⟩².
    pub fn energy_variance(&self) -> f64 {
        self.energy[1] / self.count - self.energy().powi(2)
    }

    /// ⟨|m|⟩.
    pub fn magnetisation(&self) -> f64 {
        self.magnetisation[0] / self.count
    }

    /// The fourth-order cumulant 1 − ⟨m⁴⟩ / 3⟨m²⟩² (Binder, Z. Phys. B 43, 119, 1981).
    pub fn binder(&self) -> f64 {
        1.0 - self.magnetisation[2] * self.count / (3.0 * self.magnetisation[1].powi(2))
    }

    fn combined(self, other: Moments, sign: f64) -> Moments {
        Moments {
            count: self.count + sign * other.count,
            energy: std::array::from_fn(|k| self.energy[k] + sign * other.energy[k]),
            magnetisation: std::array::from_fn(|k| self.magnetisation[k] + sign * other.magnetisation[k]),
        }
    }
}

/// The blocks of a run, at least two, of equal length.
#[derive(Debug, Clone)]
pub struct Blocks {
    blocks: Vec<Moments>,
    total: Moments,
}

impl Blocks {
    /// Blocks from their sums; `None` if there are fewer than two, which give no error.
    pub fn new(blocks: Vec<Moments>) -> Option<Self> {
        let total = blocks.iter().fold(Moments::default(), |sum, block| sum.combined(*block, 1.0));
        (blocks.len() > 1).then_some(Self { blocks, total })
    }

    /// The sums over all blocks.
    pub fn total(&self) -> &Moments {
        &self.total
    }

    /// A function of the means, with its jackknife error.
    pub fn estimate(&self, of: impl Fn(&Moments) -> f64) -> Estimate {
        let n = self.blocks.len() as f64;
        let left_out: Vec<f64> =
            self.blocks.iter().map(|block| of(&self.total.combined(*block, -1.0))).collect();
        let centre = left_out.iter().sum::<f64>() / n;
        let scatter: f64 = left_out.iter().map(|value| (value - centre).powi(2)).sum();
        Estimate { mean: of(&self.total), error: (scatter * (n - 1.0) / n).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(energies: &[f64]) -> Moments {
        let mut moments = Moments::default();
        for &energy in energies {
            moments.add(energy, energy / 2.0);
        }
        moments
    }

    #[test]
    fn for_a_plain_mean_the_jackknife_is_the_standard_error_of_the_blocks() {
        let blocks = Blocks::new(vec![block(&[1.0, 3.0]), block(&[2.0, 4.0]), block(&[5.0, 9.0])])
            .expect("three blocks");
        let estimate = blocks.estimate(Moments::energy);
        // Block means 2, 3, 7: mean 4, sample variance 7.
        assert!((estimate.mean - 4.0).abs() < 1e-12);
        assert!((estimate.error - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn moments_are_those_of_the_measurements() {
        let moments = block(&[-1.0, 1.0, 2.0, -2.0]);
        assert_eq!(moments.count(), 4.0);
        assert_eq!(moments.energy(), 0.0);
        assert_eq!(moments.energy_variance(), 2.5);
        assert_eq!(moments.magnetisation(), 0.75);
        // m² = ¼, ¼, 1, 1 and m⁴ = 1/16, 1/16, 1, 1.
        assert!((moments.binder() - (1.0 - (2.125 / 4.0) / (3.0 * 0.625f64.powi(2)))).abs() < 1e-12);
    }

    #[test]
    fn one_block_gives_no_error() {
        assert!(Blocks::new(vec![block(&[1.0])]).is_none());
    }

    #[test]
    fn averaging_replicas_shrinks_the_error_by_the_root_of_their_number() {
        let one = Estimate { mean: 1.0, error: 0.2 };
        let other = Estimate { mean: 3.0, error: 0.2 };
        let average = Estimate::average([one, other, one, other]).expect("four estimates");
        assert!((average.mean - 2.0).abs() < 1e-12 && (average.error - 0.1).abs() < 1e-12);
        assert!((average.deviation(1.8).expect("an error") - 2.0).abs() < 1e-12);
        assert_eq!(Estimate { mean: 1.0, error: 0.0 }.deviation(1.0), None);
        assert_eq!(Estimate::average([]), None);
    }
}
