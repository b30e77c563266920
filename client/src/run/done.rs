//! Elements that were run, as a recorder keeps them.

use std::marker::PhantomData;

use bytes::Bytes;
use phalanx_results::{ElementRecord, Recorded, Row, StoredRow};
use serde::Serialize;

use crate::codec::{self, Value};
use crate::error::{RemoteError, RemoteErrorKind};

/// One element that was run.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// Which element of the run.
    pub(crate) element: u64,
    /// Which of the run's sessions.
    pub(crate) session: u32,
    /// The value's bytes.
    pub(crate) outcome: Result<Bytes, RemoteError>,
    pub(crate) record: ElementRecord,
}

/// What a recorder keeps.
pub(crate) trait Kept: Recorded + Send + 'static {
    /// What there is apart from the value as readers see it.
    fn done(&self) -> &Done;
}

impl Done {
    /// A value that an earlier session computed; none if it failed there.
    pub(crate) fn stored(row: &StoredRow) -> Option<Self> {
        let StoredRow { element, session, outcome, record } = row;
        let bytes = Bytes::copy_from_slice(outcome.as_ref().ok()?);
        Some(Self { element: *element, session: *session, outcome: Ok(bytes), record: *record })
    }

    /// Makes bytes that are no `R` a failure.
    fn checked<R: Value>(mut self) -> (Self, Option<R>) {
        let Ok(bytes) = &self.outcome else { return (self, None) };
        match codec::decode::<R>(bytes) {
            Ok(value) => (self, Some(value)),
            Err(e) => {
                self.outcome = Err(RemoteError {
                    element: self.element,
                    engine: Some(self.record.engine),
                    attempt: self.record.attempt,
                    kind: RemoteErrorKind::Codec,
                    message: e.to_string(),
                    location: String::new(),
                    backtrace: String::new(),
                });
                (self, None)
            }
        }
    }

    fn row(&self) -> Row<'_> {
        let (failure, encoded) = match &self.outcome {
            Ok(bytes) => (None, &bytes[..]),
            Err(e) => (Some((e.kind.as_str(), e.message.as_str())), &[][..]),
        };
        Row { element: self.element, session: self.session, failure, encoded, record: self.record }
    }
}

/// An element whose value readers see as it is; it is decoded when it is written.
pub(crate) struct Plain<R> {
    done: Done,
    value: PhantomData<fn() -> R>,
}

impl<R: Value> Plain<R> {
    pub(crate) fn new(done: Done) -> Self {
        Self { done: done.checked::<R>().0, value: PhantomData }
    }
}

impl<R: Value> Recorded for Plain<R> {
    type Value<'a> = R;

    fn row(&self) -> Row<'_> {
        self.done.row()
    }

    fn value(&self) -> Option<R> {
        codec::decode(self.done.outcome.as_ref().ok()?).ok()
    }
}

impl<R: Value> Kept for Plain<R> {
    fn done(&self) -> &Done {
        &self.done
    }
}

/// An element of whose value readers see what was made of it.
pub(crate) struct Wrapped<W> {
    done: Done,
    value: Option<W>,
}

impl<W> Wrapped<W> {
    pub(crate) fn new<R: Value>(done: Done, wrap: impl FnOnce(R) -> W) -> Self {
        let (done, value) = done.checked::<R>();
        Self { done, value: value.map(wrap) }
    }

    /// Which element of the run it is.
    pub(crate) fn element(&self) -> u64 {
        self.done.element
    }

    /// What was made of it.
    pub(crate) fn into_value(self) -> Result<W, RemoteError> {
        match (self.done.outcome, self.value) {
            (Err(e), _) => Err(e),
            (Ok(_), Some(value)) => Ok(value),
            (Ok(_), None) => unreachable!("a value that could be decoded was wrapped"),
        }
    }
}

impl<W: Serialize + Send + 'static> Recorded for Wrapped<W> {
    type Value<'a> = &'a W;

    fn row(&self) -> Row<'_> {
        self.done.row()
    }

    fn value(&self) -> Option<&W> {
        self.value.as_ref()
    }
}

impl<W: Serialize + Send + 'static> Kept for Wrapped<W> {
    fn done(&self) -> &Done {
        &self.done
    }
}
