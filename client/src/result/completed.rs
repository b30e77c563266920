//! Results one by one, while the job runs.

use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::decode;
use crate::error::{Error, RemoteError};
use crate::job::{Cursor, Ended, JobHandle};

/// How long a wait for news lasts before it is looked whether the job has ended.
const WAIT: Duration = Duration::from_millis(500);

/// Yields every element as soon as its result is here: its index and its outcome. Ends when all are, or when the job
/// ends otherwise (see [`AsCompleted::error`]).
pub struct AsCompleted<R> {
    handle: JobHandle,
    seen: Cursor,
    ready: VecDeque<(u64, Result<R, RemoteError>)>,
    error: Option<Error>,
    values: PhantomData<fn() -> R>,
}

impl<R> AsCompleted<R> {
    pub(crate) fn new(handle: JobHandle) -> Self {
        Self { handle, seen: Cursor::default(), ready: VecDeque::new(), error: None, values: PhantomData }
    }

    /// Why the job ended before all elements were there, if it did.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// let mut values = out.as_completed();
    /// assert_eq!(values.by_ref().count(), 10);
    /// assert!(values.error().is_none());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

impl<R: DeserializeOwned + 'static> AsCompleted<R> {
    /// Takes what has come; false when nothing more will.
    fn refill(&mut self) -> bool {
        let news = {
            let Cursor { runs, lost } = self.seen;
            let state = self.handle.session.wait_for_more(&self.handle.job, runs, lost, WAIT);
            self.seen.take(&state)
        };
        let nothing_new = news.is_empty();
        for run in &news.runs {
            let done: Result<(), ()> = run.for_each(|element, outcome| {
                let value = outcome.and_then(|bytes| decode(element, Some(run.engine), run.attempt, bytes));
                self.ready.push_back((element, value));
                Ok(())
            });
            debug_assert!(done.is_ok());
        }
        for lost in news.lost {
            for element in lost.elements {
                self.ready.push_back((element, Err(RemoteError { element, ..lost.error.clone() })));
            }
        }
        match news.ended {
            Some(how) if nothing_new => {
                if let Ended::Failed(e) = how {
                    self.error = Some(e);
                }
                false
            }
            _ => true,
        }
    }
}

impl<R: DeserializeOwned + 'static> Iterator for AsCompleted<R> {
    type Item = (u64, Result<R, RemoteError>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            if !self.refill() {
                return None;
            }
        }
        self.ready.pop_front()
    }
}

/// Yields every element's outcome in the order of the elements, each as soon as it and all before it are here.
pub struct InOrder<R> {
    completed: AsCompleted<R>,
    early: BTreeMap<u64, Result<R, RemoteError>>,
    next: u64,
}

impl<R> InOrder<R> {
    pub(crate) fn new(handle: JobHandle) -> Self {
        Self { completed: AsCompleted::new(handle), early: BTreeMap::new(), next: 0 }
    }

    /// Why the job ended before all elements were there, if it did.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// let mut values = out.iter();
    /// assert_eq!(values.by_ref().count(), 10);
    /// assert!(values.error().is_none());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.completed.error()
    }
}

impl<R: DeserializeOwned + 'static> Iterator for InOrder<R> {
    type Item = Result<R, RemoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(value) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(value);
            }
            let (element, value) = self.completed.next()?;
            if element == self.next {
                self.next += 1;
                return Some(value);
            }
            self.early.insert(element, value);
        }
    }
}
