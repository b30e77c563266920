//! The energies that an L×L periodic lattice can have.
//!
//! A flip changes the number of unsatisfied bonds by an even number, so energies are 4 apart, from −2L², all spins alike, to
//! 2L², the checkerboard that needs an even L. Two of these are missing: next to the ground state all but one spin are alike,
//! which breaks four bonds, not two, and so it is next to the checkerboard.

/// The lattices that can be both walked and enumerated: even, and at most 64 spins.
pub const SIZES: [u32; 3] = [4, 6, 8];

/// The distance between energies, in units of J.
pub(crate) const SPACING: i32 = 4;

/// The lowest energy, −2L², in units of J; the highest is its opposite.
pub(crate) fn ground(size: u32) -> i32 {
    -2 * (size * size) as i32
}

/// Whether the lattice, whose size is among [`SIZES`], has states of this energy.
pub(crate) fn is_level(size: u32, energy: i32) -> bool {
    let below_edge = -ground(size) - energy.abs();
    below_edge >= 0 && below_edge % SPACING == 0 && below_edge != SPACING
}

/// The energies from `low` to `high`, both included, that the lattice can have; ascending, in units of J.
pub fn levels(size: u32, low: f64, high: f64) -> impl Iterator<Item = i32> {
    (ground(size)..=-ground(size))
        .step_by(SPACING as usize)
        .filter(move |&energy| is_level(size, energy) && (low..=high).contains(&f64::from(energy)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wang_landau::exact::exact;

    #[test]
    fn they_are_those_that_have_states() {
        for size in SIZES {
            let found: Vec<i32> = levels(size, f64::NEG_INFINITY, f64::INFINITY).collect();
            assert_eq!(found, exact(size).unwrap().levels.iter().map(|level| level.0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_window_is_closed_at_both_ends() {
        assert_eq!(levels(4, -32.0, -16.0).collect::<Vec<_>>(), [-32, -24, -20, -16]);
        assert_eq!(levels(4, -31.9, -16.1).collect::<Vec<_>>(), [-24, -20]);
        assert_eq!(levels(4, -30.0, -26.0).count(), 0);
        assert_eq!(levels(4, f64::NAN, 0.0).count(), 0);
    }
}
