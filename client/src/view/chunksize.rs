//! How many elements are assigned at a time.

use crate::error::{Error, Result};

/// Let the scheduler choose, from the times that it measures: the default choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auto;

/// How many elements a chunk has: a number, or [`Auto`].
///
/// With a number k, n elements make ceil(n / k) chunks whose sizes differ by at most one.
///
/// ```
/// use phalanx::{Auto, Chunksize};
/// assert_eq!(Chunksize::from(10), Chunksize::Elements(10));
/// assert_eq!(Chunksize::from(Auto), Chunksize::Auto);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunksize {
    /// The scheduler's choice.
    Auto,
    /// This many. Numbers below 1 are refused when the job is submitted.
    Elements(i64),
}

impl Chunksize {
    /// As on the wire: 0 is automatic.
    pub(crate) fn to_wire(self) -> Result<u64> {
        match self {
            Self::Auto => Ok(0),
            Self::Elements(n) => u64::try_from(n).ok().filter(|n| *n > 0).ok_or(Error::BadChunksize(n)),
        }
    }
}

impl From<Auto> for Chunksize {
    fn from(_: Auto) -> Self {
        Self::Auto
    }
}

macro_rules! from_number {
    ($($t:ty),*) => { $(
        impl From<$t> for Chunksize {
            fn from(n: $t) -> Self {
                Self::Elements(i64::try_from(n).unwrap_or(i64::MAX))
            }
        }
    )* };
}

from_number!(i32, i64, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_numbers_are_sizes() {
        assert_eq!(Chunksize::from(7).to_wire().unwrap(), 7);
        assert_eq!(Chunksize::from(Auto).to_wire().unwrap(), 0);
        for bad in [0, -3] {
            assert!(Chunksize::from(bad).to_wire().unwrap_err().to_string().contains("Auto"));
        }
    }
}
