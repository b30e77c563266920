//! Naming engines.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::shape::{Many, One, Shape};
use crate::error::{Error, Result};

/// Every engine there is at the time of each call, unlike `..`, which means those there are when the view is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct All;

/// Engines, as [`Client::direct_view`](crate::Client::direct_view) takes them: an id (`0`; `-1` is the last engine; `&id` as the client gives it), a list of
/// ids (`[0, 2]`, or `&ids`), a range of places among the sorted ids (`..`, `1..3`, `2..`), or [`All`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name engines",
    label = "an id is an `i32` or a `&u32`, a list of ids an array of `i32` or a slice of `u32`, and places are ranges of `i32`",
    note = "for an id that the client gave, as in `chunk.engine`, take a reference: `&chunk.engine`; for a number of engines, `0..n as i32`"
)]
pub trait Targets {
    /// Whether calls give one value or a list.
    type Shape: Shape;
    /// Whether the engines are looked up at each call.
    #[doc(hidden)]
    const DYNAMIC: bool = false;
    /// The ids, given the sorted ids of the engines there are.
    #[doc(hidden)]
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>>;
}

fn one(wanted: i64, ids: &[u32]) -> Result<u32> {
    let unknown = || {
        let existing = match ids {
            [] => "no engines".to_owned(),
            [id] => format!("engine {id}"),
            ids => format!("engines {}", ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
        };
        Error::UnknownEngine { engine: wanted, existing }
    };
    if wanted < 0 {
        let place = ids.len() as i64 + wanted;
        return usize::try_from(place).ok().and_then(|at| ids.get(at)).copied().ok_or_else(unknown);
    }
    ids.iter().copied().find(|&id| i64::from(id) == wanted).ok_or_else(unknown)
}

fn list(wanted: impl Iterator<Item = i64>, ids: &[u32]) -> Result<Vec<u32>> {
    let targets = wanted.map(|id| one(id, ids)).collect::<Result<Vec<_>>>()?;
    let mut seen = std::collections::BTreeSet::new();
    match targets.iter().find(|id| !seen.insert(**id)) {
        Some(twice) => Err(Error::EngineTwice(*twice)),
        None if targets.is_empty() => Err(Error::NoEngines),
        None => Ok(targets),
    }
}

/// A place among `len`, counted from the end when negative.
fn place(index: i64, len: usize) -> usize {
    let at = if index < 0 { len as i64 + index } else { index };
    usize::try_from(at.max(0)).unwrap_or(usize::MAX).min(len)
}

fn range(start: i64, end: i64, ids: &[u32]) -> Result<Vec<u32>> {
    let (start, end) = (place(start, ids.len()), place(end, ids.len()));
    match ids.get(start..end) {
        Some(ids) if !ids.is_empty() => Ok(ids.to_vec()),
        _ if ids.is_empty() => Err(Error::NoEngines),
        _ => Err(Error::NoEngineInRange { engines: ids.len() }),
    }
}

// One integer type for what is written as literals, references to another for ids that come from the client: were there several types for
// literals, `direct_view(0)` would leave open whether calls give one value or a list.

impl Targets for i32 {
    type Shape = One;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        Ok(vec![one((*self).into(), ids)?])
    }
}

impl Targets for &u32 {
    type Shape = One;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        Ok(vec![one((**self).into(), ids)?])
    }
}

impl<const N: usize> Targets for &[u32; N] {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        self.as_slice().resolve(ids)
    }
}

impl<const N: usize> Targets for [i32; N] {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        list(self.iter().map(|&id| id.into()), ids)
    }
}

impl Targets for &[u32] {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        list(self.iter().map(|&id| id.into()), ids)
    }
}

impl Targets for &Vec<u32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        self.as_slice().resolve(ids)
    }
}

impl Targets for Vec<u32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        self.as_slice().resolve(ids)
    }
}

impl Targets for RangeFull {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        range(0, i64::MAX, ids)
    }
}

impl Targets for All {
    type Shape = Many;
    const DYNAMIC: bool = true;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        range(0, i64::MAX, ids)
    }
}

impl Targets for Range<i32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        range(self.start.into(), self.end.into(), ids)
    }
}

impl Targets for RangeInclusive<i32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        let end = if *self.end() == -1 { i64::MAX } else { i64::from(*self.end()) + 1 };
        range((*self.start()).into(), end, ids)
    }
}

impl Targets for RangeFrom<i32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        range(self.start.into(), i64::MAX, ids)
    }
}

impl Targets for RangeTo<i32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        range(0, self.end.into(), ids)
    }
}

impl Targets for RangeToInclusive<i32> {
    type Shape = Many;
    fn resolve(&self, ids: &[u32]) -> Result<Vec<u32>> {
        (0..=self.end).resolve(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_places_and_ranges() {
        let ids = [0, 2, 5, 7];
        assert_eq!(2.resolve(&ids).unwrap(), [2]);
        assert_eq!((-1).resolve(&ids).unwrap(), [7]);
        assert_eq!([7, 0].resolve(&ids).unwrap(), [7, 0]);
        assert_eq!((..).resolve(&ids).unwrap(), ids);
        assert_eq!((1..3).resolve(&ids).unwrap(), [2, 5]);
        assert_eq!((2..).resolve(&ids).unwrap(), [5, 7]);
        assert_eq!((..-1).resolve(&ids).unwrap(), [0, 2, 5]);
        let to_the_last = RangeInclusive::new(1, -1);
        assert_eq!(to_the_last.resolve(&ids).unwrap(), [2, 5, 7]);
        assert_eq!((0..100).resolve(&ids).unwrap(), ids);
        assert_eq!((..=2).resolve(&ids).unwrap(), [0, 2, 5]);
        assert_eq!((..=-1).resolve(&ids).unwrap(), ids);
        assert_eq!((&ids[3]).resolve(&ids).unwrap(), [7]);
        assert_eq!((&[ids[3], ids[0]]).resolve(&ids).unwrap(), [7, 0]);
    }

    #[test]
    fn engines_that_do_not_exist() {
        let e = 1.resolve(&[0, 2]).unwrap_err();
        assert_eq!(e.to_string(), "engine 1 does not exist; there are engines 0, 2");
        assert!(matches!((-3).resolve(&[0, 2]), Err(Error::UnknownEngine { engine: -3, .. })));
        assert!(matches!([2, -1].resolve(&[0, 2]), Err(Error::EngineTwice(2))));
        assert!(matches!((..).resolve(&[]), Err(Error::NoEngines)));
        assert!(matches!((3..).resolve(&[0, 1]), Err(Error::NoEngineInRange { engines: 2 })));
    }
}
