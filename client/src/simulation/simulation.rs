//! A simulation in parallel pieces, from its parameters to its results.

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::execution::Execution;
use super::outcome::Outcome;
#[cfg(feature = "hdf5")]
use super::save::Save;
use super::system::System;
use crate::client::Client;
use crate::codec::Value;
use crate::error::{Error, Result};
use crate::view::LoadBalancedView;
use crate::worker::{self, Function};

/// One piece of a simulation: what an engine gets. In a results file it is `/parameters`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "P: Serialize + for<'a> Deserialize<'a>, A: Serialize + for<'a> Deserialize<'a>")]
pub(crate) struct Piece<P, A> {
    pub(crate) system: P,
    pub(crate) arguments: A,
    pub(crate) seed: u64,
}

/// A simulation: a system, cut into pieces that are simulated wherever there is room.
///
/// Each piece is a system (told by its parameters and built anew on the engine) with arguments of its own, and gets a seed. Seeds are
/// drawn from the operating system unless they are given; they are in the [`Outcome`] and in the file, so that any piece can be run
/// again alone and gives the same bits.
///
/// ```
/// use phalanx::simulation::{Simulation, System};
///
/// /// A walk on a line, between walls.
/// struct Walk(i64);
///
/// impl System for Walk {
///     type Parameters = i64;
///     fn build(width: &i64) -> Self {
///         Self(*width)
///     }
///     fn parameters(&self) -> i64 {
///         self.0
///     }
/// }
///
/// /// How far a walker gets from `start` in so many steps.
/// fn walk(system: Walk, start: i64, steps: &u32, seed: u64) -> i64 {
///     let mut state = seed;
///     (0..*steps).fold(start, |at, _| {
///         state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
///         let step = if state >> 63 == 0 { 1 } else { -1 };
///         (at + step).clamp(0, system.0)
///     })
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("walks.h5");
/// let client = phalanx::Client::in_process(2)?; // or local(4), or connect("nbserver")
/// let simulation = |seeds: &[u64]| {
///     let walks = Simulation::<Walk>::new(100).with(1000u32).pieces(|w| (0..8).map(|i| (Walk(w.0), 10 * i)).collect());
///     let walks = if seeds.is_empty() { walks.save_to(&path) } else { walks.seeds(seeds) };
///     walks.quiet()
/// };
/// let first = simulation(&[]).run(&client.load_balanced_view(), walk)?;
/// let seeds = first.seeds.clone();
/// let values = first.values()?;
/// // The third piece once more, alone:
/// let again = simulation(&seeds).only(&[2]).run_serial(walk)?;
/// assert_eq!(again.values()?, values[2..3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a simulation does nothing until it is run"]
pub struct Simulation<S: System, Q = (), A = ()> {
    system: S::Parameters,
    simulation: Q,
    pieces: Vec<(S::Parameters, A)>,
    pub(super) settings: Settings,
}

/// How it is run.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) parallel: Option<serde_json::Value>,
    pub(super) only: Option<Vec<usize>>,
    pub(super) seeds: Option<Vec<u64>>,
    #[cfg(feature = "hdf5")]
    pub(super) save: Save,
    #[cfg(feature = "hdf5")]
    pub(super) any_program: bool,
    pub(super) quiet: bool,
}

impl<S: System> Simulation<S> {
    /// A simulation of the system of these parameters, in one piece.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let outcome = Simulation::<Coin>::new(()).quiet().run_serial(|_: Coin, (), _: &(), seed: u64| seed % 2)?;
    /// assert_eq!(outcome.values()?.len(), 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn new(system: S::Parameters) -> Self {
        let pieces = vec![(system.clone(), ())];
        Self { system, simulation: (), pieces, settings: Settings::default() }
    }
}

impl<S: System, Q, A> Simulation<S, Q, A> {
    /// What the simulation function gets besides its piece: how many steps, how exact. Every piece gets the same.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let tosses = |_: Coin, (), tosses: &u32, seed: u64| (seed % u64::from(tosses + 1)) as u32;
    /// let outcome = Simulation::<Coin>::new(()).with(10).quiet().run_serial(tosses)?;
    /// assert!(outcome.values()?[0] <= 10);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn with<P: Value + Sync>(self, simulation: P) -> Simulation<S, P, A> {
        let Self { system, pieces, settings, .. } = self;
        Simulation { system, simulation, pieces, settings }
    }

    /// Cuts the system into pieces: for each a system, and what the simulation function gets as its arguments. It is called at
    /// once, in this process.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let tosses = Simulation::<Coin>::new(()).pieces(|_| (0..3).map(|i| (Coin, i)).collect());
    /// let outcome = tosses.quiet().run_serial(|_: Coin, i: i32, _: &(), _: u64| i + 1)?;
    /// assert_eq!(outcome.values()?, [1, 2, 3]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn pieces<B>(self, prepare: impl FnOnce(S) -> Vec<(S, B)>) -> Simulation<S, Q, B> {
        let Self { system, simulation, settings, .. } = self;
        let pieces = prepare(S::build(&system)).into_iter();
        let pieces = pieces.map(|(piece, arguments)| (piece.parameters(), arguments)).collect();
        Simulation { system, simulation, pieces, settings }
    }

    /// As [`pieces`](Self::pieces), for cutting that has parameters of its own (how many pieces, how much they overlap), which are
    /// shown and saved with the others.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let tosses = Simulation::<Coin>::new(()).parallel(3, |_, n| (0..*n).map(|i| (Coin, i)).collect());
    /// let outcome = tosses.quiet().run_serial(|_: Coin, i: i32, _: &(), _: u64| i + 1)?;
    /// assert_eq!(outcome.values()?, [1, 2, 3]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn parallel<X: Serialize, B>(
        self,
        parameters: X,
        prepare: impl FnOnce(S, &X) -> Vec<(S, B)>,
    ) -> Simulation<S, Q, B> {
        let mut simulation = self.pieces(|system| prepare(system, &parameters));
        simulation.settings.parallel = serde_json::to_value(&parameters).ok();
        simulation
    }

    /// The seeds of all pieces, in their order: those of an earlier run give the same bits again.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let seeds = |n: &[u64]| Simulation::<Coin>::new(()).seeds(n).quiet().run_serial(|_: Coin, (), _: &(), s: u64| s);
    /// assert_eq!(seeds(&[17])?.values()?, [17]);
    /// assert!(seeds(&[1, 2]).unwrap_err().to_string().contains("2 seeds"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn seeds(mut self, seeds: &[u64]) -> Self {
        self.settings.seeds = Some(seeds.to_vec());
        self
    }

    /// Only these pieces, in this order. Seeds given by [`seeds`](Self::seeds) remain those of all pieces; the outcome has those of the
    /// pieces that were run. In a file that is another run than that of all pieces, so it needs a file of its own.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let tosses = Simulation::<Coin>::new(()).pieces(|_| (0..9).map(|i| (Coin, i)).collect());
    /// let outcome = tosses.only(&[4]).quiet().run_serial(|_: Coin, i: i32, _: &(), _: u64| i)?;
    /// assert_eq!(outcome.values()?, [4]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn only(mut self, pieces: &[usize]) -> Self {
        self.settings.only = Some(pieces.to_vec());
        self
    }

    /// Shows nothing: neither the parameters nor progress.
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// Simulation::<Coin>::new(()).quiet().run_serial(|_: Coin, (), _: &(), seed: u64| seed)?;
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn quiet(mut self) -> Self {
        self.settings.quiet = true;
        self
    }
}

impl<S: System, Q: Value + Sync, A: Value> Simulation<S, Q, A> {
    /// Simulates the pieces wherever there is room: `simulate(system, arguments, parameters, seed)`. Waits for the end, and shows the
    /// parameters, the progress and the time it takes. A piece that fails (panics) leaves the others alone.
    ///
    /// # Errors
    /// When the run cannot begin (no seed for every piece, a file of another run) or be brought to its end. Pieces that fail are in
    /// the [`Outcome`].
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let client = phalanx::Client::in_process(2)?;
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed % 2 == 0;
    /// let outcome = Simulation::<Coin>::new(()).run(&client.load_balanced_view(), toss)?;
    /// assert_eq!(outcome.results.len(), 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn run<F, R>(self, view: &LoadBalancedView, simulate: F) -> Result<Outcome<R>>
    where
        F: Fn(S, A, &Q, u64) -> R + Copy + 'static,
        R: Value,
    {
        self.run_wrapped(view, simulate, |result: R| result)
    }

    /// As [`run`](Self::run); what is made of each result by `wrap`, in this process, is what is given back and saved.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let client = phalanx::Client::in_process(2)?;
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed % 2;
    /// let named = |side: u64| if side == 0 { "heads" } else { "tails" };
    /// let outcome = Simulation::<Coin>::new(()).seeds(&[2]).run_wrapped(&client.load_balanced_view(), toss, named)?;
    /// assert_eq!(outcome.values()?, ["heads"]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn run_wrapped<F, R, W>(
        self,
        view: &LoadBalancedView,
        simulate: F,
        wrap: impl Fn(R) -> W + Send + 'static,
    ) -> Result<Outcome<W>>
    where
        F: Fn(S, A, &Q, u64) -> R + Copy + 'static,
        R: Value,
        W: Serialize + Send + 'static,
    {
        let _ = simulate;
        self.execution(worker::simulate::<F, S, A, Q, R>()?)?.run(view, wrap)
    }

    /// As [`run`](Self::run), for a function that can fail: an `Err` is a failure of its piece, which the view's `retries` tries again,
    /// and which is tried again when a saved run goes on.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let client = phalanx::Client::in_process(2)?;
    /// let toss = |_: Coin, (), _: &(), seed: u64| if seed > 5 { Err("it rolled away") } else { Ok(seed) };
    /// let outcome = Simulation::<Coin>::new(()).seeds(&[6]).try_run(&client.load_balanced_view(), toss)?;
    /// assert!(outcome.values().unwrap_err().to_string().contains("it rolled away"));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn try_run<F, R, E>(self, view: &LoadBalancedView, simulate: F) -> Result<Outcome<R>>
    where
        F: Fn(S, A, &Q, u64) -> std::result::Result<R, E> + Copy + 'static,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = simulate;
        self.execution(worker::try_simulate::<F, S, A, Q, R, E>()?)?.run(view, |result: R| result)
    }

    /// As [`run`](Self::run), one piece after the other in this process: no workers, for tests and debuggers. The bits are the same.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// ```
    /// # use phalanx::simulation::{Simulation, System};
    /// # struct Coin;
    /// # impl System for Coin {
    /// #     type Parameters = ();
    /// #     fn build(_: &()) -> Self { Coin }
    /// #     fn parameters(&self) {}
    /// # }
    /// let toss = |_: Coin, (), _: &(), seed: u64| seed;
    /// assert_eq!(Simulation::<Coin>::new(()).seeds(&[3]).run_serial(toss)?.values()?, [3]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn run_serial<F, R>(self, simulate: F) -> Result<Outcome<R>>
    where
        F: Fn(S, A, &Q, u64) -> R + Copy + 'static,
        R: Value,
    {
        self.run(&Client::in_process(1)?.load_balanced_view(), simulate)
    }

    /// Everything that is known before it starts, whatever its types.
    fn execution(self, function: Function) -> Result<Execution<Piece<S::Parameters, A>>> {
        let mut parameters = Map::new();
        let json = |e: serde_json::Error| Error::Save(format!("the parameters cannot be shown: {e}"));
        parameters.insert("system".to_owned(), json!({ S::name(): self.system }));
        parameters.insert("simulation".to_owned(), serde_json::to_value(&self.simulation).map_err(json)?);
        if let Some(parallel) = self.settings.parallel.clone() {
            parameters.insert("parallel".to_owned(), parallel);
        }
        let shared = crate::view::context(&self.simulation)?;
        let piece = |((system, arguments), seed)| Piece { system, arguments, seed };
        Execution::new(self.settings, function, parameters.into(), shared, self.pieces, piece)
    }
}
