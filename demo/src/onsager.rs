//! The exact solution of the infinite square lattice without a field.
//!
//! Energy and specific heat: L. Onsager, Phys. Rev. 65, 117 (1944), eqs. 116 and 117. Spontaneous magnetisation: C. N. Yang,
//! Phys. Rev. 85, 808 (1952). With K = 1/T and κ = 2 tanh² 2K − 1, the modulus of the elliptic integrals is
//! k = 2 sinh 2K / cosh² 2K and the complementary one is |κ|, which vanishes at the critical temperature.

use crate::elliptic;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// T_c = 2 / ln(1 + √2).
pub const CRITICAL_TEMPERATURE: f64 = 2.269_185_314_213_022;

/// The energy per site: −coth 2K · [1 + (2/π) κ K(k)].
pub fn energy(temperature: f64) -> f64 {
    let (coth, kappa) = coth_and_kappa(temperature);
    -coth * (1.0 + FRAC_2_PI * vanishing_product(kappa))
}

/// The specific heat per site: (2/π) (K coth 2K)² · {2K(k) − 2E(k) − (1 − κ)[π/2 + κ K(k)]}; infinite at the
/// critical temperature.
pub fn specific_heat(temperature: f64) -> f64 {
    let (coth, kappa) = coth_and_kappa(temperature);
    let (first, second) = elliptic::complete(kappa.abs());
    let braces = 2.0 * first - 2.0 * second - (1.0 - kappa) * (FRAC_PI_2 + vanishing_product(kappa));
    FRAC_2_PI * (coth / temperature).powi(2) * braces
}

/// The spontaneous magnetisation per site: (1 − sinh⁻⁴ 2K)^⅛ below the critical temperature, 0 above.
pub fn magnetisation(temperature: f64) -> f64 {
    if temperature >= CRITICAL_TEMPERATURE {
        return 0.0;
    }
    // Rounding may leave a difference just below zero at the critical temperature.
    (1.0 - (2.0 / temperature).sinh().powi(-4)).max(0.0).powf(0.125)
}

fn coth_and_kappa(temperature: f64) -> (f64, f64) {
    let tanh = (2.0 / temperature).tanh();
    (tanh.recip(), 2.0 * tanh * tanh - 1.0)
}

/// κ K(k), whose limit at κ = 0 is 0 although K diverges.
fn vanishing_product(kappa: f64) -> f64 {
    if kappa == 0.0 { 0.0 } else { kappa * elliptic::complete(kappa.abs()).0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::SQRT_2;

    #[test]
    fn the_critical_temperature_is_onsagers() {
        assert!((CRITICAL_TEMPERATURE - 2.0 / SQRT_2.ln_1p()).abs() < 1e-15);
    }

    #[test]
    fn the_critical_energy_is_minus_root_two() {
        assert!((energy(CRITICAL_TEMPERATURE) + SQRT_2).abs() < 1e-12);
    }

    #[test]
    fn the_limits_are_the_ground_state_and_disorder() {
        assert!((energy(0.1) + 2.0).abs() < 1e-12);
        assert!(energy(1e6).abs() < 1e-5);
        // The first term of the high-temperature series: u = −2 tanh K + O(K³).
        assert!((energy(200.0) + 2.0 / 200.0).abs() < 1e-6);
        assert!(specific_heat(0.1).abs() < 1e-12 && specific_heat(1e4) < 1e-7);
    }

    #[test]
    fn low_temperatures_follow_the_series() {
        // u = −2 + 8 x² + 24 x³ …, x = e^(−4/T): one flipped spin, then a pair of neighbours.
        let x = (-4.0f64 / 0.6).exp();
        let series = -2.0 + 8.0 * x * x + 24.0 * x.powi(3);
        assert!((energy(0.6) - series).abs() < 100.0 * x.powi(4), "{} {series}", energy(0.6));
    }

    #[test]
    fn the_specific_heat_is_the_slope_of_the_energy() {
        for temperature in [0.7, 1.5, 2.0, 2.26, 2.28, 2.5, 3.5, 8.0] {
            let step = 1e-5;
            let slope = (energy(temperature + step) - energy(temperature - step)) / (2.0 * step);
            let heat = specific_heat(temperature);
            assert!((heat / slope - 1.0).abs() < 1e-5, "T = {temperature}: {heat} {slope}");
        }
    }

    #[test]
    fn the_specific_heat_diverges_as_a_logarithm() {
        // Onsager: C ≈ −0.4945 ln|1 − T/T_c| + const, the same on both sides.
        let at = |reduced: f64| specific_heat(CRITICAL_TEMPERATURE * (1.0 + reduced));
        for side in [-1.0, 1.0] {
            let amplitude = (at(side * 1e-7) - at(side * 1e-6)) / 10f64.ln();
            assert!((amplitude - 0.4945).abs() < 1e-3, "{amplitude}");
        }
    }

    #[test]
    fn the_magnetisation_is_yangs() {
        assert!((magnetisation(0.5) - 1.0).abs() < 1e-6);
        assert!((magnetisation(2.0) - 0.911_319_377_877_496).abs() < 1e-12);
        assert_eq!(magnetisation(CRITICAL_TEMPERATURE), 0.0);
        assert_eq!(magnetisation(3.0), 0.0);
        assert!(magnetisation(CRITICAL_TEMPERATURE - 1e-9) < 0.2);
    }
}
