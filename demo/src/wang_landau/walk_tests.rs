//! Walks in single windows.

use super::*;
use crate::wang_landau::exact::exact;

const LOWER: Window =
    Window { size: 4, low: -32.0, high: 0.0, flatness: 0.8, ln_f_final: 1e-4, sweeps_max: 1_000_000 };

#[test]
fn the_same_seed_gives_the_same_bits() {
    let bits = |seed| walk(&LOWER, seed).unwrap().ln_states.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(1), bits(1));
    assert_ne!(bits(1), bits(2));
}

#[test]
fn a_walk_that_converged_has_every_energy_of_its_window() {
    let piece = walk(&LOWER, 3).unwrap();
    let levels: Vec<f64> = LOWER.levels().map(f64::from).collect();
    assert_eq!(piece.energies, levels);
    assert!(piece.converged && piece.sweeps >= 8 * 10_000 / 16, "{piece:?}");
    assert_eq!(piece.ln_states.iter().copied().fold(f64::INFINITY, f64::min), 0.0);
}

#[test]
fn a_walk_ends_after_the_sweeps_allowed() {
    let piece = walk(&Window { sweeps_max: 2, ..LOWER }, 4).unwrap();
    assert_eq!((piece.sweeps, piece.converged), (2, false));
    // 32 steps, of ln f = 1 each, but for the constant taken off.
    let steps: f64 = piece.ln_states.iter().sum();
    assert!(steps <= 32.0 && piece.energies.len() == piece.ln_states.len(), "{piece:?}");
    assert!(piece.energies.iter().all(|&energy| LOWER.levels().any(|level| f64::from(level) == energy)));
    let none = walk(&Window { sweeps_max: 0, ..LOWER }, 4).unwrap();
    assert_eq!((none.energies.len(), none.converged), (0, false));
}

/// ln f, and whether the histogram begins anew, after a look at these visits; −28 is among them, which has no states.
fn after_a_look(visits: [u64; 9], sweeps: u64) -> (f64, bool) {
    let mut walk = Walk::start(&LOWER, 1).unwrap();
    walk.visits.copy_from_slice(&visits);
    walk.sweeps = sweeps;
    walk.refine(&LOWER);
    (walk.ln_f, walk.visits == [0; 9])
}

#[test]
fn only_a_flat_histogram_brings_ln_f_down() {
    assert_eq!(after_a_look([10, 0, 8, 10, 10, 10, 10, 10, 11], 100), (0.5, true));
    // The mean is 10: 7 is less than four fifths of it.
    assert_eq!(after_a_look([10, 0, 7, 10, 10, 10, 10, 11, 12], 100), (1.0, false));
    assert_eq!(after_a_look([0, 0, 10, 10, 10, 10, 10, 10, 10], 100), (1.0, false));
    // It is looked at every 100 sweeps.
    assert_eq!(after_a_look([10, 0, 10, 10, 10, 10, 10, 10, 10], 99), (1.0, false));
}

#[test]
fn ln_f_is_one_over_the_steps_per_energy_once_it_has_come_below() {
    let mut walk = Walk::start(&LOWER, 1).unwrap();
    walk.visits = vec![10; 9];
    (walk.sweeps, walk.ln_f) = (100, 0.02);
    walk.refine(&LOWER);
    // 8 energies, 1600 steps: 0.01 is still above 0.005, and the next is not.
    assert_eq!((walk.ln_f, walk.by_time), (0.01, false));
    walk.visits = vec![10; 9];
    walk.refine(&LOWER);
    assert_eq!((walk.ln_f, walk.by_time), (0.005, true));
    walk.sweeps = 1000;
    walk.refine(&LOWER);
    assert_eq!(walk.ln_f, 8.0 / 16_000.0);
}

/// The energies at the ends are as right as the others: a rejected flip counts.
#[test]
fn the_ends_of_a_window_are_not_undercounted() {
    let window = Window { low: -12.0, high: 12.0, ln_f_final: 1e-5, ..LOWER };
    let exact = exact(4).unwrap();
    let known: Vec<f64> = window
        .levels()
        .map(|energy| {
            exact.levels.iter().find(|level| level.0 == energy).map_or(0.0, |level| (level.1 as f64).ln())
        })
        .collect();
    for seed in 0..3 {
        let found = walk(&window, seed).unwrap().ln_states;
        let middle = found[3] - known[3];
        for (k, (found, known)) in found.iter().zip(&known).enumerate() {
            assert!((found - known - middle).abs() < 0.1, "{seed}, {k}: {found} {known}");
        }
    }
}

#[test]
fn a_lattice_is_brought_into_every_window_wide_enough() {
    for size in crate::wang_landau::SIZES {
        let top = 2 * (size * size) as i32;
        for low in (-top..=top - 24).step_by(4) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(low.unsigned_abs().into());
            let energy = brought_between(size, low, low + 24, &mut rng).unwrap().energy();
            assert!((low..=low + 24).contains(&energy), "{size}: {energy} from {low}");
        }
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    assert!(brought_between(4, -28, -28, &mut rng).is_none(), "the search for what is not there ends");
}

#[test]
fn a_window_that_cannot_be_walked_in_is_refused() {
    let error = |window: Window| walk(&window, 1).unwrap_err();
    let empty = error(Window { low: -31.0, high: -25.0, ..LOWER });
    assert_eq!(empty, WindowError::Empty { size: 4, low: -31.0, high: -25.0 }.into());
    assert_eq!(error(Window { size: 5, ..LOWER }), WindowError::Size(5).into());
    assert!(matches!(error(Window { flatness: 1.0, ..LOWER }), WalkError::Window(WindowError::Flatness(_))));
    assert!(matches!(error(Window { ln_f_final: 0.0, ..LOWER }), WalkError::Window(WindowError::LnF(_))));
}
