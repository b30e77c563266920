//! What was found in one window.

use serde::{Deserialize, Serialize};

/// ln g in one window, up to a constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The energies that were visited, in units of J, ascending; all that the window has, if it converged.
    pub energies: Vec<f64>,
    /// ln g of each, up to a constant that all share: the smallest is 0.
    pub ln_states: Vec<f64>,
    /// How many sweeps it took, of L² steps each.
    pub sweeps: u64,
    /// Whether ln f came down to what was asked for within the sweeps allowed.
    pub converged: bool,
}
