//! One element that was run, as it goes to the file of a run.

use serde::Serialize;

use crate::element::{ElementOutcome, ElementRecord};

/// What a run keeps of each element, to be written to its [`RunFile`](crate::RunFile).
pub trait Recorded {
    /// What readers of the file are to see of a value.
    type Value<'a>: Serialize
    where
        Self: 'a;

    /// What is known of it, but for its value.
    fn row(&self) -> Row<'_>;

    /// Its value; none if it failed.
    fn value(&self) -> Option<Self::Value<'_>>;
}

impl<R: Recorded> Recorded for &R {
    type Value<'a>
        = R::Value<'a>
    where
        Self: 'a;

    fn row(&self) -> Row<'_> {
        (**self).row()
    }

    fn value(&self) -> Option<Self::Value<'_>> {
        (**self).value()
    }
}

/// A row of a run's file.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Which element of the run.
    pub element: u64,
    /// Which of the run's sessions it was run in.
    pub session: u32,
    /// The kind of its error and the message, if it failed.
    pub failure: Option<(&'a str, &'a str)>,
    /// Its value as it arrived, for the run itself when it goes on; empty if it failed.
    pub encoded: &'a [u8],
    /// Where and when it was run.
    pub record: ElementRecord,
}

impl<'a> Row<'a> {
    pub(crate) fn outcome(&self) -> ElementOutcome<'a, ()> {
        match self.failure {
            None => ElementOutcome::Value(()),
            Some((kind, message)) => ElementOutcome::Failed { kind, message },
        }
    }
}
