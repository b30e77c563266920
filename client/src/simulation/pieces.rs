//! Pieces of one function on their common grid.

use std::cmp::Ordering;

use ndarray::Array1;

use super::{JoinError, Joined};

/// One piece on the common grid.
pub(super) struct Piece {
    /// Where its points are in the grid.
    at: Vec<usize>,
    y: Vec<f64>,
    weights: Vec<f64>,
}

impl Piece {
    /// Place in the grid, value and weight of each point.
    pub(super) fn points(&self) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        self.at.iter().zip(&self.y).zip(&self.weights).map(|((&k, &y), &w)| (k, y, w))
    }
}

/// Checks the pieces and finds their places in the union of their grids.
pub(super) fn on_one_grid(
    xs: &[Array1<f64>],
    ys: &[Array1<f64>],
    window: impl Fn(usize) -> Array1<f64>,
) -> Result<(Array1<f64>, Vec<Piece>), JoinError> {
    if xs.len() != ys.len() {
        return Err(JoinError::Unequal { xs: xs.len(), ys: ys.len() });
    }
    if xs.is_empty() {
        return Err(JoinError::NoPieces);
    }
    for (piece, (x, y)) in xs.iter().zip(ys).enumerate() {
        check(piece, x, y)?;
    }
    let mut grid: Vec<f64> = xs.iter().flatten().copied().collect();
    grid.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    grid.dedup();
    let pieces = xs.iter().zip(ys).map(|(x, y)| {
        let weights = window(x.len()).to_vec();
        if weights.len() != x.len() || !weights.iter().all(|w| w.is_finite() && *w >= 0.0) {
            return Err(JoinError::BadWindow { wanted: x.len(), got: weights.len() });
        }
        let at = x.iter().map(|x| grid.partition_point(|g| g < x)).collect();
        Ok(Piece { at, y: y.to_vec(), weights })
    });
    let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
    Ok((Array1::from_vec(grid), pieces))
}

fn check(piece: usize, x: &Array1<f64>, y: &Array1<f64>) -> Result<(), JoinError> {
    if x.len() != y.len() || x.is_empty() {
        return Err(JoinError::Lengths { piece, points: x.len(), values: y.len() });
    }
    if let Some(x) = x.iter().find(|x| x.is_nan()) {
        return Err(JoinError::NotAscending { piece, x: *x });
    }
    if let Some((&x, &value)) = x.iter().zip(y).find(|(_, y)| !y.is_finite()) {
        return Err(JoinError::NotFinite { piece, x, value });
    }
    match x.iter().zip(x.iter().skip(1)).find(|(a, b)| a >= b) {
        Some((_, x)) => Err(JoinError::NotAscending { piece, x: *x }),
        None => Ok(()),
    }
}

/// Every point's weighted mean.
pub(super) fn averaged(x: Array1<f64>, pieces: &[Piece], shifts: Vec<f64>) -> Result<Joined, JoinError> {
    let n = x.len();
    let (mut weights, mut sums, mut covered, mut alone) =
        (vec![0.0; n], vec![0.0; n], vec![0_usize; n], vec![0.0; n]);
    for (piece, shift) in pieces.iter().zip(&shifts) {
        for (k, y, w) in piece.points() {
            weights[k] += w;
            sums[k] += w * (y + shift);
            covered[k] += 1;
            alone[k] = y + shift;
        }
    }
    let value = |k: usize| match covered[k] {
        // Whatever its weight: there is nothing to weigh it against.
        1 => Ok(alone[k]),
        _ if weights[k] > 0.0 => Ok(sums[k] / weights[k]),
        _ => Err(JoinError::NoWeight { x: x[k] }),
    };
    let y = (0..n).map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(Joined { y: y.into(), shifts: shifts.into(), x })
}
