//! A periodic lattice of at most 64 spins in one word, to be turned one at a time.
//!
//! [`Lattice`](crate::lattice::Lattice) updates half of its spins at once, which is right where every spin decides for itself. Here a flip
//! is accepted or not by the energy of the whole lattice, so one must be over before the next.

use crate::wang_landau::levels::{SIZES, ground};

/// A configuration. Spin (y, x) is bit `y · size + x`; a set bit points up.
#[derive(Debug, Clone)]
pub(crate) struct Spins {
    size: u32,
    bits: u64,
    /// The four neighbours of each spin.
    neighbours: [u64; 64],
}

impl Spins {
    /// A lattice from its bits, of which those beyond the lattice are ignored; `None` if `size` is not one of [`SIZES`].
    pub(crate) fn new(size: u32, bits: u64) -> Option<Self> {
        if !SIZES.contains(&size) {
            return None;
        }
        let site = |y: u32, x: u32| 1 << (y % size * size + x % size);
        let neighbours = std::array::from_fn(|at| {
            let (y, x) = (at as u32 / size, at as u32 % size);
            site(y + 1, x) | site(y + size - 1, x) | site(y, x + 1) | site(y, x + size - 1)
        });
        Some(Self { size, bits: bits & (u64::MAX >> (64 - size * size)), neighbours })
    }

    /// The number of spins, L².
    pub(crate) fn sites(&self) -> u32 {
        self.size * self.size
    }

    /// How many of a spin's four neighbours differ from it. Turning the spin changes the energy by 8 − 4 × this.
    #[inline]
    pub(crate) fn differing(&self, site: u32) -> u32 {
        let alike = (self.bits >> site & 1).wrapping_neg();
        ((self.bits ^ alike) & self.neighbours[(site & 63) as usize]).count_ones()
    }

    /// Turns a spin.
    #[inline]
    pub(crate) fn flip(&mut self, site: u32) {
        self.bits ^= 1 << site;
    }

    /// The energy −Σ s·s' over the 2L² bonds, in units of J.
    pub(crate) fn energy(&self) -> i32 {
        // Every unsatisfied bond is seen from both its ends, and costs 2.
        ground(self.size) + (0..self.sites()).map(|site| self.differing(site) as i32).sum::<i32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_changes_the_energy_by_what_differs() {
        for size in SIZES {
            let mut spins = Spins::new(size, 0x9e37_79b9_7f4a_7c15).unwrap();
            for turn in 0..200 {
                let site = turn * 7 % spins.sites();
                let (before, differing) = (spins.energy(), spins.differing(site) as i32);
                spins.flip(site);
                assert_eq!(spins.energy() - before, 8 - 4 * differing, "{size}: {turn}");
            }
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        assert!([0, 2, 3, 5, 7, 9, 16].into_iter().all(|size| Spins::new(size, 0).is_none()));
    }
}
