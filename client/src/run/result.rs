//! A run that is going on.

use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::done::{Done, Kept, Plain};
use super::plan::Started;
use super::recorder::Recording;
use crate::codec::{self, Value};
use crate::error::{Error, RemoteError, RemoteErrorKind, RemoteErrors, Result};
use crate::job::JobHandle;
use crate::progress;

/// The values of a run: those that its file had, and those that are computed now and go to the file as they come.
///
/// It dereferences to [`JobHandle`] for the progress, timings and `abort` of what is computed now. Dropping it lets the run go on,
/// as long as the program runs.
pub struct AsyncRun<R> {
    handle: JobHandle,
    recording: Arc<Recording<Plain<R>>>,
    resumed: u64,
    elements: u64,
    path: PathBuf,
    values: PhantomData<fn() -> R>,
}

impl<R: Value> AsyncRun<R> {
    pub(super) fn new(started: Started<Plain<R>>) -> Self {
        let Started { handle, recording, resumed, elements, path } = started;
        Self { handle, recording, resumed, elements, path, values: PhantomData }
    }

    /// How many values the file had already.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let square = |x: u32| x * x;
    /// let view = client.load_balanced_view().resumable(&path);
    /// assert_eq!(view.map_async(square, 0..10, 5)?.get()?.len(), 10);
    /// // Once more: everything is there, nothing is computed.
    /// assert_eq!(view.map_async(square, 0..10, 5)?.resumed(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Where the results go.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert_eq!(run.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the run has ended, showing progress as [`JobHandle::wait_interactive`] does, and what is in the file already.
    ///
    /// # Errors
    /// When the job could not be run to its end.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// run.wait_interactive()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_interactive(&self) -> Result<()> {
        if self.resumed > 0 {
            println!("{} of {} elements are in {} already", self.resumed, self.elements, self.path.display());
        }
        if self.resumed < self.elements {
            self.handle.wait_interactive()?;
        }
        self.recording.wait(|_| ());
        progress::show_notices(&self.handle, None);
        Ok(())
    }

    /// Waits for all values, those that the file had among them, in the order of the elements.
    ///
    /// # Errors
    /// [`Error::Remote`] with every element that failed; see [`results`](Self::results) for the values of the others.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert_eq!(run.get()?[..4], [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self) -> Result<Vec<R>> {
        if let Some(error) = self.recording.wait(|recorded| recorded.error.clone()) {
            return Err(error);
        }
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for outcome in self.results() {
            match outcome {
                Ok(value) => values.push(value),
                Err(e) => errors.push(e),
            }
        }
        if errors.is_empty() {
            Ok(values)
        } else {
            Err(RemoteErrors { errors, elements: self.elements }.into())
        }
    }

    /// Waits until the run has ended: every element's value or error.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert!(run.results().iter().all(Result::is_ok));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn results(&self) -> Vec<std::result::Result<R, RemoteError>> {
        self.recording.wait(|recorded| {
            let why = recorded.error.as_ref().map_or_else(|| "it was never run".to_owned(), Error::to_string);
            let mut rows = recorded.rows.iter().peekable();
            let outcome = |element| match rows.next_if(|row| row.done().element == element) {
                Some(row) => decoded(row.done()),
                None => Err(never_run(element, &why)),
            };
            (0..self.elements).map(outcome).collect()
        })
    }

    /// Waits until the run has ended and everything is in the file; its path.
    ///
    /// # Errors
    /// [`Error::Save`]: what could not be written, and why. What was written before is in the file.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert_eq!(run.saved()?, path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn saved(&self) -> Result<PathBuf> {
        self.recording.wait(|recorded| recorded.saved.clone())
    }
}

impl<R> AsRef<JobHandle> for AsyncRun<R> {
    fn as_ref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<R> Deref for AsyncRun<R> {
    type Target = JobHandle;

    fn deref(&self) -> &JobHandle {
        &self.handle
    }
}

impl<R> std::fmt::Debug for AsyncRun<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("path", &self.path)
            .field("resumed", &self.resumed)
            .field("job", &self.handle)
            .finish()
    }
}

fn decoded<R: Value>(done: &Done) -> std::result::Result<R, RemoteError> {
    let bytes = done.outcome.as_ref().map_err(Clone::clone)?;
    // Checked when it came.
    codec::decode(bytes)
        .map_err(|e| RemoteError { kind: RemoteErrorKind::Codec, ..never_run(done.element, &e.to_string()) })
}

/// The error of an element that no session has run.
pub(crate) fn never_run(element: u64, why: &str) -> RemoteError {
    RemoteError {
        element,
        engine: None,
        attempt: 0,
        kind: RemoteErrorKind::Cancelled,
        message: why.to_owned(),
        location: String::new(),
        backtrace: String::new(),
    }
}
