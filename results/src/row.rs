//! One element that was run, as it goes to the file of a run.

use serde::Serialize;

use crate::element::{ElementOutcome, ElementRecord};

/// What a run keeps of each element, to be written to its [`RunFile`](crate::RunFile).
pub trait Recorded {
    /// What readers of the file are to see of a value.
    type Value: Serialize;

    /// The row of the file.
    fn row(&self) -> Row<'_, Self::Value>;
}

/// A row of a run's file.
#[derive(Debug)]
pub struct Row<'a, V> {
    /// Which element of the run.
    pub element: u64,
    /// Which of the run's sessions it was run in.
    pub session: u32,
    /// Its value, for readers.
    pub outcome: ElementOutcome<'a, &'a V>,
    /// Its value as it arrived, for the run itself when it goes on; empty if it failed.
    pub encoded: &'a [u8],
    /// Where and when it was run.
    pub record: ElementRecord,
}

impl<'a, V> Row<'a, V> {
    /// Its value, if it has one.
    pub(crate) fn value(&self) -> Option<&'a V> {
        match self.outcome {
            ElementOutcome::Value(value) => Some(value),
            _ => None,
        }
    }
}
