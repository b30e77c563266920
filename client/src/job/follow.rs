//! Following a job: what it prints and what fails, as it comes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::chunk_output::ChunkOutput;
use super::handle::JobHandle;
use super::news::Cursor;
use super::output::Place;
use crate::error::RemoteError;

/// How long a wait for news lasts before it is looked whether the job has ended.
const WAIT: Duration = Duration::from_millis(500);

/// Yields what a job's functions print, a piece at a time, as it comes; see [`JobHandle::follow_output`]. As an iterator it blocks; in
/// asynchronous code use [`recv`](Self::recv). It ends with the job.
pub struct FollowOutput {
    handle: JobHandle,
    place: Place,
}

impl FollowOutput {
    pub(crate) fn new(handle: JobHandle) -> Self {
        Self { handle, place: Place::default() }
    }

    /// The next piece; `None` when the job has ended.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let out = client.load_balanced_view().map_async(|x: u32| x * x, 0..10, 5);
    /// let mut output = out.follow_output();
    /// while let Some(piece) = output.recv().await {
    ///     println!("{piece}");
    /// }
    /// # });
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub async fn recv(&mut self) -> Option<ChunkOutput> {
        let _waiting = self.handle.session.waiting();
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<ChunkOutput>> {
        match self.handle.job.output.poll_next(&mut self.place, cx.waker()) {
            Ok(None) => Poll::Pending,
            Ok(piece) => Poll::Ready(piece),
            Err(_) => Poll::Ready(None),
        }
    }
}

impl Iterator for FollowOutput {
    type Item = ChunkOutput;

    fn next(&mut self) -> Option<ChunkOutput> {
        loop {
            if let Some(piece) = self.handle.job.output.next(&mut self.place).ok()? {
                return Some(piece);
            }
            let _waiting = self.handle.session.waiting();
            if let Some(piece) = self.handle.job.output.wait_for_next(&mut self.place, WAIT).ok()? {
                return Some(piece);
            }
        }
    }
}

/// Yields a job's failures as they come; see [`JobHandle::follow_failures`]. It ends with the job.
pub struct FollowFailures {
    handle: JobHandle,
    seen: Cursor,
    ready: VecDeque<RemoteError>,
}

impl FollowFailures {
    pub(crate) fn new(handle: JobHandle) -> Self {
        Self { handle, seen: Cursor::default(), ready: VecDeque::new() }
    }
}

impl Iterator for FollowFailures {
    type Item = RemoteError;

    fn next(&mut self) -> Option<RemoteError> {
        while self.ready.is_empty() {
            let news = {
                let Cursor { runs, lost } = self.seen;
                let state = self.handle.session.wait_for_more(&self.handle.job, runs, lost, WAIT);
                self.seen.take(&state)
            };
            for run in &news.runs {
                self.ready.extend(run.errors());
            }
            for lost in &news.lost {
                let each = lost.elements.iter().map(|&element| RemoteError { element, ..lost.error.clone() });
                self.ready.extend(each);
            }
            if self.ready.is_empty() && news.ended.is_some() && news.is_empty() {
                return None;
            }
        }
        let failure = self.ready.pop_front()?;
        Some(self.handle.numbered(failure))
    }
}
