//! Maps over lazy and endless input on a load-balanced view.

use bytes::Bytes;

use super::balanced::LoadBalancedView;
use super::balanced_with::LoadBalancedWith;
use super::context;
use crate::codec::Value;
use crate::error::{Error, Result};
use crate::stream::{MapStream, Recipe};
use crate::worker::{self, BadEntry, Function};

impl LoadBalancedView {
    /// `f` of every item of an iterator that may be lazy or endless, a bounded number of them at a time; see [`MapStream`]. Nothing is pulled before
    /// the stream is read. (It is what `imap` is in ipyparallel.)
    ///
    /// Retries, labels, priorities and run limits of the view count for each element; its queue limit for the beginning of the stream.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lines = ["1.5", "2", "none"].into_iter().map(str::to_owned);
    /// for length in client.load_balanced_view().map_stream(|line: String| line.len(), lines) {
    ///     println!("{}", length?);
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn map_stream<F, I, A, R>(&self, f: F, items: I) -> MapStream<I::IntoIter, R>
    where
        F: Fn(A) -> R + Copy + 'static,
        I: IntoIterator<Item = A>,
        A: Value,
        R: Value,
    {
        let _ = f;
        let recipe = self.recipe(worker::map::<F, A, R>(), || Ok(Bytes::new()));
        MapStream::new(self.session.clone(), recipe, items.into_iter())
    }

    /// As [`map_stream`](Self::map_stream), for a function that can fail: an `Err` is a failure of its element, which
    /// [`retries`](Self::retries) try again.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let words = ["1.5", "none", "2"].map(str::to_owned);
    /// let numbers = client.load_balanced_view().try_map_stream(|word: String| word.parse::<f64>(), words);
    /// assert_eq!(numbers.filter_map(Result::ok).collect::<Vec<_>>(), [1.5, 2.0]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_map_stream<F, I, A, R, E>(&self, f: F, items: I) -> MapStream<I::IntoIter, R>
    where
        F: Fn(A) -> std::result::Result<R, E> + Copy + 'static,
        I: IntoIterator<Item = A>,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let recipe = self.recipe(worker::try_map::<F, A, R, E>(), || Ok(Bytes::new()));
        MapStream::new(self.session.clone(), recipe, items.into_iter())
    }

    fn recipe(
        &self,
        function: std::result::Result<Function, BadEntry>,
        context: impl FnOnce() -> Result<Bytes>,
    ) -> Result<Recipe> {
        if self.options.kept {
            return Err(Error::JobRefused(
                "a stream's results go to who reads it and cannot be kept: make it of a view without keep()"
                    .to_owned(),
            ));
        }
        self.options.place.check()?;
        Ok(Recipe { function: function?, context: context()?, options: self.options.clone() })
    }
}

impl<C: Value + Sync> LoadBalancedWith<C> {
    /// `f(&value, item)` of every item of an iterator that may be lazy or endless; see [`MapStream`]. The value is encoded once, and goes along
    /// with every chunk: with a large one chunks are longer and fewer.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let tripled = client.load_balanced_view().with(3).map_stream(|k: &u64, x: u64| k * x, 0..);
    /// assert_eq!(tripled.take(4).collect::<phalanx::Result<Vec<_>>>()?, [0, 3, 6, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn map_stream<F, I, A, R>(&self, f: F, items: I) -> MapStream<I::IntoIter, R>
    where
        F: Fn(&C, A) -> R + Copy + 'static,
        I: IntoIterator<Item = A>,
        A: Value,
        R: Value,
    {
        let _ = f;
        let recipe = self.view.recipe(worker::map_with::<F, C, A, R>(), || Ok(context(&*self.value)?));
        MapStream::new(self.view.session.clone(), recipe, items.into_iter())
    }

    /// As [`map_stream`](Self::map_stream), for a function that can fail.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().with(10);
    /// let quotients = view.try_map_stream(|n: &u64, d: u64| n.checked_div(d).ok_or("no quotient"), [5, 0, 2]);
    /// assert_eq!(quotients.filter_map(Result::ok).collect::<Vec<_>>(), [2, 5]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_map_stream<F, I, A, R, E>(&self, f: F, items: I) -> MapStream<I::IntoIter, R>
    where
        F: Fn(&C, A) -> std::result::Result<R, E> + Copy + 'static,
        I: IntoIterator<Item = A>,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let recipe = self.view.recipe(worker::try_map_with::<F, C, A, R, E>(), || Ok(context(&*self.value)?));
        MapStream::new(self.view.session.clone(), recipe, items.into_iter())
    }
}
