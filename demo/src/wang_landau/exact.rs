//! The exact density of states of the periodic L×L lattice, by counting.
//!
//! Configurations are counted by their number k of unsatisfied bonds, E = 2k − 2L², in polynomials Σ g_k z^k, spin by spin: with
//! the first row fixed, a polynomial for each state of the latest row holds all ways to have come there, and adding a
//! spin mixes the two polynomials that differ in the spin it takes the place of (K. Binder, Physica 62, 508, 1972; by rows and
//! with exact integers: G. Bhanot, J. Stat. Phys. 60, 55, 1990; results up to 32×32: P. D. Beale, Phys. Rev. Lett. 76, 78, 1996).
//! After the last row the bonds to the first one close the torus.
//!
//! First rows that are rotations, mirror images or opposites of each other have the same counts, so one of each kind is done: 18
//! instead of 256 for L = 8. There are 2^(L²) configurations in all, at most 2⁶⁴: `u128` holds every count and their sum.

use crate::wang_landau::density::Density;
use crate::wang_landau::levels::ground;

/// The counts of all energies of one lattice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact {
    /// The lattice is `size` × `size`.
    pub size: u32,
    /// Every energy there is, in units of J and ascending, and how many configurations have it.
    pub levels: Vec<(i32, u128)>,
}

/// Counts all configurations of the periodic `size` × `size` lattice; `None` if `size` is not between 3, the smallest whose four
/// neighbours differ, and 8.
pub fn exact(size: u32) -> Option<Exact> {
    if !(3..=8).contains(&size) {
        return None;
    }
    let mut multiplicity = vec![0; 1 << size];
    for row in 0..1 << size {
        multiplicity[representative(row, size)] += 1;
    }
    let mut total = vec![0; terms(size)];
    for (row, &times) in multiplicity.iter().enumerate().filter(|(_, times)| **times > 0) {
        for (sum, count) in total.iter_mut().zip(with_first_row(row, size)) {
            *sum += times * count;
        }
    }
    let energies = (ground(size)..).step_by(2);
    Some(Exact { size, levels: energies.zip(total).filter(|(_, states)| *states > 0).collect() })
}

impl Exact {
    /// Its logarithm.
    pub fn density(&self) -> Density {
        Density {
            size: self.size,
            energies: self.levels.iter().map(|(energy, _)| f64::from(*energy)).collect(),
            ln_states: self.levels.iter().map(|(_, states)| (*states as f64).ln()).collect(),
        }
    }
}

/// The length of a polynomial: the torus has 2L² bonds.
fn terms(size: u32) -> usize {
    (2 * size * size + 1) as usize
}

/// The least of the rows that are rotations, mirror images or opposites of a row.
fn representative(row: usize, size: u32) -> usize {
    let all = (1 << size) - 1;
    let mirrored = (0..size).fold(0, |mirrored, x| mirrored | (row >> x & 1) << (size - 1 - x));
    [row, mirrored]
        .into_iter()
        .flat_map(|row| (0..size).map(move |by| (row << by | row >> (size - by)) & all))
        .flat_map(|row| [row, row ^ all])
        .min()
        .unwrap_or(row)
}

/// The configurations whose first row is given, by their number of unsatisfied bonds.
fn with_first_row(first: usize, size: u32) -> Vec<u128> {
    let terms = terms(size);
    let mut rows = vec![0; terms << size];
    let rotated = (first << 1 | first >> (size - 1)) & ((1 << size) - 1);
    let within = (first ^ rotated).count_ones() as usize;
    rows[first * terms + within] = 1;
    for _ in 1..size {
        for x in 0..size {
            add_spin(&mut rows, terms, size, x);
        }
    }
    let mut closed = vec![0; terms];
    for (row, counts) in rows.chunks_exact(terms).enumerate() {
        let between = (row ^ first).count_ones() as usize;
        for (sum, count) in closed[between..].iter_mut().zip(counts) {
            *sum += count;
        }
    }
    closed
}

/// Puts a spin into column `x` of the row in the making, where `rows` has those left of it, and of the row before the others.
fn add_spin(rows: &mut [u128], terms: usize, size: u32, x: u32) {
    let bit = 1 << x;
    for down in (0..1 << size).filter(|row| row & bit == 0) {
        // Of the bonds within the row, those to neighbours that are in place: how many a spin that points down leaves unsatisfied.
        let left = if x > 0 { Some(down >> (x - 1) & 1) } else { None };
        let right = if x + 1 == size { Some(down & 1) } else { None };
        let neighbours = left.iter().chain(&right).count();
        let if_down: usize = left.iter().chain(&right).sum();
        let if_up = neighbours - if_down;

        let (before, from_up) = rows.split_at_mut((down | bit) * terms);
        let (from_down, from_up) = (&mut before[down * terms..][..terms], &mut from_up[..terms]);
        let at = |counts: &[u128], k: usize, shift: usize| if k < shift { 0 } else { counts[k - shift] };
        // From the top: what is read is not yet replaced.
        for k in (0..terms).rev() {
            let becomes_down = at(from_down, k, if_down) + at(from_up, k, if_down + 1);
            let becomes_up = at(from_up, k, if_up) + at(from_down, k, if_up + 1);
            (from_down[k], from_up[k]) = (becomes_down, becomes_up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kaufman;
    use crate::wang_landau::spins::Spins;
    use std::collections::BTreeMap;

    fn states(exact: &Exact, energy: i32) -> u128 {
        exact.levels.iter().find(|level| level.0 == energy).map_or(0, |level| level.1)
    }

    /// All configurations, one by one, with the neighbours found by their coordinates.
    fn by_enumeration(size: usize) -> Vec<(i32, u128)> {
        let mut levels = BTreeMap::new();
        for configuration in 0..1_u32 << (size * size) {
            let spin = |y: usize, x: usize| configuration >> (y % size * size + x % size) & 1;
            let sites = (0..size).flat_map(|y| (0..size).map(move |x| (y, x)));
            let unsatisfied: u32 =
                sites.map(|(y, x)| (spin(y, x) ^ spin(y, x + 1)) + (spin(y, x) ^ spin(y + 1, x))).sum();
            *levels.entry(2 * unsatisfied as i32 - 2 * (size * size) as i32).or_default() += 1;
        }
        levels.into_iter().collect()
    }

    #[test]
    fn small_lattices_are_as_enumerated() {
        for size in [3, 4] {
            assert_eq!(exact(size as u32).unwrap().levels, by_enumeration(size), "{size}");
        }
    }

    #[test]
    fn the_known_counts_of_4_by_4() {
        let exact = exact(4).unwrap();
        for (energy, known) in [(-32, 2), (-28, 0), (-24, 32), (-20, 64), (-16, 424), (0, 20_524)] {
            assert_eq!(states(&exact, energy), known, "{energy}");
            assert_eq!(states(&exact, -energy), known, "{energy}");
        }
        assert_eq!(exact.levels.iter().map(|level| level.1).sum::<u128>(), 1 << 16);
    }

    /// The first terms of the series at low temperatures: no spin turned; one; two neighbours; and with eight unsatisfied bonds, all
    /// pairs apart, triplets and squares.
    #[test]
    fn the_known_counts_of_6_by_6_and_8_by_8() {
        for size in [6, 8] {
            let exact = exact(size).unwrap();
            let n = u128::from(size * size);
            for (above, known) in [(0, 1), (4, 0), (8, n), (12, 2 * n), (16, n * (n + 9) / 2)] {
                assert_eq!(states(&exact, ground(size) + above), 2 * known, "{size}: {above}");
            }
            assert_eq!(exact.levels.iter().map(|level| level.1).sum::<u128>(), 1 << n);
            for &(energy, count) in &exact.levels {
                assert_eq!(states(&exact, -energy), count, "{size}: {energy}");
            }
        }
    }

    /// An independent way to the same averages: Kaufman's solution knows nothing of counts.
    #[test]
    fn its_averages_are_kaufmans() {
        for size in [3, 5, 8] {
            let density = exact(size).unwrap().density();
            for temperature in [1.0, 2.0, 2.269, 3.0, 5.0] {
                let (found, known) = (density.averages(temperature), kaufman::exact(size, temperature));
                assert!(
                    (found.energy - known.energy).abs() < 1e-11,
                    "{size}, {temperature}: {found:?} {known:?}"
                );
                assert!(
                    (found.specific_heat - known.specific_heat).abs() < 1e-9,
                    "{size}, {temperature}: {found:?} {known:?}"
                );
            }
        }
    }

    #[test]
    fn sizes_beyond_its_reach_are_refused() {
        assert!([0, 1, 2, 9, u32::MAX].into_iter().all(|size| exact(size).is_none()));
    }

    #[test]
    fn rows_of_one_kind_share_a_representative() {
        let mut kinds: Vec<usize> = (0..256).map(|row| representative(row, 8)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 18);
    }

    /// The walk's lattice and the counting agree on what an energy is.
    #[test]
    fn the_walks_lattice_has_these_energies() {
        let mut levels = BTreeMap::new();
        for bits in 0..1 << 16 {
            *levels.entry(Spins::new(4, bits).unwrap().energy()).or_insert(0) += 1;
        }
        assert_eq!(levels.into_iter().collect::<Vec<_>>(), exact(4).unwrap().levels);
    }
}
