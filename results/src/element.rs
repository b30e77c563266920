//! What a job reports about each of its elements.

use hdf5::H5Type;

/// Where and when one element ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElementRecord {
    /// The engine that ran it.
    pub engine: u32,
    /// Which try this was.
    pub attempt: u32,
    /// When its chunk started, in nanoseconds since 1970 (UTC) by the engine's clock; 0 if it never did.
    pub started_ns: u64,
    /// When its chunk completed, in nanoseconds since 1970 (UTC) by the engine's clock; 0 if it never did.
    pub completed_ns: u64,
    /// The chunk it was part of.
    pub chunk: u64,
    /// How many elements of that chunk ran together, between those two times; 0 counts as 1.
    pub ran_with: u32,
}

/// How one element ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementOutcome<'a, V> {
    /// It returned this value (or a reference to it).
    Value(V),
    /// It failed.
    Failed {
        /// What kind of error it was: a panic, an error of the function, a lost engine …
        kind: &'a str,
        /// The error's message.
        message: &'a str,
    },
    /// It has no result: cancelled, or not finished when the results were saved.
    Missing,
}

/// The `status` of an element in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, H5Type)]
#[repr(u8)]
#[allow(non_camel_case_types, reason = "these names are the ones written into the file")]
pub(crate) enum Status {
    /// It has a value.
    ok = 0,
    /// It has an error.
    failed = 1,
    /// It has neither.
    missing = 2,
}

impl ElementRecord {
    /// How long the element took: its share of its chunk's time, for elements are not timed one by one. NaN if it did not start or
    /// not complete. A clock that was set back while it ran shows as a negative time.
    pub fn seconds(&self) -> f64 {
        if self.started_ns == 0 || self.completed_ns == 0 {
            return f64::NAN;
        }
        let chunk_ns = i128::from(self.completed_ns) - i128::from(self.started_ns);
        chunk_ns as f64 / 1e9 / f64::from(self.ran_with.max(1))
    }
}

impl<V> ElementOutcome<'_, V> {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Value(_) => Status::ok,
            Self::Failed { .. } => Status::failed,
            Self::Missing => Status::missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_completed_element_took_time() {
        let record =
            ElementRecord { started_ns: 1_500_000_000, completed_ns: 2_000_000_000, ..Default::default() };
        assert_eq!(record.seconds(), 0.5);
        assert_eq!(ElementRecord { ran_with: 5, ..record }.seconds(), 0.1);
        assert!(ElementRecord { completed_ns: 0, ..record }.seconds().is_nan());
        assert_eq!(ElementRecord { started_ns: 2_500_000_000, ..record }.seconds(), -0.5);
    }
}
