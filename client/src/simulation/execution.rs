//! Running a simulation, whatever its types: seeds, what is shown, what is saved.

use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use super::outcome::Outcome;
use super::simulation::Settings;
use crate::codec::Value;
use crate::error::{Error, Result};
use crate::job::{JobHandle, JobPlan, JobSpec};
use crate::view::LoadBalancedView;
use crate::worker::Function;

/// A simulation that is ready to run.
pub(super) struct Execution<P> {
    settings: Settings,
    function: Function,
    /// All parameters, for people.
    parameters: serde_json::Value,
    /// What every piece gets besides itself.
    shared: Bytes,
    pieces: Vec<P>,
    seeds: Vec<u64>,
    #[cfg(feature = "hdf5")]
    place: Option<Place>,
}

/// Where results go, and what is there already.
#[cfg(feature = "hdf5")]
struct Place {
    path: std::path::PathBuf,
    slot: phalanx_results::RunSlot,
    stored: Option<phalanx_results::StoredRun>,
}

impl<P: Value> Execution<P> {
    pub(super) fn new<T>(
        settings: Settings,
        function: Function,
        parameters: serde_json::Value,
        shared: Bytes,
        pieces: Vec<T>,
        piece: impl Fn((T, u64)) -> P,
    ) -> Result<Self> {
        let count = pieces.len();
        if let Some(beyond) = settings.only.iter().flatten().find(|piece| **piece >= count) {
            return Err(Error::Simulation(format!(
                "there is no piece {beyond}: there are {count}, from 0 on"
            )));
        }
        #[cfg(feature = "hdf5")]
        let place = Place::of(&settings)?;
        #[cfg(feature = "hdf5")]
        let stored = place.as_ref().map_or(Ok(None), |place| place.seeds(count))?;
        #[cfg(not(feature = "hdf5"))]
        let stored = None;
        let seeds = match settings.seeds.clone().or(stored) {
            Some(seeds) if seeds.len() != count => {
                let n = seeds.len();
                return Err(Error::Simulation(format!(
                    "{n} seeds were given for {count} pieces: give one for each"
                )));
            }
            Some(seeds) => seeds,
            None => drawn(count)?,
        };
        let mut each: Vec<Option<P>> =
            pieces.into_iter().zip(seeds.clone()).map(|s| Some(piece(s))).collect();
        let (mut pieces, mut used) = (Vec::new(), Vec::new());
        for i in settings.only.clone().unwrap_or_else(|| (0..count).collect()) {
            let twice = || Error::Simulation(format!("piece {i} is asked for twice"));
            pieces.push(each[i].take().ok_or_else(twice)?);
            used.push(seeds[i]);
        }
        Ok(Self {
            settings,
            function,
            parameters,
            shared,
            pieces,
            seeds: used,
            #[cfg(feature = "hdf5")]
            place,
        })
    }

    pub(super) fn run<R: Value, W: Serialize + Send + 'static>(
        self,
        view: &LoadBalancedView,
        wrap: impl Fn(R) -> W + Send + 'static,
    ) -> Result<Outcome<W>> {
        let started = Instant::now();
        if !self.settings.quiet {
            println!("Run parameters\n--------------\n{:#}\n", self.parameters);
        }
        let quiet = self.settings.quiet;
        #[cfg(feature = "hdf5")]
        let outcome =
            if self.place.is_some() { self.recorded(view, wrap) } else { self.given_back(view, wrap) }?;
        #[cfg(not(feature = "hdf5"))]
        let outcome = self.given_back(view, wrap)?;
        let outcome = Outcome { elapsed: started.elapsed(), ..outcome };
        if !quiet {
            let file = outcome.file.as_ref().map_or_else(String::new, |file| format!(": {}", file.display()));
            println!("{} pieces in {:.1} s{file}", outcome.results.len(), outcome.elapsed.as_secs_f64());
        }
        Ok(outcome)
    }

    /// Without a file.
    fn given_back<R: Value, W>(self, view: &LoadBalancedView, wrap: impl Fn(R) -> W) -> Result<Outcome<W>> {
        let plan = JobPlan::Balanced { chunksize: 1 };
        let spec = JobSpec::new(self.function, crate::view::encoded(self.pieces)?, self.shared, plan);
        let spec = JobSpec { options: view.options.clone(), ..spec };
        let handle = crate::view::submit::<R>(&view.session, Ok(spec));
        follow(&handle, self.settings.quiet)?;
        let results = crate::result::outcomes::<R>(&handle.job);
        let results = results.into_iter().map(|result| result.map(&wrap)).collect();
        let elapsed = handle.wall_time();
        Ok(Outcome { results, seeds: self.seeds, resumed: 0, file: None, unsaved: None, elapsed })
    }
}

/// Waits for the end of the job; what ended it early is the error.
fn follow(handle: &JobHandle, quiet: bool) -> Result<()> {
    if !quiet {
        return handle.wait_interactive();
    }
    let _ = handle.wait(None);
    handle.error().map_or(Ok(()), Err)
}

/// Seeds from the operating system.
fn drawn(count: usize) -> Result<Vec<u64>> {
    let draw =
        |_| getrandom::u64().map_err(|e| Error::Simulation(format!("the system gives no randomness: {e}")));
    (0..count).map(draw).collect()
}

#[cfg(feature = "hdf5")]
mod recorded {
    use super::*;
    use crate::error::RemoteError;
    use crate::run::{Plan, Wrapped, never_run, slot};
    use crate::simulation::save::{Save, new_name, relative};

    /// Where a file has its pieces' seeds.
    const SEEDS: &str = "parameters/seed";

    impl Place {
        pub(super) fn of(settings: &Settings) -> Result<Option<Self>> {
            let path = match &settings.save {
                Save::Nothing => return Ok(None),
                Save::New { directory, prefix } => new_name(directory, prefix),
                Save::To(path) => path.clone(),
            };
            let (slot, stored) = slot(&path)?;
            Ok(Some(Self { path, slot, stored }))
        }

        /// The seeds that a run which goes on has; none if it is not one of so many pieces.
        pub(super) fn seeds(&self, count: usize) -> Result<Option<Vec<u64>>> {
            let fits =
                |stored: &phalanx_results::StoredRun| stored.header.elements.len() == count && count > 0;
            if !self.stored.as_ref().is_some_and(fits) {
                return Ok(None);
            }
            let seeds = phalanx_results::read_numbers(&self.path, SEEDS);
            seeds.map(Some).map_err(|e| Error::Save(e.to_string()))
        }
    }

    impl<P: Value> Execution<P> {
        /// With a file.
        pub(super) fn recorded<R: Value, W: Serialize + Send + 'static>(
            self,
            view: &LoadBalancedView,
            wrap: impl Fn(R) -> W + Send + 'static,
        ) -> Result<Outcome<W>> {
            let Some(place) = self.place else { unreachable!("only called with one") };
            let plan = Plan {
                path: place.path,
                options: phalanx_results::SaveOptions::default(),
                any_program: self.settings.any_program,
                function: self.function,
                items: self.pieces,
                shared: (self.shared, self.parameters.to_string()),
                plan: JobPlan::Balanced { chunksize: 1 },
                asked: view.options.clone(),
            };
            let keep = move |done| Wrapped::new(done, &wrap);
            let started = plan.start(&view.session, place.slot, place.stored, keep)?;
            let (resumed, all) = (started.resumed, started.elements);
            if resumed > 0 && !self.settings.quiet {
                println!("{resumed} of {all} pieces are in {} already", started.path.display());
            }
            let followed = if resumed < all { follow(&started.handle, self.settings.quiet) } else { Ok(()) };
            // Also after an error: what has come is saved.
            let (saved, error) = started.recording.wait(|run| (run.saved.clone(), run.error.clone()));
            crate::progress::show_notices(&started.handle, None);
            followed?;
            error.map_or(Ok(()), Err)?;
            let mut rows = started.recording.take().into_iter().peekable();
            let result = |element| match rows.next_if(|row| row.element() == element) {
                Some(row) => row.into_value(),
                None => Err(never_run(element, "it was never run")),
            };
            let results: Vec<std::result::Result<W, RemoteError>> = (0..all).map(result).collect();
            let (file, unsaved) = match saved {
                Ok(path) => (Some(relative(&path)), None),
                Err(e) => (Some(relative(&started.path)), Some(e)),
            };
            let elapsed = started.handle.wall_time();
            Ok(Outcome { results, seeds: self.seeds, resumed, file, unsaved, elapsed })
        }
    }
}
