//! The density of states of the Ising model by Wang–Landau walks, one in each of several windows of energies.
//!
//! ```text
//! Parameters ─ prepare ─▶ [Window] ─ walk, anywhere ─▶ [Piece] ─ Density::join ─▶ Density ─┬▶ Discrepancy
//!                                                            exact: transfer matrix ───────┴▶ figure
//! ```
//!
//! [`walk`] is a pure function of its [`Window`] and a seed: where and when it runs changes nothing.
//!
//! Units: J = k_B = 1. Energies are those of the whole lattice; averages at a temperature are per site.

mod density;
mod exact;
pub mod figure;
mod levels;
mod model;
mod piece;
mod spins;
mod walk;
mod window;

pub use density::{Density, Discrepancy};
pub use exact::{Exact, exact};
pub use levels::{SIZES, levels};
pub use model::{Ising, Lattice, simulate, study};
pub use piece::Piece;
pub use walk::{WalkError, walk};
pub use window::{Parameters, Window, WindowError};

#[cfg(test)]
mod chain_tests;
