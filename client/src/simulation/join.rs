//! Pieces of one function, each known up to a constant, put together one after the other.

use ndarray::Array1;

use super::JoinError;
use super::pieces::{averaged, on_one_grid};

/// A function on a grid, put together from pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// All points of all pieces, ascending.
    pub x: Array1<f64>,
    /// The function there.
    pub y: Array1<f64>,
    /// What was added to each piece.
    pub shifts: Array1<f64>,
}

/// Joins pieces one after the other: each is shifted by the weighted mean of its distances from those before it, over the points that
/// they share; then every point gets the weighted mean of its pieces.
///
/// `window(n)` gives the weights of a piece of `n` points. Of a point that only one piece has, that piece's value is taken. In a chain, where
/// each piece overlaps its neighbours only, the shifts are exact; where overlaps form cycles [`join_least_squares`](super::join_least_squares) does justice to all of
/// them.
///
/// # Errors
/// [`JoinError`] names the piece or the point.
///
/// ```
/// # use phalanx::simulation::{join_results, windows::hann};
/// # use ndarray::{array, Array1};
/// let joined = join_results(
///     &[Array1::range(0.0, 5.0, 1.0), Array1::range(2.0, 7.0, 1.0)],
///     &[array![0.0, 1.0, 2.0, 3.0, 4.0], array![12.0, 13.0, 14.0, 15.0, 16.0]],
///     hann,
/// )?;
/// assert!((joined.shifts[1] + 10.0).abs() < 1e-12);
/// assert!((joined.y - joined.x).iter().all(|error| error.abs() < 1e-12));
/// # Ok::<(), phalanx::simulation::JoinError>(())
/// ```
pub fn join_results(
    xs: &[Array1<f64>],
    ys: &[Array1<f64>],
    window: impl Fn(usize) -> Array1<f64>,
) -> Result<Joined, JoinError> {
    let (x, pieces) = on_one_grid(xs, ys, window)?;
    let mut shifts = Vec::with_capacity(pieces.len());
    // Of the pieces so far, at every point: the sum of their weights, and of their shifted values by weight.
    let (mut weights, mut sums) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for (i, piece) in pieces.iter().enumerate() {
        let overlap: f64 = piece.points().map(|(k, _, w)| w * weights[k]).sum();
        let distance: f64 = piece.points().map(|(k, y, w)| w * (sums[k] - weights[k] * y)).sum();
        let shift = match i {
            0 => 0.0,
            _ if overlap > 0.0 => distance / overlap,
            _ => return Err(JoinError::NoOverlap { piece: i, in_any: false }),
        };
        for (k, y, w) in piece.points() {
            weights[k] += w;
            sums[k] += w * (y + shift);
        }
        shifts.push(shift);
    }
    averaged(x, &pieces, shifts)
}
