//! Results that go to a file while they come, against the same map without a file.

use std::path::Path;
use std::time::Instant;

use phalanx::{Auto, Client};

use crate::arguments::Arguments;
use crate::catalogue::{HDF5_NOOP, HDF5_RATIO};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::measure::work::{spin, steps_per_us};

/// So many small results: a number each.
const ELEMENTS: u64 = 100_000;
/// What each costs to compute. The file costs the same whatever that is, so that it weighs more on elements that cost less.
const ELEMENT_US: f64 = 40.0;

/// Seconds from the call to the last value; with a file, until everything is in it.
fn seconds(client: &Client, steps: u64, file: Option<&Path>) -> Result<f64, Error> {
    let (view, items) = (client.load_balanced_view(), std::iter::repeat_n(steps, ELEMENTS as usize));
    let started = Instant::now();
    let values = match file {
        None => view.map_async(spin, items, Auto).get()?,
        Some(file) => {
            let run = view.resumable(file).map_async(spin, items, Auto)?;
            let values = run.get()?;
            run.saved()?;
            values
        }
    };
    let took = started.elapsed().as_secs_f64();
    if let Some(file) = file {
        std::fs::remove_file(file).map_err(|source| Error::File { path: file.to_owned(), source })?;
    }
    if values.len() as u64 == ELEMENTS { Ok(took) } else { Err(Error::Wrong("map")) }
}

pub(super) fn measure(arguments: &Arguments, cluster: &Cluster, figures: &mut Figures) -> Result<(), Error> {
    let (client, file) = (cluster.client(), cluster.folder().join("stream.h5"));
    let steps = (ELEMENT_US * steps_per_us()) as u64;
    seconds(client, steps, None)?;
    for _ in 0..arguments.rounds() {
        let without = seconds(client, steps, None)?;
        let with = seconds(client, steps, Some(&file))?;
        figures.record(&HDF5_RATIO, with / without);
        figures.record(&HDF5_NOOP, ELEMENTS as f64 / seconds(client, 0, Some(&file))?);
    }
    Ok(())
}
