//! The packed lattice against a plain array of spins.

use super::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// Colour, word and bit of the spin at a row and column.
fn place(lattice: &Lattice, y: u32, x: u32) -> (usize, usize, u32) {
    let bit = y * lattice.half + x / 2;
    (((x + y) % 2) as usize, (bit / lattice.width) as usize, bit % lattice.width)
}

fn spin(lattice: &Lattice, y: u32, x: u32) -> i64 {
    let (colour, word, bit) = place(lattice, y % lattice.size, x % lattice.size);
    if lattice.spins[colour][word] >> bit & 1 == 1 { 1 } else { -1 }
}

fn random(size: u32, rng: &mut impl RngCore) -> Lattice {
    let mut lattice = Lattice::ordered(size).expect("a size of the list");
    let used = lattice.used;
    for word in lattice.spins.iter_mut().flatten() {
        *word = rng.next_u64() & used;
    }
    lattice
}

fn neighbours(lattice: &Lattice, y: u32, x: u32) -> i64 {
    let back = lattice.size - 1;
    spin(lattice, y + 1, x)
        + spin(lattice, y + back, x)
        + spin(lattice, y, x + 1)
        + spin(lattice, y, x + back)
}

#[test]
fn sizes_that_do_not_fill_words_are_refused() {
    for size in [0, 1, 2, 3, 5, 6, 12, 33, 48, 128] {
        assert!(Lattice::ordered(size).is_none(), "{size}");
    }
}

#[test]
fn ordered_is_the_ground_state() {
    for size in SIZES {
        let lattice = Lattice::ordered(size).expect("a size of the list");
        assert_eq!(lattice.energy(), -2 * i64::from(size * size));
        assert_eq!(lattice.magnetisation(), i64::from(size * size));
    }
}

#[test]
fn energy_and_magnetisation_agree_with_a_walk_over_the_sites() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    for size in SIZES {
        for _ in 0..20 {
            let lattice = random(size, &mut rng);
            let (mut energy, mut magnetisation) = (0, 0);
            for y in 0..size {
                for x in 0..size {
                    let here = spin(&lattice, y, x);
                    energy -= here * (spin(&lattice, y + 1, x) + spin(&lattice, y, x + 1));
                    magnetisation += here;
                }
            }
            assert_eq!((lattice.energy(), lattice.magnetisation()), (energy, magnetisation), "size {size}");
        }
    }
}

#[test]
fn every_spin_counts_its_own_four_neighbours() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    for size in SIZES {
        let lattice = random(size, &mut rng);
        for y in 0..size {
            for x in 0..size {
                let (colour, word, bit) = place(&lattice, y, x);
                let d = lattice.differing(colour, word);
                let counted = (d.ones >> bit & 1) + 2 * (d.twos >> bit & 1) + 4 * (d.fours >> bit & 1);
                let expected = (4 - spin(&lattice, y, x) * neighbours(&lattice, y, x)) / 2;
                assert_eq!(counted as i64, expected, "size {size}, row {y}, column {x}");
            }
        }
    }
}

#[test]
fn at_temperature_zero_no_sweep_raises_the_energy_and_unhappy_spins_flip() {
    let frozen = Acceptance::new(1e-3);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    for size in SIZES {
        let mut lattice = random(size, &mut rng);
        let mut energy = lattice.energy();
        for _ in 0..50 {
            let flipped = lattice.sweep(&frozen, &mut rng);
            let now = lattice.energy();
            assert!(now <= energy && (flipped > 0 || now == energy));
            energy = now;
        }
        assert!(energy < -i64::from(size * size), "size {size} stayed hot: {energy}");
    }
}
