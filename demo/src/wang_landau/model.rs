//! The model as a system that engines build from its parameters.

use crate::wang_landau::piece::Piece;
use crate::wang_landau::walk::{WalkError, walk};
use crate::wang_landau::window::{Parameters, Window};
use phalanx::simulation::{Simulation, System};
use serde::{Deserialize, Serialize};

/// The Ising model on a square lattice, periodic, without a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ising {
    size: u32,
}

/// What it takes to build it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lattice {
    /// The lattice is `size` × `size`.
    pub size: u32,
}

impl System for Ising {
    type Parameters = Lattice;

    fn build(parameters: &Lattice) -> Self {
        Self { size: parameters.size }
    }

    fn parameters(&self) -> Lattice {
        Lattice { size: self.size }
    }
}

/// The study: a walk in each of these windows, which are those of [`Parameters::prepare`].
pub fn study(parameters: Parameters, windows: &[Window]) -> Simulation<Ising, (), Window> {
    let pieces = |model: Ising| windows.iter().map(|window| (model, *window)).collect();
    Simulation::<Ising>::new(Lattice { size: parameters.size }).parallel(parameters, |model, _| pieces(model))
}

/// The simulation of one piece.
///
/// # Errors
/// As [`walk`].
pub fn simulate(model: Ising, window: Window, (): &(), seed: u64) -> Result<Piece, WalkError> {
    debug_assert_eq!(model.size, window.size);
    walk(&window, seed)
}
