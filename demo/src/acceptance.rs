//! The Metropolis acceptance table, in a form that decides 64 spins at once.
//!
//! On the square lattice a flip changes the energy by −8, −4, 0, +4 or +8. Flips that do not raise the energy
//! are always accepted; the two others with p = exp(−ΔE/T). A spin is accepted when a uniform random binary
//! fraction lies below p. The digits of that fraction are drawn most significant first, one random word
//! giving one digit to each of 64 spins, and only until every spin is decided: a spin's first digit that
//! differs from p's decides it, so about eight words serve 64 spins.

use rand_xoshiro::rand_core::RngCore;

/// Binary digits of each probability that are kept: it is exact to 2⁻⁶⁴.
const DIGITS: usize = 64;

/// The acceptance probabilities of one temperature.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// exp(−4/T) and exp(−8/T), in units of 2⁻⁶⁴.
    fractions: [u64; 2],
    /// Digit by digit, most significant first: all ones where the digit of exp(−4/T), of exp(−8/T), is 1.
    digits: [[u64; 2]; DIGITS],
}

impl Acceptance {
    /// The table for a temperature in units of J/k_B.
    pub fn new(temperature: f64) -> Self {
        // The product is at most 2⁶⁴, and a float too large for u64 becomes its maximum.
        let fraction = |rise: f64| ((-rise / temperature).exp() * 2f64.powi(64)) as u64;
        let fractions = [fraction(4.0), fraction(8.0)];
        let digits =
            std::array::from_fn(|place| fractions.map(|p| ((p >> (DIGITS - 1 - place)) & 1).wrapping_neg()));
        Self { fractions, digits }
    }

    /// The probability with which a flip that changes the energy by `change` (−8, −4, 0, 4 or 8) is accepted.
    pub fn probability(&self, change: i32) -> f64 {
        match change {
            ..=0 => 1.0,
            1..=4 => self.fractions[0] as f64 / 2f64.powi(64),
            5.. => self.fractions[1] as f64 / 2f64.powi(64),
        }
    }

    /// Which of the spins whose flip would cost 4 (`rise4`) or 8 (`rise8`) are accepted; one bit per spin, and
    /// no bit in both.
    #[inline]
    pub fn decide(&self, rise4: u64, rise8: u64, rng: &mut impl RngCore) -> u64 {
        let mut undecided = rise4 | rise8;
        let mut accepted = 0;
        for [four, eight] in self.digits {
            if undecided == 0 {
                break;
            }
            let digit = (rise4 & four) | (rise8 & eight);
            let drawn = rng.next_u64();
            accepted |= undecided & digit & !drawn;
            undecided &= !(digit ^ drawn);
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    #[test]
    fn the_table_holds_the_boltzmann_factors() {
        for temperature in [0.5, 1.0, 2.269, 3.7, 100.0] {
            let table = Acceptance::new(temperature);
            for change in [-8, -4, 0] {
                assert_eq!(table.probability(change), 1.0);
            }
            for change in [4, 8] {
                let exact = (-f64::from(change) / temperature).exp();
                assert!((table.probability(change) / exact - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_digits_spell_the_fractions() {
        let table = Acceptance::new(2.3);
        for which in 0..2 {
            let spelt = table.digits.iter().fold(0u64, |value, pair| value << 1 | pair[which] & 1);
            assert_eq!(spelt, table.fractions[which]);
            assert!(table.digits.iter().all(|pair| pair[which] == 0 || pair[which] == u64::MAX));
        }
    }

    #[test]
    fn spins_are_accepted_as_often_as_the_table_says() {
        let table = Acceptance::new(2.3);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let rise4 = 0xAAAA_AAAA_0F0F_FFFF;
        let rounds = 200_000u64;
        let mut seen = [0u64; 64];
        for _ in 0..rounds {
            let accepted = table.decide(rise4, !rise4, &mut rng);
            for (bit, count) in seen.iter_mut().enumerate() {
                *count += accepted >> bit & 1;
            }
        }
        for (bit, &count) in seen.iter().enumerate() {
            let p = table.probability(if rise4 >> bit & 1 == 1 { 4 } else { 8 });
            let sigma = (p * (1.0 - p) / rounds as f64).sqrt();
            let off = (count as f64 / rounds as f64 - p) / sigma;
            assert!(off.abs() < 4.0, "spin {bit} is {off:.1} sigma off");
        }
    }

    #[test]
    fn only_the_asked_spins_are_accepted_and_only_they_cost_random_words() {
        let table = Acceptance::new(2.3);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        for _ in 0..1000 {
            assert_eq!(table.decide(0b1010, 0b0100, &mut rng) & !0b1110, 0);
        }
        let untouched = rng.clone();
        assert_eq!(table.decide(0, 0, &mut rng), 0);
        assert_eq!(rng, untouched);
    }
}
