//! Simulations in parallel pieces: [`Simulation`] runs them, saves what comes and goes on where it was; ranges that overlap, and putting
//! together what was found in each.
//!
//! ```
//! use ndarray::Array1;
//! use phalanx::simulation::{extend_bin, join_results, windows};
//!
//! // A function that each piece knows up to a constant, as the logarithm of a density of states.
//! let edges = [0.0, 10.0, 20.0, 40.0];
//! let mut xs = Vec::new();
//! for bin in 0..3 {
//!     let (low, high) = extend_bin(&edges, bin, 0.5)?;
//!     xs.push(Array1::range(low, high + 1.0, 1.0));
//! }
//! let ys: Vec<_> = xs.iter().zip([0.0, 17.0, -4.0]).map(|(x, constant)| x.mapv(f64::sqrt) + constant).collect();
//!
//! let joined = join_results(&xs, &ys, windows::hann)?;
//! assert_eq!(joined.x.len(), 41);
//! assert!((joined.y[40] - 40_f64.sqrt()).abs() < 1e-12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bins;
mod execution;
mod join;
mod join_error;
#[cfg(test)]
mod join_tests;
mod least_squares;
mod outcome;
mod pieces;
#[cfg(feature = "hdf5")]
mod save;
#[allow(clippy::module_inception, reason = "the type that the folder is named after")]
mod simulation;
mod system;
pub mod windows;

pub use bins::{NoSuchBin, extend_bin};
pub use join::{Joined, join_results};
pub use join_error::JoinError;
pub use least_squares::join_least_squares;
pub use outcome::Outcome;
pub(crate) use simulation::Piece;
pub use simulation::Simulation;
pub use system::System;
