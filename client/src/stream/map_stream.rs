//! A stream as a thread reads it.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::asynchronous::AsyncMapStream;
use super::fleet::StreamCanceller;
use super::flow::{Flow, Recipe, Step};
use super::order::{Completed, Order, Ordered};
use crate::codec::Value;
use crate::error::Result;
use crate::session::Session;
use crate::view::Chunksize;

/// The outcomes of a map over an iterator, which may be endless: an iterator itself, of every element's value or error, in
/// the order of the input or as they come. Made by [`map_stream`](crate::LoadBalancedView::map_stream).
///
/// Reading it is what drives it. When the reader asks for the next outcome, the input is pulled as far as the bounds allow, on the reader's
/// own thread, and what was pulled is under way on the engines while the reader does something else. Who reads slowly pulls slowly: at no time are
/// there more than so many elements and bytes under way, be it at the client, the controller or the engines. An input that waits for the stream's
/// own outcomes must have an element ready for each outcome that was read, unless [`max_outstanding`](Self::max_outstanding) says that no more is pulled.
///
/// An element that fails is an `Err` ([`Error::Remote`](crate::Error::Remote)), and the stream goes on. When the stream itself fails, its error is the last thing it
/// gives: the connection has ended, it was cancelled, or its input panicked (what was pulled before is given first). Dropping it ends what is under way.
///
/// ```
/// # let client = phalanx::Client::in_process(2)?;
/// let primes = client
///     .load_balanced_view()
///     .map_stream(|n: u64| (n, (2..n).all(|d| n % d != 0)), 2..)
///     .filter_map(|outcome| outcome.map(|(n, is_prime)| is_prime.then_some(n)).transpose());
/// let first: Vec<u64> = primes.take(5).collect::<phalanx::Result<_>>()?;
/// assert_eq!(first, [2, 3, 5, 7, 11]);
/// # Ok::<(), phalanx::Error>(())
/// ```
#[must_use = "nothing is pulled before it is read"]
pub struct MapStream<I, R, O = Ordered> {
    pub(super) flow: Flow<I, R>,
    pub(super) order: PhantomData<O>,
}

/// It holds its input, and is no part of it.
impl<I, R, O> Unpin for MapStream<I, R, O> {}

impl<I, R> MapStream<I, R> {
    pub(crate) fn new(session: Arc<Session>, recipe: Result<Recipe>, items: I) -> Self {
        Self { flow: Flow::new(session, recipe, items), order: PhantomData }
    }
}

impl<I, R, O> MapStream<I, R, O> {
    /// How many elements go out together: a number, or [`Auto`](crate::Auto), which begins with one and grows until a chunk takes some
    /// milliseconds, so that its way there and back costs a few percent. Input that comes slowly makes shorter chunks.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..).chunksize(10);
    /// assert_eq!(squares.take(3).collect::<phalanx::Result<Vec<_>>>()?, [0, 1, 4]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn chunksize(mut self, chunksize: impl Into<Chunksize>) -> Self {
        match chunksize.into().to_wire() {
            Ok(chunksize) => self.flow.window.set_chunksize(chunksize),
            Err(e) => self.flow.give_up(e),
        }
        self
    }

    /// The most elements that are pulled beyond those whose outcome was read. Without it there are six chunks per
    /// engine, and at most 65 536 elements.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..).max_outstanding(8);
    /// assert_eq!(squares.nth(100).transpose()?, Some(10_000));
    /// assert!(squares.pulled() <= 101 + 8);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn max_outstanding(mut self, elements: u64) -> Self {
        if let Err(e) = self.flow.window.set_elements_max(elements) {
            self.flow.give_up(e);
        }
        self
    }

    /// The most bytes of elements and results that are under way (64 MiB without it), but for a single element
    /// that has more. Results count by what they have had so far.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let zeros = std::iter::repeat_with(|| vec![0.0; 1000]);
    /// let mut sums = client.load_balanced_view().map_stream(|x: Vec<f64>| x.iter().sum::<f64>(), zeros).max_bytes(64 << 10);
    /// assert_eq!(sums.next().transpose()?, Some(0.0));
    /// assert!(sums.pulled() <= 10);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        if let Err(e) = self.flow.window.set_bytes_max(bytes) {
            self.flow.give_up(e);
        }
        self
    }

    /// The outcomes as they come, each value with its index in the input (an error knows its element).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 10..20).as_completed();
    /// for outcome in squares {
    ///     let (index, square) = outcome?;
    ///     assert_eq!(square, (index + 10) * (index + 10));
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn as_completed(self) -> MapStream<I, R, Completed> {
        MapStream { flow: self.flow, order: PhantomData }
    }

    /// The outcomes in the order of the input, as it is without being said.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..5).in_order();
    /// assert_eq!(squares.collect::<phalanx::Result<Vec<_>>>()?, [0, 1, 4, 9, 16]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn in_order(self) -> MapStream<I, R, Ordered> {
        MapStream { flow: self.flow, order: PhantomData }
    }

    /// The same stream for programs that await: with [`next().await`](AsyncMapStream::next), and as a `futures` `Stream`.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..).into_async();
    /// assert_eq!(squares.next().await.transpose()?, Some(0));
    /// assert_eq!(squares.next().await.transpose()?, Some(1));
    /// # Ok::<(), phalanx::Error>(())
    /// # })?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn into_async(self) -> AsyncMapStream<I, R, O> {
        AsyncMapStream::new(self)
    }

    /// Ends it and all that is under way: reading on gives [`Error::StreamCancelled`](crate::Error::StreamCancelled) once, and then nothing.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// assert_eq!(squares.next().transpose()?, Some(0));
    /// squares.cancel();
    /// assert!(matches!(squares.next(), Some(Err(phalanx::Error::StreamCancelled))));
    /// assert!(squares.next().is_none());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.flow.fleet.cancel();
    }

    /// What cancels it from another thread, while this one waits for it.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// squares.canceller().cancel();
    /// assert!(matches!(squares.next(), Some(Err(phalanx::Error::StreamCancelled))));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn canceller(&self) -> StreamCanceller {
        StreamCanceller(Arc::clone(&self.flow.fleet))
    }

    /// How many elements were pulled from the input so far.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// assert_eq!(squares.pulled(), 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn pulled(&self) -> u64 {
        self.flow.pulled
    }

    /// How many outcomes were read so far.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let mut squares = client.load_balanced_view().map_stream(|x: u64| x * x, 0..);
    /// squares.by_ref().take(3).count();
    /// assert_eq!(squares.delivered(), 3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.flow.delivered
    }
}

impl<I, A, R, O> Iterator for MapStream<I, R, O>
where
    I: Iterator<Item = A>,
    A: Value,
    R: DeserializeOwned + 'static,
    O: Order,
{
    type Item = Result<O::Item<R>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.flow.step::<O>() {
                Step::Item(outcome) => return Some(outcome.map(|(index, value)| O::item(index, value))),
                Step::Wait(jobs) => match jobs.as_slice() {
                    [job] => drop(self.flow.fleet.session().wait(job, None)),
                    jobs => self.flow.fleet.session().wait_for_any(jobs),
                },
                Step::End => return None,
            }
        }
    }
}

impl<I, A, R, O> FusedIterator for MapStream<I, R, O>
where
    I: Iterator<Item = A>,
    A: Value,
    R: DeserializeOwned + 'static,
    O: Order,
{
}

impl<I, R, O> std::fmt::Debug for MapStream<I, R, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapStream")
            .field("pulled", &self.pulled())
            .field("delivered", &self.delivered())
            .finish_non_exhaustive()
    }
}
