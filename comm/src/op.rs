//! How the values of several ranks become one.

use phalanx_codec::Number;

/// Numbers that can be reduced.
pub trait Reduce: Number {
    /// Their sum; integers wrap around.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// Their product; integers wrap around.
    #[must_use]
    fn mul(self, other: Self) -> Self;
    /// The smaller one; what is not a number stays.
    #[must_use]
    fn least(self, other: Self) -> Self;
    /// The larger one; what is not a number stays.
    #[must_use]
    fn most(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(impl Reduce for $t {
        #[inline]
        fn add(self, other: Self) -> Self { self.wrapping_add(other) }
        #[inline]
        fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
        #[inline]
        fn least(self, other: Self) -> Self { self.min(other) }
        #[inline]
        fn most(self, other: Self) -> Self { self.max(other) }
    })* };
}
integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! floats {
    ($($t:ty),*) => { $(impl Reduce for $t {
        #[inline]
        fn add(self, other: Self) -> Self { self + other }
        #[inline]
        fn mul(self, other: Self) -> Self { self * other }
        #[inline]
        fn least(self, other: Self) -> Self { if self <= other || self.is_nan() { self } else { other } }
        #[inline]
        fn most(self, other: Self) -> Self { if self >= other || self.is_nan() { self } else { other } }
    })* };
}
floats!(f32, f64);

/// An operator of `reduce`, `all_reduce` and `exscan`, element by element.
///
/// ```
/// use phalanx_comm::{Op, run_spmd};
/// let spread = run_spmd("threads", 4, |comm| {
///     let mine = [comm.rank() as f64 * 1.5];
///     let (low, high) = (comm.all_reduce(&mine, Op::Min)?, comm.all_reduce(&mine, Op::Max)?);
///     Ok::<_, phalanx_comm::CommError>(high[0] - low[0])
/// });
/// assert_eq!(spread, Ok(4.5));
/// ```
#[derive(Clone, Copy)]
pub enum Op<'f, N> {
    /// The sum; integers wrap around.
    Sum,
    /// The product; integers wrap around.
    Prod,
    /// The least; NaN if there is one.
    Min,
    /// The greatest; NaN if there is one.
    Max,
    /// A function of one's own. It must be associative; it need not be commutative: the left argument always comes from lower ranks.
    Custom(&'f dyn Fn(N, N) -> N),
}

impl<N> std::fmt::Debug for Op<'_, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(name(self.code()).unwrap_or("Op"))
    }
}

impl<N> Op<'_, N> {
    /// What goes on a stamp.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Sum => 1,
            Self::Prod => 2,
            Self::Min => 3,
            Self::Max => 4,
            Self::Custom(_) => 5,
        }
    }
}

/// An operator's name, by what is on a stamp.
pub(crate) fn name(code: u8) -> Option<&'static str> {
    ["sum", "prod", "min", "max", "custom"].get(usize::from(code).checked_sub(1)?).copied()
}

/// On which side of the accumulated values the others belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Lower,
    Higher,
}

impl<N: Reduce> Op<'_, N> {
    /// Combines others' values, of lower or of higher ranks, into `mine`.
    pub(crate) fn fold(&self, mine: &mut [N], others: &[N], side: Side) {
        match self {
            Self::Sum => apply(mine, others, side, N::add),
            Self::Prod => apply(mine, others, side, N::mul),
            Self::Min => apply(mine, others, side, N::least),
            Self::Max => apply(mine, others, side, N::most),
            Self::Custom(f) => apply(mine, others, side, f),
        }
    }
}

#[inline]
fn apply<N: Number>(mine: &mut [N], others: &[N], side: Side, f: impl Fn(N, N) -> N) {
    match side {
        Side::Lower => mine.iter_mut().zip(others).for_each(|(a, b)| *a = f(*b, *a)),
        Side::Higher => mine.iter_mut().zip(others).for_each(|(a, b)| *a = f(*a, *b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators() {
        let fold = |op: Op<'_, f64>, a: f64, b: f64| {
            let mut mine = [a];
            op.fold(&mut mine, &[b], Side::Higher);
            mine[0]
        };
        assert_eq!(fold(Op::Sum, 2.0, 3.0), 5.0);
        assert_eq!(fold(Op::Prod, 2.0, 3.0), 6.0);
        assert_eq!(fold(Op::Min, 2.0, 3.0), 2.0);
        assert_eq!(fold(Op::Max, 2.0, 3.0), 3.0);
        for op in [Op::Min, Op::Max] {
            assert!(fold(op, f64::NAN, 1.0).is_nan() && fold(op, 1.0, f64::NAN).is_nan());
        }
        assert_eq!(u8::MAX.add(2), 1);
    }

    #[test]
    fn the_left_argument_comes_from_lower_ranks() {
        let first = |a: u8, _b: u8| a;
        let mut mine = [1];
        Op::Custom(&first).fold(&mut mine, &[2], Side::Higher);
        assert_eq!(mine, [1]);
        Op::Custom(&first).fold(&mut mine, &[3], Side::Lower);
        assert_eq!(mine, [3]);
    }
}
