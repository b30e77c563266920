//! A load-balanced view whose maps go to a file.

use std::path::{Path, PathBuf};

use phalanx_results::SaveOptions;

use super::done::Plain;
use super::plan::{Plan, shared, slot};
use super::result::AsyncRun;
use crate::codec::Value;
use crate::error::Result;
use crate::job::JobPlan;
use crate::view::{Chunksize, LoadBalancedView, LoadBalancedWith};
use crate::worker::{self, BadEntry, Function};

/// A load-balanced view whose maps are runs: their results go to an HDF5 file as they come, and a run that was interrupted, by a
/// crash, Ctrl-C or `kill -9`, goes on where it was when the same program maps the same function over the same elements again.
///
/// The file is whole at every moment: it can be copied and read (h5py, MATLAB, `phalanx results FILE`) while the run goes on. Results
/// are brought to it together, within a twentieth of one core and at least every five seconds; until then they are noted in a small file beside
/// it, `.NAME.journal`, at most ten milliseconds after they came. So a crash of the client costs the chunks that were under way, and next to
/// nothing else. Take that file along when you move a run that was killed. (`.NAME.lock`, which a killed run leaves too, means nothing.)
///
/// - A run has the elements that it began with. More of them are another run: name another file for those that are new.
/// - A file that holds another run is refused, and the error says what differs: the program's code, the function, what all elements
///   share, the elements. [`any_program`](Self::any_program) goes on with changed code; closures of one function, which have one name, are
///   not told apart then. `/sessions/program` in the file says which program each session ran, `/elements/session` which session each value is of.
/// - What must be the same is compared by its bytes: where parameters have maps, use `BTreeMap`, for a `HashMap` has another order in
///   every process, and the run would be taken for another one.
/// - Elements that failed are tried again when the run goes on.
/// - A full disk does not end the run: the error is shown, and what could not be written is tried again.
///
/// ```no_run
/// use phalanx::{Auto, Client};
///
/// fn main() -> phalanx::Result<()> {
///     phalanx::init();
///     let client = Client::local(4)?;
///     let view = client.load_balanced_view().resumable("data/sweep.h5");
///     let run = view.map_async(|x: f64| x.sin(), (0..10_000).map(f64::from), Auto)?;
///     run.wait_interactive()?;
///     println!("{} values, {} of them from before", run.get()?.len(), run.resumed());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct ResumableView<V> {
    view: V,
    path: PathBuf,
    options: SaveOptions,
    any_program: bool,
}

impl<V> ResumableView<V> {
    pub(crate) fn new(view: V, path: &Path) -> Self {
        Self { view, path: path.to_owned(), options: SaveOptions::default(), any_program: false }
    }

    /// Goes on with a run that another version of the program began. The values of both stand in one file then, so they must be of one
    /// type: a run whose values would mean something else (a field added, renamed, moved or of another type) is refused.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().resumable(&path).any_program();
    /// assert_eq!(view.map_async(|x: u32| x * x, 0..4, 1)?.get()?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn any_program(mut self) -> Self {
        self.any_program = true;
        self
    }

    /// The level of compression, 1 (fast, the default) to 9 (small), or none.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().resumable(&path).compression(Some(9));
    /// assert_eq!(view.map_async(|x: u32| x * x, 0..4, 1)?.get()?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn compression(mut self, level: Option<u8>) -> Self {
        self.options.compression = level;
        self
    }

    fn start<A: Value, R: Value>(
        &self,
        view: &LoadBalancedView,
        function: std::result::Result<Function, BadEntry>,
        items: impl IntoIterator<Item = A>,
        chunksize: Chunksize,
        shared: (bytes::Bytes, String),
    ) -> Result<AsyncRun<R>> {
        let plan = Plan {
            path: self.path.clone(),
            options: self.options,
            any_program: self.any_program,
            function: function?,
            items: items.into_iter().collect(),
            shared,
            plan: JobPlan::Balanced { chunksize: chunksize.to_wire()? },
            asked: view.options.clone(),
        };
        let (slot, stored) = slot(&self.path)?;
        Ok(AsyncRun::new(plan.start(&view.session, slot, stored, Plain::<R>::new)?))
    }
}

impl ResumableView<LoadBalancedView> {
    /// `f` of every item, as [`LoadBalancedView::map_async`]; of those only whose values are not in the file.
    ///
    /// # Errors
    /// [`Error::AnotherRun`](crate::Error::AnotherRun) when the file holds another run, [`Error::Save`](crate::Error::Save) when it is
    /// something else, damaged, in use, or cannot be written.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let run = client.load_balanced_view().resumable(&path).map_async(|x: u32| x * x, 0..10, 5)?;
    /// assert_eq!(run.get()?[..4], [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_async<F, A, R>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> Result<AsyncRun<R>>
    where
        F: Fn(A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let function = worker::map::<F, A, R>();
        self.start(&self.view, function, items, chunksize.into(), Default::default())
    }

    /// As [`map_async`](Self::map_async), for a function that can fail; see [`LoadBalancedView::try_map_async`].
    ///
    /// # Errors
    /// As [`map_async`](Self::map_async).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("squares.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().resumable(&path);
    /// let run = view.try_map_async(|x: u32| x.checked_sub(1).ok_or("nothing is left"), 0..10, 5)?;
    /// assert_eq!(run.results().iter().filter(|r| r.is_err()).count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_async<F, A, R, E>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> Result<AsyncRun<R>>
    where
        F: Fn(A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let function = worker::try_map::<F, A, R, E>();
        self.start(&self.view, function, items, chunksize.into(), Default::default())
    }
}

impl<C: Value + Sync> ResumableView<LoadBalancedWith<C>> {
    /// `f(&value, item)` of every item, as [`LoadBalancedWith::map_async`]; of those only whose values are not in the file.
    ///
    /// # Errors
    /// As [`ResumableView::map_async`], the value that goes along being part of what must be the same.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("products.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().with(3).resumable(&path);
    /// let run = view.map_async(|k: &i32, x: i32| k * x, 0..4, 1)?;
    /// assert_eq!(run.get()?, [0, 3, 6, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_async<F, A, R>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> Result<AsyncRun<R>>
    where
        F: Fn(&C, A) -> R + Copy + 'static,
        A: Value,
        R: Value,
    {
        let _ = f;
        let function = worker::map_with::<F, C, A, R>();
        self.start(&self.view.view, function, items, chunksize.into(), shared(&*self.view.value)?)
    }

    /// As [`map_async`](Self::map_async), for a function that can fail; see [`LoadBalancedView::try_map_async`].
    ///
    /// # Errors
    /// As [`map_async`](Self::map_async).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("differences.h5");
    /// # let client = phalanx::Client::in_process(2)?;
    /// let view = client.load_balanced_view().with(2u32).resumable(&path);
    /// let run = view.try_map_async(|k: &u32, x: u32| x.checked_sub(*k).ok_or("too small"), 0..10, 5)?;
    /// assert_eq!(run.results().iter().filter(|r| r.is_err()).count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_map_async<F, A, R, E>(
        &self,
        f: F,
        items: impl IntoIterator<Item = A>,
        chunksize: impl Into<Chunksize>,
    ) -> Result<AsyncRun<R>>
    where
        F: Fn(&C, A) -> std::result::Result<R, E> + Copy + 'static,
        A: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        let function = worker::try_map_with::<F, C, A, R, E>();
        self.start(&self.view.view, function, items, chunksize.into(), shared(&*self.view.value)?)
    }
}
