//! Complete elliptic integrals of the first and second kind by the arithmetic–geometric mean.
//!
//! Abramowitz & Stegun, *Handbook of Mathematical Functions*, §17.6. Both take the complementary modulus
//! k' = √(1 − k²): near the critical point k is close to 1 and k' would be lost in rounding.

use std::f64::consts::FRAC_PI_2;

/// K(k) and E(k) for a complementary modulus 0 ≤ k' ≤ 1; K(1) is infinite.
pub fn complete(complementary: f64) -> (f64, f64) {
    if complementary == 0.0 {
        return (f64::INFINITY, 1.0);
    }
    let (mut a, mut b) = (1.0, complementary);
    // E/K = 1 − Σ 2^(n−1) cₙ², with c₀ = k and cₙ₊₁ = (aₙ − bₙ)/2.
    let mut power = 0.5;
    let mut sum = power * (1.0 - complementary * complementary);
    while (a - b).abs() > f64::EPSILON * a {
        let c = (a - b) / 2.0;
        (a, b) = ((a + b) / 2.0, (a * b).sqrt());
        power *= 2.0;
        sum += power * c * c;
    }
    let first = FRAC_PI_2 / a;
    (first, first * (1.0 - sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz & Stegun, table 17.1, by the parameter m = k².
    #[test]
    fn agrees_with_the_handbook() {
        for (m, first, second) in [
            (0.0, FRAC_PI_2, FRAC_PI_2),
            (0.1, 1.612_441_348_720_219, 1.530_757_636_897_763),
            (0.5, 1.854_074_677_301_372, 1.350_643_881_047_675),
            (0.9, 2.578_092_113_348_173, 1.104_774_732_704_073),
        ] {
            let (k, e) = complete(f64::sqrt(1.0 - m));
            assert!((k - first).abs() < 1e-14 && (e - second).abs() < 1e-14, "m = {m}: {k} {e}");
        }
    }

    #[test]
    fn obeys_legendres_relation() {
        for modulus in [0.01f64, 0.3, 0.6, 0.99] {
            let complementary = (1.0 - modulus * modulus).sqrt();
            let (k, e) = complete(complementary);
            let (k2, e2) = complete(modulus);
            assert!((e * k2 + e2 * k - k * k2 - FRAC_PI_2).abs() < 1e-13);
        }
    }

    #[test]
    fn grows_logarithmically_towards_modulus_one() {
        for tiny in [1e-6, 1e-12, 1e-300] {
            let (k, e) = complete(tiny);
            assert!((k - (4.0 / tiny).ln()).abs() < 1e-10 && (e - 1.0).abs() < 1e-10, "{tiny}: {k} {e}");
        }
        assert_eq!(complete(0.0), (f64::INFINITY, 1.0));
    }
}
