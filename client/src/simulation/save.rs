//! Where a simulation's results go.

use std::path::{Path, PathBuf};

use crate::simulation::{Simulation, System};

/// What becomes of the results.
#[derive(Debug, Clone, Default)]
pub(super) enum Save {
    /// They are given back, and not saved.
    #[default]
    Nothing,
    /// To a new file of its own in this directory, whose name begins like this.
    New { directory: PathBuf, prefix: String },
    /// To this file; a run that it holds goes on.
    To(PathBuf),
}

/// Random characters in the name of a new file.
const RANDOM_CHARACTERS: usize = 8;

impl<S: System, Q, A> Simulation<S, Q, A> {
    /// Saves the results to this HDF5 file as they come. If the file holds the same run, not finished, that goes on, with
    /// its seeds: only what is missing is computed. Another run in it is refused, and the error says what differs. See
    /// [`ResumableView`](crate::ResumableView) for what a reader sees meanwhile.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("coin.h5");
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed;
    /// let run = || Simulation::<Coin>::new(()).save_to(&path).quiet().run_serial(toss);
    /// let first = run()?;
    /// let again = run()?;
    /// assert_eq!((again.resumed, again.seeds), (1, first.seeds));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_to(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.save = Save::To(path.as_ref().to_owned());
        self
    }

    /// Saves the results to a new HDF5 file `DIRECTORY/PREFIX########.h5` as they come; no file is ever overwritten. The
    /// outcome names it.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let data = directory.path().join("data");
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed;
    /// let outcome = Simulation::<Coin>::new(()).save_new(&data, "simulation-").quiet().run_serial(toss)?;
    /// assert!(outcome.file.is_some_and(|file| file.exists()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_new(mut self, directory: impl AsRef<Path>, prefix: &str) -> Self {
        let (directory, prefix) = (directory.as_ref().to_owned(), prefix.to_owned());
        self.settings.save = Save::New { directory, prefix };
        self
    }

    /// Goes on with a run that another version of the program began. The results of both stand in one file then.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("coin.h5");
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed;
    /// Simulation::<Coin>::new(()).save_to(&path).any_program().quiet().run_serial(toss)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn any_program(mut self) -> Self {
        self.settings.any_program = true;
        self
    }
}

/// A name that no file there has now.
pub(super) fn new_name(directory: &Path, prefix: &str) -> PathBuf {
    loop {
        let random = uuid::Uuid::new_v4().simple().to_string();
        let path = directory.join(format!("{prefix}{}.h5", &random[..RANDOM_CHARACTERS]));
        if !path.exists() {
            return path;
        }
    }
}

/// The path as seen from the working directory, where it is below that.
pub(super) fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}
