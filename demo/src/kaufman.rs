//! The exact solution on a finite L×L torus: what a perfect simulation of this lattice would measure.
//!
//! A 32×32 lattice is not the infinite one: near the critical temperature its energy differs from Onsager's by many
//! error bars. Kaufman's partition function of the torus (B. Kaufman, Phys. Rev. 76, 1232, 1949; written as in
//! A. E. Ferdinand & M. E. Fisher, Phys. Rev. 185, 832, 1969) has no such difference, so the simulation is judged by it:
//!
//! ```text
//! Z = ½ (2 sinh 2K)^(L²/2) · [ Π 2cosh(Lγ₂ᵣ₊₁/2) + Π 2sinh(Lγ₂ᵣ₊₁/2) + Π 2cosh(Lγ₂ᵣ/2) + Π 2sinh(Lγ₂ᵣ/2) ],  r = 0 … L−1
//! cosh γ_l = cosh 2K · coth 2K − cos(πl/L),   γ₀ = 2K + ln tanh K,   K = 1/T
//! ```
//!
//! γ₀ changes sign at the critical temperature and takes the last product with it. Energy and specific heat are
//! −∂ln Z/∂K / L² and K² ∂²ln Z/∂K² / L², differentiated exactly.

use crate::jet::Jet;
use std::f64::consts::PI;

/// Exact averages per site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    /// The energy.
    pub energy: f64,
    /// The specific heat.
    pub specific_heat: f64,
}

/// The exact energy and specific heat of the periodic `size` × `size` lattice, `size` ≥ 3, at a positive temperature.
pub fn exact(size: u32, temperature: f64) -> Exact {
    let coupling = temperature.recip();
    let [sinh, cosh] = [(2.0 * coupling).sinh(), (2.0 * coupling).cosh()];
    let n = f64::from(size);

    let (odd, odd_scale) = products((0..size).map(|r| gamma(coupling, 2 * r + 1, size)), n);
    let (even, even_scale) = products((0..size).map(|r| gamma(coupling, 2 * r, size)), n);
    let bracket = odd + even.scale((even_scale - odd_scale).exp());
    let log = bracket.ln();

    // The prefactor's ln is (L²/2) ln(2 sinh 2K).
    let sites = n * n;
    let first = sites * cosh / sinh + log.first;
    let second = -2.0 * sites / (sinh * sinh) + log.second;
    Exact { energy: -first / sites, specific_heat: coupling * coupling * second / sites }
}

/// γ_l as a function of K.
fn gamma(coupling: f64, l: u32, size: u32) -> Jet {
    let [s, c] = [(2.0 * coupling).sinh(), (2.0 * coupling).cosh()];
    if l == 0 {
        return Jet {
            value: 2.0 * coupling + coupling.tanh().ln(),
            first: 2.0 + 2.0 / s,
            second: -4.0 * c / (s * s),
        };
    }
    // cosh 2K coth 2K = s + 1/s with s = sinh 2K, s' = 2 cosh 2K, s'' = 4 s.
    let sinh = Jet { value: s, first: 2.0 * c, second: 4.0 * s };
    let sum = sinh.chain(s + s.recip(), 1.0 - s.powi(-2), 2.0 * s.powi(-3));
    (sum + Jet::constant(-(PI * f64::from(l) / f64::from(size)).cos())).acosh()
}

/// Π 2cosh(nγ/2) + Π 2sinh(nγ/2), divided by the exponential of the second value, which keeps it in range.
fn products(gammas: impl Iterator<Item = Jet>, n: f64) -> (Jet, f64) {
    let one = Jet::constant(1.0);
    let (cosh, sinh, scale) = gammas.fold((one, one, 0.0), |(cosh, sinh, scale), gamma| {
        let half = gamma.scale(n / 2.0);
        let size = half.value.abs();
        let [up, down] = [half.exp_minus(size), half.scale(-1.0).exp_minus(size)];
        (cosh * (up + down), sinh * (up + down.scale(-1.0)), scale + size)
    });
    (cosh + sinh, scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onsager;

    #[test]
    fn the_specific_heat_is_the_slope_of_the_energy() {
        for temperature in [1.0, 2.0, onsager::CRITICAL_TEMPERATURE, 2.4, 4.0] {
            let step = 1e-4;
            let slope =
                (exact(32, temperature + step).energy - exact(32, temperature - step).energy) / (2.0 * step);
            let heat = exact(32, temperature).specific_heat;
            assert!((heat - slope).abs() < 1e-4 * heat, "T = {temperature}: {heat} {slope}");
        }
    }

    #[test]
    fn far_from_the_critical_point_it_is_onsagers() {
        for temperature in [1.2, 1.6, 3.5, 5.0] {
            let finite = exact(64, temperature);
            assert!((finite.energy - onsager::energy(temperature)).abs() < 1e-9, "T = {temperature}");
            assert!(
                (finite.specific_heat - onsager::specific_heat(temperature)).abs() < 1e-6,
                "T = {temperature}"
            );
        }
    }

    #[test]
    fn at_the_critical_point_it_nears_onsagers_as_one_over_the_size() {
        let gap = |size| {
            onsager::energy(onsager::CRITICAL_TEMPERATURE) - exact(size, onsager::CRITICAL_TEMPERATURE).energy
        };
        // Ferdinand & Fisher: the amplitude tends to a constant, 0.622 on the square torus.
        for size in [16, 32, 64] {
            let amplitude = gap(size) * f64::from(size);
            assert!((amplitude - 0.622).abs() < 0.003, "L = {size}: {amplitude}");
        }
    }
}
