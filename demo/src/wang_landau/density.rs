//! The logarithm of a density of states, and what follows from it.

use crate::kaufman;
use crate::wang_landau::piece::Piece;
use ndarray::Array1;
use phalanx::simulation::{JoinError, join_results, windows};

/// ln g(E) of an L×L lattice: how many configurations have each energy.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// The lattice is `size` × `size`.
    pub size: u32,
    /// In units of J, ascending.
    pub energies: Vec<f64>,
    /// One for each energy.
    pub ln_states: Vec<f64>,
}

/// How far a density of states is from the exact one, at the energies where it is farthest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discrepancy {
    /// The largest |ln g − ln g_exact| / ln g_exact. Nothing is divided by zero: no energy has fewer than two states.
    pub relative: f64,
    /// The energy where it is.
    pub relative_at: f64,
    /// The largest |ln g − ln g_exact|, which is nearly the relative error of g.
    pub absolute: f64,
    /// The energy where it is.
    pub absolute_at: f64,
}

impl Density {
    /// Joins what was found in windows that overlap, lowest first, by `join_results` with Hann's window, and
    /// [normalises](Self::normalised) it.
    ///
    /// # Errors
    /// [`JoinError`] names the piece that overlaps too little with those before it.
    pub fn join(size: u32, pieces: &[Piece]) -> Result<Self, JoinError> {
        let arrays = |of: fn(&Piece) -> &Vec<f64>| -> Vec<Array1<f64>> {
            pieces.iter().map(|piece| Array1::from(of(piece).clone())).collect()
        };
        let joined =
            join_results(&arrays(|piece| &piece.energies), &arrays(|piece| &piece.ln_states), windows::hann)?;
        Ok(Self::normalised(size, joined.x.to_vec(), joined.y.to_vec()))
    }

    /// The density of states of which ln g is known up to a constant.
    ///
    /// The constant is chosen so that there are 2^(L²) configurations in all. To set g of the ground state to 2 would be as exact, but
    /// would add the error of that one energy, at the end of a chain of windows and the hardest to visit, to every other one. The sum
    /// is that of the many energies in the middle, whose errors average out.
    pub fn normalised(size: u32, energies: Vec<f64>, mut ln_states: Vec<f64>) -> Self {
        let excess = ln_sum_exp(&ln_states) - f64::from(size * size) * f64::ln(2.0);
        ln_states.iter_mut().for_each(|value| *value -= excess);
        Self { size, energies, ln_states }
    }

    /// The exact averages over the canonical ensemble, per site, at a positive temperature in units of J/k_B.
    pub fn averages(&self, temperature: f64) -> kaufman::Exact {
        let exponents: Vec<f64> =
            self.energies.iter().zip(&self.ln_states).map(|(energy, ln)| ln - energy / temperature).collect();
        let ln_z = ln_sum_exp(&exponents);
        let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
            self.energies.iter().zip(&exponents).map(|(&energy, e)| of(energy) * (e - ln_z).exp()).sum()
        };
        let sites = f64::from(self.size * self.size);
        let energy = mean(&|energy| energy);
        let variance = mean(&|other| (other - energy).powi(2));
        kaufman::Exact { energy: energy / sites, specific_heat: variance / (temperature.powi(2) * sites) }
    }

    /// ln g − ln g_exact at every energy; `None` if the energies are not the same.
    pub fn differences(&self, exact: &Self) -> Option<Vec<f64>> {
        let differences = || self.ln_states.iter().zip(&exact.ln_states).map(|(a, b)| a - b).collect();
        (self.energies == exact.energies).then(differences)
    }

    /// The largest differences; `None` if the energies are not the same.
    pub fn discrepancy(&self, exact: &Self) -> Option<Discrepancy> {
        let absolute: Vec<f64> = self.differences(exact)?.iter().map(|difference| difference.abs()).collect();
        let relative: Vec<f64> = absolute.iter().zip(&exact.ln_states).map(|(off, ln)| off / ln).collect();
        let largest = |values: &[f64]| {
            let pairs = values.iter().copied().zip(self.energies.iter().copied());
            pairs.max_by(|a, b| a.0.total_cmp(&b.0))
        };
        let ((relative, relative_at), (absolute, absolute_at)) = (largest(&relative)?, largest(&absolute)?);
        Some(Discrepancy { relative, relative_at, absolute, absolute_at })
    }
}

/// ln Σ exp, without leaving the range of numbers.
fn ln_sum_exp(exponents: &[f64]) -> f64 {
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + exponents.iter().map(|exponent| (exponent - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wang_landau::exact::exact;

    #[test]
    fn any_constant_is_taken_off() {
        let exact = exact(4).unwrap().density();
        for constant in [-1e3, 0.0, 5e3] {
            let shifted = exact.ln_states.iter().map(|ln| ln + constant).collect();
            let found = Density::normalised(4, exact.energies.clone(), shifted);
            assert!(found.discrepancy(&exact).unwrap().absolute < 1e-11, "{constant}");
        }
    }

    #[test]
    fn the_largest_errors_are_found_where_they_are() {
        let exact = exact(4).unwrap().density();
        let mut off = exact.clone();
        off.ln_states[0] += 0.01;
        off.ln_states[7] -= 0.05;
        let found = off.discrepancy(&exact).unwrap();
        assert_eq!((found.relative_at, found.absolute_at), (-32.0, 0.0));
        assert!(
            (found.relative - 0.01 / f64::ln(2.0)).abs() < 1e-12 && (found.absolute - 0.05).abs() < 1e-12
        );
    }

    #[test]
    fn a_missing_energy_is_not_compared() {
        let exact = exact(4).unwrap().density();
        let mut short = exact.clone();
        short.energies.pop();
        short.ln_states.pop();
        assert_eq!(short.discrepancy(&exact), None);
    }
    /// Hann's window: an end of a piece, where the walk knows least, yields to the other piece.
    #[test]
    fn pieces_are_joined_and_their_ends_do_not_count() {
        let exact = exact(4).unwrap().density();
        let piece = |range: std::ops::Range<usize>, constant: f64| Piece {
            energies: exact.energies[range.clone()].to_vec(),
            ln_states: exact.ln_states[range].iter().map(|ln| ln + constant).collect(),
            sweeps: 1,
            converged: true,
        };
        let mut pieces = [piece(0..9, 3.0), piece(5..15, -7.0)];
        pieces[0].ln_states[8] += 1.0;
        pieces[1].ln_states[0] -= 1.0;
        let found = Density::join(4, &pieces).unwrap();
        assert!(found.discrepancy(&exact).unwrap().absolute < 1e-12, "{found:?}");
        assert!(Density::join(4, &[piece(0..7, 0.0), piece(5..15, 0.0)]).is_err(), "two shared energies");
    }
}
