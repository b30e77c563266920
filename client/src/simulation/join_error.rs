//! What stands in the way of joining pieces.

use thiserror::Error;

/// Pieces that cannot be joined. Pieces are counted from 0.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum JoinError {
    /// There is nothing to join.
    #[error("there are no pieces to join")]
    NoPieces,
    /// As many grids as pieces are wanted.
    #[error("there are {xs} grids and {ys} pieces of values; each piece needs both")]
    Unequal {
        /// How many grids.
        xs: usize,
        /// How many pieces of values.
        ys: usize,
    },
    /// A piece with more values than points, or fewer.
    #[error("piece {piece} has {points} points and {values} values")]
    Lengths {
        /// Which.
        piece: usize,
        /// Its points.
        points: usize,
        /// Its values.
        values: usize,
    },
    /// A piece's points are not ascending.
    #[error(
        "the points of piece {piece} are not ascending at {x}: each may be there once, and none may be NaN"
    )]
    NotAscending {
        /// Which.
        piece: usize,
        /// Where.
        x: f64,
    },
    /// A value that is infinite or no number.
    #[error("piece {piece} has the value {value} at {x}; leave such points out")]
    NotFinite {
        /// Which.
        piece: usize,
        /// Where.
        x: f64,
        /// The value.
        value: f64,
    },
    /// A window that does not fit its piece.
    #[error("the window of length {wanted} has {got} weights, or one that is negative or no number")]
    BadWindow {
        /// The piece's points.
        wanted: usize,
        /// The window's weights.
        got: usize,
    },
    /// A piece that shares too little with those before it.
    #[error(
        "piece {piece} cannot be joined: it shares no point with {} at which both have weight\n  \
         Let the pieces overlap more (a window whose ends are zero needs three shared points), or use a window without zeros, such as `boxcar`",
        if *in_any { "the others" } else { "those before it" }
    )]
    NoOverlap {
        /// Which.
        piece: usize,
        /// It is joined to none of the others, directly or not; else, to none before it.
        in_any: bool,
    },
    /// A point that counts in none of the pieces that share it.
    #[error(
        "at {x} all pieces that share the point have weight zero; use a window without zeros, such as `boxcar`, or another overlap"
    )]
    NoWeight {
        /// The point.
        x: f64,
    },
}
