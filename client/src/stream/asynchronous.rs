//! A stream as a task reads it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::fleet::StreamCanceller;
use super::flow::Step;
use super::map_stream::MapStream;
use super::order::Order;
use crate::codec::Value;
use crate::error::Result;
use crate::session::Waiting;

/// A [`MapStream`] for programs that await. It is a `futures` [`Stream`] as well; [`next`](Self::next) needs no extension trait.
///
/// The input is pulled where the stream is polled: an iterator that takes its time holds up the task's runtime. Dropping a `next`
/// that is not ready loses nothing; dropping the stream ends what is under way.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..5).into_async();
/// while let Some(square) = squares.next().await {
///     println!("{}", square?);
/// }
/// # Ok::<(), phalanx::Error>(())
/// # })?;
/// # Ok::<(), phalanx::Error>(())
/// ```
#[must_use = "nothing is pulled before it is read"]
pub struct AsyncMapStream<I, R, O> {
    stream: MapStream<I, R, O>,
    /// While somebody waits, the connection is to be run by its own thread.
    waiting: Option<Waiting>,
}

/// It holds its input, and is no part of it.
impl<I, R, O> Unpin for AsyncMapStream<I, R, O> {}

impl<I, R, O> AsyncMapStream<I, R, O> {
    pub(super) fn new(stream: MapStream<I, R, O>) -> Self {
        Self { stream, waiting: None }
    }

    /// As [`MapStream::canceller`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..).into_async();
    /// squares.canceller().cancel();
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn canceller(&self) -> StreamCanceller {
        self.stream.canceller()
    }

    /// As [`MapStream::pulled`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..).into_async();
    /// assert_eq!(squares.pulled(), 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn pulled(&self) -> u64 {
        self.stream.pulled()
    }
}

impl<I, A, R, O> AsyncMapStream<I, R, O>
where
    I: Iterator<Item = A>,
    A: Value,
    R: DeserializeOwned + 'static,
    O: Order,
{
    /// The next outcome, or `None` after the last.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 3..).into_async();
    /// assert_eq!(squares.next().await.transpose()?, Some(9));
    /// # Ok::<(), phalanx::Error>(())
    /// # })?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub async fn next(&mut self) -> Option<Result<O::Item<R>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<I, A, R, O> Stream for AsyncMapStream<I, R, O>
where
    I: Iterator<Item = A>,
    A: Value,
    R: DeserializeOwned + 'static,
    O: Order,
{
    type Item = Result<O::Item<R>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = loop {
            match this.stream.flow.step::<O>() {
                Step::Item(outcome) => break Some(outcome.map(|(index, value)| O::item(index, value))),
                Step::End => break None,
                Step::Wait(jobs) => {
                    // All are asked, so that each wakes this task.
                    if jobs.iter().filter(|job| job.poll_ended(cx.waker())).count() > 0 {
                        continue;
                    }
                    if this.waiting.is_none() {
                        this.waiting = Some(this.stream.flow.fleet.session().waiting());
                    }
                    return Poll::Pending;
                }
            }
        };
        this.waiting = None;
        Poll::Ready(next)
    }
}

impl<I, R, O> std::fmt::Debug for AsyncMapStream<I, R, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stream.fmt(f)
    }
}
