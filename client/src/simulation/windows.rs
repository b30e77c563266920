//! Windows: how much credence each point of a piece deserves, usually less towards its ends.
//!
//! All are symmetric and of any length; a window of length 1 is `[1]`. The formulas are those of
//! F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66 (1978),
//! in the form and with the names of `scipy.signal.windows` (`sym=True`).

use std::f64::consts::PI;

use ndarray::Array1;

fn of(len: usize, weight: impl Fn(f64) -> f64) -> Array1<f64> {
    if len == 1 {
        return Array1::ones(1);
    }
    // The halves are mirror images to the last bit.
    let at = |n: usize| weight(n.min(len - 1 - n) as f64);
    Array1::from_shape_fn(len, at)
}

/// `½ (1 − cos(2πn / (len − 1)))`: zero at both ends.
///
/// ```
/// # use phalanx::simulation::windows::hann;
/// assert_eq!(hann(3).to_vec(), [0.0, 1.0, 0.0]);
/// assert_eq!((hann(1).to_vec(), hann(2).to_vec()), (vec![1.0], vec![0.0, 0.0]));
/// ```
#[must_use]
pub fn hann(len: usize) -> Array1<f64> {
    of(len, |n| 0.5 * (1.0 - (2.0 * PI * n / (len - 1) as f64).cos()))
}

/// 1 everywhere: all points count the same.
///
/// ```
/// # use phalanx::simulation::windows::boxcar;
/// assert_eq!(boxcar(3).to_vec(), [1.0, 1.0, 1.0]);
/// ```
#[must_use]
pub fn boxcar(len: usize) -> Array1<f64> {
    Array1::ones(len)
}

/// A triangle that would reach zero one step beyond its ends: `2 (n + 1) / (len + 1)` up to the middle for an odd length,
/// `(2n + 1) / len` for an even one.
///
/// ```
/// # use phalanx::simulation::windows::triangular;
/// assert_eq!(triangular(3).to_vec(), [0.5, 1.0, 0.5]);
/// assert_eq!(triangular(4).to_vec(), [0.25, 0.75, 0.75, 0.25]);
/// ```
#[must_use]
pub fn triangular(len: usize) -> Array1<f64> {
    let l = len as f64;
    of(len, |n| if len.is_multiple_of(2) { (2.0 * n + 1.0) / l } else { 2.0 * (n + 1.0) / (l + 1.0) })
}

/// A triangle that is zero at both ends: `2n / (len − 1)` up to the middle.
///
/// ```
/// # use phalanx::simulation::windows::bartlett;
/// assert_eq!(bartlett(5).to_vec(), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// ```
#[must_use]
pub fn bartlett(len: usize) -> Array1<f64> {
    of(len, |n| 2.0 * n / (len - 1) as f64)
}

/// `0.54 − 0.46 cos(2πn / (len − 1))`: small, but not zero, at both ends.
///
/// ```
/// # use phalanx::simulation::windows::hamming;
/// assert!((hamming(3)[0] - 0.08).abs() < 1e-15);
/// ```
#[must_use]
pub fn hamming(len: usize) -> Array1<f64> {
    of(len, |n| 0.54 - 0.46 * (2.0 * PI * n / (len - 1) as f64).cos())
}

/// Half a period of a sine, `sin(π (n + ½) / len)`: never zero.
///
/// ```
/// # use phalanx::simulation::windows::cosine;
/// assert!((cosine(3)[0] - 0.5).abs() < 1e-15);
/// ```
#[must_use]
pub fn cosine(len: usize) -> Array1<f64> {
    of(len, |n| (PI * (n + 0.5) / len as f64).sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [fn(usize) -> Array1<f64>; 6] = [hann, boxcar, triangular, bartlett, hamming, cosine];

    #[test]
    fn they_are_symmetric_positive_and_at_most_one() {
        for window in ALL {
            for len in 0..40 {
                let w = window(len);
                assert_eq!(w.len(), len);
                assert!(w.iter().all(|&w| (0.0..=1.0).contains(&w)), "{w}");
                assert!(w.iter().eq(w.iter().rev()), "{w}");
            }
            assert_eq!(window(1).to_vec(), [1.0]);
        }
    }

    /// From `scipy.signal.windows`, version 1.17.
    #[test]
    fn they_are_scipys() {
        let wanted: [[f64; 5]; 6] = [
            [0.0, 0.5, 1.0, 0.5, 0.0],
            [1.0; 5],
            [1.0 / 3.0, 2.0 / 3.0, 1.0, 2.0 / 3.0, 1.0 / 3.0],
            [0.0, 0.5, 1.0, 0.5, 0.0],
            [0.08, 0.54, 1.0, 0.54, 0.08],
            [0.30901699437494745, 0.8090169943749475, 1.0, 0.8090169943749475, 0.30901699437494745],
        ];
        for (window, wanted) in ALL.iter().zip(wanted) {
            assert!(window(5).iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-15), "{wanted:?}");
        }
    }
}
