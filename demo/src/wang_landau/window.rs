//! The windows of a study: the energies cut into bins that reach into each other.
//!
//! A window must leave the walk room, or it falls apart into parts that no single flips connect, of which the walk sees one. The
//! worst case is the stripe, whose two straight walls wind around the torus: it is made from a droplet 4L above the ground state and
//! widened by a kink in a wall, 4 higher. Windows must be at least 4L + 8 wide. On the 4×4 lattice a test finds all windows
//! of this width to be in one piece, up to symmetries that leave ln g as it is; for larger lattices this is an argument, not a proof, and what
//! speaks for it is that no bias was seen: over 24 seeds with 8 bins of the 8×8 lattice, extended by half, the mean of ln g was within two
//! standard errors (at most 0.002) of the exact value at every energy.

use crate::wang_landau::levels::{SIZES, ground, levels};
use phalanx::simulation::extend_bin;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Energies that neighbouring windows share at least: Hann's window is zero at its ends, so of two shared ones none would count.
const SHARED_MIN: usize = 3;

/// The parameters of a study.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// The lattice is `size` × `size`, periodic; one of [`SIZES`].
    pub size: u32,
    /// Bins of equal width from −2L² to 2L², each of them a piece of work.
    pub bins: u32,
    /// By what fraction of its neighbours' widths a bin is extended on each side; from 0 to 1.
    pub overlap: f64,
    /// See [`Window::flatness`].
    pub flatness: f64,
    /// See [`Window::ln_f_final`].
    pub ln_f_final: f64,
    /// See [`Window::sweeps_max`].
    pub sweeps_max: u64,
}

/// One window, and how to walk in it: with a seed, everything that determines a piece.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// The lattice is `size` × `size`, periodic; one of [`SIZES`].
    pub size: u32,
    /// The lowest energy, in units of J. The window holds it, if the lattice has it.
    pub low: f64,
    /// The highest energy, in units of J, held likewise.
    pub high: f64,
    /// The least visits of an energy, as a fraction of the mean, at which the histogram passes for flat; from 0 up to, but not, 1.
    pub flatness: f64,
    /// The walk ends when ln f has come down to this. It decides the length: the number of energies / `ln_f_final` steps, at least.
    pub ln_f_final: f64,
    /// The walk ends in any case after this many sweeps of L² steps.
    pub sweeps_max: u64,
}

/// Why parameters or a window do not do. The caller's fault.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum WindowError {
    /// Not a lattice that fits a word and has both a ground state and a checkerboard.
    #[error("a lattice cannot be {0} × {0} here: choose a size among {SIZES:?}")]
    Size(u32),
    /// No bins.
    #[error("there must be at least one bin")]
    NoBins,
    /// Neighbours that cannot be joined.
    #[error(
        "with {bins} bins extended by {overlap} of their width, neighbours share {shared} energies, but joining them needs {SHARED_MIN}: \
         choose fewer bins or extend them more"
    )]
    Overlap {
        /// As asked for.
        bins: u32,
        /// As asked for.
        overlap: f64,
        /// The fewest that two neighbours share.
        shared: usize,
    },
    /// Windows in which a walk could be confined to a part of the states.
    #[error(
        "with {bins} bins extended by {overlap} of their width, windows are only {width} wide, where {width_min} is needed for single flips to \
         connect their states: choose fewer bins or extend them more"
    )]
    Narrow {
        /// As asked for.
        bins: u32,
        /// As asked for.
        overlap: f64,
        /// Of the narrowest, in units of J.
        width: f64,
        /// In units of J.
        width_min: f64,
    },
    /// There is nothing between the ends.
    #[error("the {size} × {size} lattice has no energy from {low} to {high}")]
    Empty {
        /// The lattice's.
        size: u32,
        /// In units of J.
        low: f64,
        /// In units of J.
        high: f64,
    },
    /// A fraction of the mean.
    #[error("the flatness must be at least 0 and less than 1, not {0}")]
    Flatness(f64),
    /// ln f starts at 1.
    #[error("the final ln f must be positive and less than 1, not {0}")]
    LnF(f64),
}

impl Parameters {
    /// One window for each bin, lowest first. The edges of the bins are evenly spaced, and each bin is extended by
    /// [`extend_bin`].
    ///
    /// # Errors
    /// [`WindowError`], if there is a window that would not do or that could not be joined.
    pub fn prepare(&self) -> Result<Vec<Window>, WindowError> {
        let &Self { size, bins, overlap, flatness, ln_f_final, sweeps_max } = self;
        if !SIZES.contains(&size) {
            return Err(WindowError::Size(size));
        }
        if bins == 0 {
            return Err(WindowError::NoBins);
        }
        // So many bins are too narrow anyhow: with this nothing is allocated in vain.
        let count = bins.min(size * size);
        let lowest = f64::from(ground(size));
        let edge = |i: u32| {
            if i == count { -lowest } else { lowest - 2.0 * lowest * f64::from(i) / f64::from(count) }
        };
        let edges: Vec<f64> = (0..=count).map(edge).collect();
        let window = |bin| {
            let (low, high) = extend_bin(&edges, bin, overlap).expect("there is one bin less than edges");
            let [low, high] = [low, high].map(to_level);
            Window { size, low, high, flatness, ln_f_final, sweeps_max }
        };
        let windows: Vec<Window> = (0..edges.len() - 1).map(window).collect();
        self.check_together(&windows)?;
        windows.iter().try_for_each(Window::check)?;
        Ok(windows)
    }

    fn check_together(&self, windows: &[Window]) -> Result<(), WindowError> {
        let &Self { size, bins, overlap, .. } = self;
        let shared = |pair: &[Window]| levels(size, pair[1].low, pair[0].high).count();
        match windows.windows(2).map(shared).min() {
            Some(shared) if shared < SHARED_MIN => {
                return Err(WindowError::Overlap { bins, overlap, shared });
            }
            _ => {}
        }
        let width_min = width_min(size);
        let width = windows.iter().map(|window| window.high - window.low).fold(f64::INFINITY, f64::min);
        if width < width_min { Err(WindowError::Narrow { bins, overlap, width, width_min }) } else { Ok(()) }
    }
}

impl Window {
    /// The energies it holds, ascending, in units of J.
    pub fn levels(&self) -> impl Iterator<Item = i32> {
        levels(self.size, self.low, self.high)
    }

    /// Whether there can be a walk; how wide it should be is for [`Parameters::prepare`] to see to.
    pub(crate) fn check(&self) -> Result<(), WindowError> {
        let &Self { size, low, high, flatness, ln_f_final, .. } = self;
        if !SIZES.contains(&size) {
            return Err(WindowError::Size(size));
        }
        if self.levels().next().is_none() {
            return Err(WindowError::Empty { size, low, high });
        }
        if !(0.0..1.0).contains(&flatness) {
            return Err(WindowError::Flatness(flatness));
        }
        if !(ln_f_final > 0.0 && ln_f_final < 1.0) {
            return Err(WindowError::LnF(ln_f_final));
        }
        Ok(())
    }
}

/// An end that should be at an energy, and would miss it by rounding, is put there; energies are whole numbers.
fn to_level(end: f64) -> f64 {
    // A zero without a sign.
    if (end - end.round()).abs() < 1e-9 { end.round() + 0.0 } else { end }
}

/// The least width of a window, in units of J.
pub(crate) fn width_min(size: u32) -> f64 {
    f64::from(4 * size + 8)
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
