//! Joining pieces: both ways must agree wherever there is one right answer.

use ndarray::{Array1, array};
use proptest::prelude::*;

use super::windows::{boxcar, hann};
use super::{JoinError, Joined, join_least_squares, join_results};

type Window = fn(usize) -> Array1<f64>;
type Join = fn(&[Array1<f64>], &[Array1<f64>], Window) -> Result<Joined, JoinError>;

const JOINS: [Join; 2] = [join_results, join_least_squares];

fn range(from: i32, to: i32) -> Array1<f64> {
    (from..to).map(f64::from).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0)
}

#[track_caller]
fn at(joined: &Joined, x: f64) -> f64 {
    joined.y[joined.x.iter().position(|found| *found == x).unwrap()]
}

#[test]
fn the_known_answers() {
    let xs = [range(0, 50), range(25, 75)];
    let ys = [xs[0].mapv(|x| x - 25.0), xs[1].mapv(|x| 4.0 * x + 49.0)];
    for join in JOINS {
        let joined = join(&xs, &ys, hann).unwrap();
        assert_eq!((joined.x.len(), joined.shifts[0]), (75, 0.0));
        assert!(close(joined.shifts[1], -185.0), "{}", joined.shifts);
        let known = [
            (0.0, -25.0),
            (24.0, -1.0),
            (25.0, 0.0),
            (36.0, 9.698_011_671_776_726),
            (37.0, 12.0),
            (49.0, 60.0),
            (74.0, 160.0),
        ];
        for (x, y) in known {
            assert!(close(at(&joined, x), y), "at {x}: {} instead of {y}", at(&joined, x));
        }
        let joined = join(&xs, &ys, boxcar).unwrap();
        assert!(close(joined.shifts[1], -185.0) && close(at(&joined, 25.0), -18.0), "{}", joined.shifts);
        assert!(close(at(&joined, 49.0), 42.0));

        let joined = join(&[range(0, 5), range(2, 7)], &[range(0, 5), range(12, 17)], hann).unwrap();
        assert!(close(joined.shifts[1], -10.0), "{}", joined.shifts);
        assert!(joined.y.iter().zip(range(0, 7)).all(|(a, b)| close(*a, b)), "{}", joined.y);
    }
}

#[test]
fn a_single_piece_comes_back_unchanged() {
    let (x, y) = (array![0.1, 0.7, 5.0, 5.5], array![0.1, 0.2, -0.3, 1e300]);
    for join in JOINS {
        let joined = join(std::slice::from_ref(&x), std::slice::from_ref(&y), hann).unwrap();
        assert_eq!(joined, Joined { x: x.clone(), y: y.clone(), shifts: array![0.0] });
    }
}

/// One after the other, later pieces yield; all at once, each yields a third.
#[test]
fn cycles_are_solved_all_at_once() {
    let xs = [array![0.0, 1.0], array![1.0, 2.0], array![0.0, 2.0]];
    let ys = [array![0.0, 1.0], array![0.0, 1.0], array![0.0, 5.0]];
    let forward = join_results(&xs, &ys, boxcar).unwrap();
    assert_eq!(forward.shifts, array![0.0, 1.0, -1.5]);
    let best = join_least_squares(&xs, &ys, boxcar).unwrap();
    assert!(close(best.shifts[1], 2.0) && close(best.shifts[2], -1.0), "{}", best.shifts);
}

fn error(xs: &[Array1<f64>], ys: &[Array1<f64>], window: Window) -> JoinError {
    let [first, second] = JOINS.map(|join| join(xs, ys, window).unwrap_err());
    let same = match (&first, &second) {
        (JoinError::NoOverlap { piece: a, .. }, JoinError::NoOverlap { piece: b, .. }) => a == b,
        // NaN is not equal to itself.
        _ => format!("{first:?}") == format!("{second:?}"),
    };
    assert!(same, "{first:?} {second:?}");
    first
}

#[test]
fn what_cannot_be_joined_is_named() {
    assert_eq!(error(&[], &[], hann), JoinError::NoPieces);
    assert_eq!(error(&[range(0, 2)], &[], hann), JoinError::Unequal { xs: 1, ys: 0 });
    let lengths = JoinError::Lengths { piece: 1, points: 3, values: 2 };
    assert_eq!(error(&[range(0, 3), range(0, 3)], &[range(0, 3), range(0, 2)], hann), lengths);
    let empty = JoinError::Lengths { piece: 0, points: 0, values: 0 };
    assert_eq!(error(&[range(0, 0)], &[range(0, 0)], hann), empty);
    for x in [array![0.0, 2.0, 1.0], array![0.0, 1.0, 1.0]] {
        assert_eq!(error(&[x], &[range(0, 3)], hann), JoinError::NotAscending { piece: 0, x: 1.0 });
    }
    assert!(matches!(
        error(&[array![f64::NAN]], &[array![0.0]], hann),
        JoinError::NotAscending { piece: 0, .. }
    ));
    let infinite = JoinError::NotFinite { piece: 0, x: 1.0, value: f64::INFINITY };
    assert_eq!(error(&[range(0, 2)], &[array![0.0, f64::INFINITY]], hann), infinite);
    let bad = JoinError::BadWindow { wanted: 2, got: 3 };
    assert_eq!(error(&[range(0, 2)], &[range(0, 2)], |n| boxcar(n + 1)), bad);
    let bad = JoinError::BadWindow { wanted: 2, got: 2 };
    assert_eq!(error(&[range(0, 2)], &[range(0, 2)], |n| -boxcar(n)), bad);
}

#[test]
fn pieces_that_share_too_little_are_named_and_so_is_what_to_do() {
    // Two shared points, at each of which one window is zero.
    let xs = [range(0, 5), range(2, 7), range(5, 9)];
    let e = error(&xs, &xs, hann);
    assert!(matches!(e, JoinError::NoOverlap { piece: 2, .. }) && e.to_string().contains("`boxcar`"), "{e}");
    assert!(join_results(&xs, &xs, boxcar).is_ok());
    // The third joins the first two, which is too late only for those who go one after the other.
    let xs = [range(0, 3), range(6, 9), range(0, 9)];
    assert_eq!(join_results(&xs, &xs, boxcar).unwrap_err(), JoinError::NoOverlap { piece: 1, in_any: false });
    assert_eq!(join_least_squares(&xs, &xs, boxcar).unwrap().shifts.len(), 3);
}

#[test]
fn a_point_without_weight_is_named() {
    // At 3 the first window ends and the third begins; the second one has no such point.
    let xs = [range(0, 4), array![0.5, 1.0, 2.0, 4.0, 5.0, 5.5], range(3, 7)];
    let e = error(&xs, &xs, hann);
    assert_eq!(e, JoinError::NoWeight { x: 3.0 });
}

proptest! {
    /// Any function, cut into overlapping windows that are shifted, comes back but for a constant.
    #[test]
    fn cut_and_joined_is_what_it_was(
        y in prop::collection::vec(-1e3..1e3_f64, 12..60),
        shifts in prop::collection::vec(-1e3..1e3_f64, 2..6),
        overlap in 3_usize..6,
    ) {
        let n = y.len();
        let step = (n - overlap) / shifts.len();
        prop_assume!(step >= 1);
        let cut = |i: usize| i * step..if i + 1 == shifts.len() { n } else { (i + 1) * step + overlap };
        let xs: Vec<Array1<f64>> = (0..shifts.len()).map(|i| cut(i).map(|k| k as f64).collect()).collect();
        let ys: Vec<Array1<f64>> = (0..shifts.len()).map(|i| cut(i).map(|k| y[k] + shifts[i]).collect()).collect();
        for join in JOINS {
            let joined = join(&xs, &ys, hann).unwrap();
            prop_assert_eq!(joined.x.len(), n);
            for (k, found) in joined.y.iter().enumerate() {
                prop_assert!((found - y[k] - shifts[0]).abs() < 1e-8, "at {}: {} {}", k, found, y[k] + shifts[0]);
            }
        }
    }
}
