//! Pieces of one function, each known up to a constant, put together all at once.

use ndarray::{Array1, Array2, s};

use super::pieces::{averaged, on_one_grid};
use super::{JoinError, Joined};

/// Joins pieces so that they agree best, all pairs of them at once: the shifts c minimise
/// `Σ w_i(x) w_j(x) ((y_i(x) + c_i) − (y_j(x) + c_j))²` over all pairs of pieces and the points that they share, with `c_0 = 0`. Otherwise as
/// [`join_results`](super::join_results), which it equals where each piece overlaps its neighbours only.
///
/// # Errors
/// As [`join_results`](super::join_results).
///
/// ```
/// # use phalanx::simulation::{join_least_squares, windows::boxcar};
/// # use ndarray::array;
/// // Three measurements of one point that do not agree.
/// let joined = join_least_squares(
///     &[array![0.0, 1.0], array![1.0, 2.0], array![0.0, 2.0]],
///     &[array![0.0, 1.0], array![0.0, 1.0], array![0.0, 5.0]],
///     boxcar,
/// )?;
/// assert!((joined.shifts[1] - 2.0).abs() < 1e-12 && (joined.shifts[2] + 1.0).abs() < 1e-12);
/// # Ok::<(), phalanx::simulation::JoinError>(())
/// ```
pub fn join_least_squares(
    xs: &[Array1<f64>],
    ys: &[Array1<f64>],
    window: impl Fn(usize) -> Array1<f64>,
) -> Result<Joined, JoinError> {
    let (x, pieces) = on_one_grid(xs, ys, window)?;
    let n = pieces.len();
    // The normal equations: what a pair shares pulls both towards each other.
    let mut pull = Array2::<f64>::zeros((n, n));
    let mut force = Array1::<f64>::zeros(n);
    let mut at_point: Vec<Vec<(usize, f64, f64)>> = vec![Vec::new(); x.len()];
    for (i, piece) in pieces.iter().enumerate() {
        for (k, y, w) in piece.points().filter(|(_, _, w)| *w > 0.0) {
            for &(j, other_y, other_w) in &at_point[k] {
                let weight = w * other_w;
                pull[(i, i)] += weight;
                pull[(j, j)] += weight;
                pull[(i, j)] -= weight;
                pull[(j, i)] -= weight;
                force[i] += weight * (other_y - y);
                force[j] -= weight * (other_y - y);
            }
            at_point[k].push((i, y, w));
        }
    }
    if let Some(piece) = unconnected(&pull) {
        return Err(JoinError::NoOverlap { piece, in_any: true });
    }
    // The first piece stays where it is; the rest is positive definite, for every piece is connected with it.
    let found = solve(pull.slice(s![1.., 1..]).to_owned(), force.slice(s![1..]).to_owned());
    averaged(x, &pieces, std::iter::once(0.0).chain(found).collect())
}

/// Solves `a·x = b` for a symmetric, positive definite `a`, by its Cholesky factor (Golub and Van Loan, "Matrix Computations", 4.2).
fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    for j in 0..b.len() {
        let known = a.slice(s![j, ..j]).to_owned();
        a[(j, j)] = (a[(j, j)] - known.dot(&known)).sqrt();
        for i in j + 1..b.len() {
            a[(i, j)] = (a[(i, j)] - a.slice(s![i, ..j]).dot(&known)) / a[(j, j)];
        }
    }
    for i in 0..b.len() {
        b[i] = (b[i] - a.slice(s![i, ..i]).dot(&b.slice(s![..i]))) / a[(i, i)];
    }
    for i in (0..b.len()).rev() {
        b[i] = (b[i] - a.slice(s![i + 1.., i]).dot(&b.slice(s![i + 1..]))) / a[(i, i)];
    }
    b
}

/// The first piece that is not connected with piece 0, through however many others.
fn unconnected(pull: &Array2<f64>) -> Option<usize> {
    let n = pull.nrows();
    let mut reached = vec![false; n];
    let mut open = vec![0];
    while let Some(i) = open.pop() {
        if !std::mem::replace(&mut reached[i], true) {
            open.extend((0..n).filter(|&j| pull[(i, j)] < 0.0));
        }
    }
    reached.iter().position(|reached| !reached)
}
