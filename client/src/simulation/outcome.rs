//! What came of a simulation.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, RemoteError, RemoteErrors, Result};

/// The results of a run, one per piece, in the order of the pieces.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<W> {
    /// What each piece gave, or why it failed.
    pub results: Vec<std::result::Result<W, RemoteError>>,
    /// The seed of each piece that was run; with them the same bits come out again.
    pub seeds: Vec<u64>,
    /// How many results were in the file already.
    pub resumed: u64,
    /// The file with the results, relative to the working directory where it is below that; none if they were not to be saved.
    pub file: Option<PathBuf>,
    /// Why they could not be saved, or not all of them.
    pub unsaved: Option<Error>,
    /// How long it took.
    pub elapsed: Duration,
}

impl<W> Outcome<W> {
    /// The results of all pieces.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// # let client = phalanx::Client::in_process(2)?;
    /// let tosses = Simulation::<Coin>::new(()).pieces(|_| (0..4).map(|i| (Coin, i)).collect());
    /// let outcome = tosses.quiet().run(&client.load_balanced_view(), |_: Coin, i: i32, _: &(), _seed| i * i)?;
    /// assert_eq!(outcome.values()?, [0, 1, 4, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Remote`] with every piece that failed. The others' results are still in [`results`](Self::results), and in the file.
    pub fn values(self) -> Result<Vec<W>> {
        let elements = self.results.len() as u64;
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for result in self.results {
            match result {
                Ok(value) => values.push(value),
                Err(e) => errors.push(e),
            }
        }
        if errors.is_empty() { Ok(values) } else { Err(RemoteErrors { errors, elements }.into()) }
    }
}
