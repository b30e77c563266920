//! Windows: that they cover and overlap, and that the walk can reach all of what is in them.

use super::*;
use crate::wang_landau::levels::SPACING;
use crate::wang_landau::spins::Spins;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FOUR: Parameters =
    Parameters { size: 4, bins: 3, overlap: 0.5, flatness: 0.8, ln_f_final: 1e-5, sweeps_max: 1_000_000 };

#[test]
fn there_is_one_for_each_bin() {
    let windows = FOUR.prepare().unwrap();
    let ends: Vec<_> = windows.iter().map(|window| (window.low, window.high)).collect();
    let third = 64.0 / 3.0;
    // Half of 64/3 above −32 + 64/3 is 0, though not to the last bit.
    assert_eq!((ends[0], ends[2]), ((-32.0, 0.0), (0.0, 32.0)));
    assert!(windows[2].low.is_sign_positive());
    assert!((ends[1].0 + third).abs() < 1e-12 && (ends[1].1 - third).abs() < 1e-12, "{ends:?}");
    assert_eq!(windows[0].levels().collect::<Vec<_>>(), [-32, -24, -20, -16, -12, -8, -4, 0]);
    let Window { size, flatness, ln_f_final, sweeps_max, .. } = windows[1];
    assert_eq!((size, flatness, ln_f_final, sweeps_max), (4, 0.8, 1e-5, 1_000_000));
}

#[test]
fn one_bin_is_everything() {
    let windows = Parameters { bins: 1, ..FOUR }.prepare().unwrap();
    assert_eq!(windows.iter().map(|window| (window.low, window.high)).collect::<Vec<_>>(), [(-32.0, 32.0)]);
}

#[test]
fn what_would_not_do_is_refused() {
    let error = |change: &dyn Fn(&mut Parameters)| {
        let mut parameters = FOUR;
        change(&mut parameters);
        parameters.prepare().unwrap_err()
    };
    for size in [0, 3, 5, 10, u32::MAX] {
        assert_eq!(error(&|p| p.size = size), WindowError::Size(size));
    }
    assert_eq!(error(&|p| p.bins = 0), WindowError::NoBins);
    // The first bin ends at −32/3. Extended by a tenth of 64/3, it shares −12 with the next one; by a fifth, −8 as well.
    for (by, wanted) in [(0.1, 1), (0.2, 2)] {
        let overlap = error(&|p| p.overlap = by);
        assert!(matches!(overlap, WindowError::Overlap { shared, .. } if shared == wanted), "{overlap:?}");
    }
    assert!(matches!(error(&|p| p.overlap = f64::NAN), WindowError::Overlap { .. }));
    let narrow = error(&|p| p.bins = 5);
    assert!(matches!(narrow, WindowError::Narrow { width_min: 24.0, .. }), "{narrow:?}");
    assert!(matches!(error(&|p| p.bins = u32::MAX), WindowError::Overlap { shared: 0, .. }));
    for flatness in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(error(&|p| p.flatness = flatness), WindowError::Flatness(_)));
    }
    for ln_f in [0.0, -1e-5, 1.0, f64::INFINITY, f64::NAN] {
        assert!(matches!(error(&|p| p.ln_f_final = ln_f), WindowError::LnF(_)));
    }
}

proptest! {
    /// Whatever the parameters, windows either are refused or can be walked in and joined.
    #[test]
    fn they_cover_everything_and_overlap(
        size in prop::sample::select(&SIZES[..]),
        bins in 1_u32..10,
        overlap in -0.5..1.5_f64,
    ) {
        let Ok(windows) = (Parameters { size, bins, overlap, ..FOUR }).prepare() else { return Ok(()) };
        prop_assert_eq!(windows.len(), bins as usize);
        let ends = (windows[0].low, windows[windows.len() - 1].high);
        prop_assert_eq!(ends, (f64::from(ground(size)), -f64::from(ground(size))));
        for window in &windows {
            prop_assert!(window.high - window.low >= width_min(size));
            prop_assert_eq!(window.check(), Ok(()));
        }
        for pair in windows.windows(2) {
            let next: Vec<i32> = pair[1].levels().collect();
            prop_assert!(pair[0].low <= pair[1].low && pair[0].high <= pair[1].high);
            prop_assert!(pair[0].levels().filter(|energy| next.contains(energy)).count() >= 3);
        }
    }
}

/// Sets that are merged, by a forest: the root of each names it.
struct Sets(Vec<u16>);

impl Sets {
    fn root(&mut self, mut of: u16) -> u16 {
        while self.0[usize::from(of)] != of {
            let parent = self.0[usize::from(of)];
            self.0[usize::from(of)] = self.0[usize::from(parent)];
            of = parent;
        }
        of
    }

    fn merge(&mut self, a: u16, b: u16) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[usize::from(a)] = b;
    }
}

/// The parts into which a window of the 4×4 lattice falls: how often each energy is in it, and how many parts are alike in this.
fn parts(energies: &[i32], low: i32, high: i32) -> BTreeMap<BTreeMap<i32, u32>, u32> {
    let inside: Vec<bool> = energies.iter().map(|energy| (low..=high).contains(energy)).collect();
    let members = || (0..=u16::MAX).filter(|state| inside[usize::from(*state)]);
    let mut sets = Sets((0..=u16::MAX).collect());
    for state in members() {
        for turned in (0..16).map(|site| state ^ 1 << site).filter(|turned| *turned > state) {
            if inside[usize::from(turned)] {
                sets.merge(state, turned);
            }
        }
    }
    let mut histograms: BTreeMap<u16, BTreeMap<i32, u32>> = BTreeMap::new();
    for state in members() {
        *histograms.entry(sets.root(state)).or_default().entry(energies[usize::from(state)]).or_default() +=
            1;
    }
    let mut alike = BTreeMap::new();
    for histogram in histograms.into_values() {
        *alike.entry(histogram).or_insert(0) += 1;
    }
    alike
}

/// In every window of the least width allowed, the parts are alike, so that it does not matter in which of them a walk is. This then
/// holds for wider windows, too: they are chains of these.
#[test]
fn windows_that_are_allowed_do_not_fall_apart() {
    let energies: Vec<i32> = (0..1 << 16).map(|bits| Spins::new(4, bits).unwrap().energy()).collect();
    // A window whose ends are between energies holds a range this wide. Turning every other spin makes the rest of these.
    let range = width_min(4) as i32 - SPACING;
    for low in (ground(4)..=-range / 2).step_by(SPACING as usize) {
        assert_eq!(parts(&energies, low, low + range).len(), 1, "from {low}");
    }
    // Up to 16 above the ground state, one cannot widen a stripe.
    assert_eq!(parts(&energies, -32, -16).len(), 2);
}
