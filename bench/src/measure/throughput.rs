//! Elements per second of a function that does nothing, from submitting the map to having its values.

use std::time::{Duration, Instant};

use phalanx::{Auto, Chunksize, Client};

use crate::arguments::Arguments;
use crate::catalogue::{CHUNK_1, CHUNK_10, CHUNK_100, CHUNK_1000, CHUNK_AUTO, Definition};
use crate::error::Error;
use crate::figures::Figures;

/// How many elements show how many there should be.
const TRIAL_ELEMENTS: u64 = 200_000;
/// Arguments and values stay well within memory.
const ELEMENTS_MAX: f64 = 32e6;

pub(super) fn measure(arguments: &Arguments, client: &Client, figures: &mut Figures) -> Result<(), Error> {
    let seconds = if arguments.quick { 0.3 } else { 1.2 };
    let sizes: [(&'static Definition, Chunksize); 5] = [
        (&CHUNK_1, 1.into()),
        (&CHUNK_10, 10.into()),
        (&CHUNK_100, 100.into()),
        (&CHUNK_1000, 1000.into()),
        (&CHUNK_AUTO, Auto.into()),
    ];
    let mut planned = Vec::new();
    for (definition, chunksize) in sizes {
        // Twice: the first trial of a kind also pays for pages that are touched for the first time.
        map(client, TRIAL_ELEMENTS, chunksize)?;
        let mut elements = TRIAL_ELEMENTS;
        let mut took = map(client, elements, chunksize)?;
        while took.as_secs_f64() < seconds / 4.0 && (elements as f64) < ELEMENTS_MAX {
            elements *= 4;
            took = map(client, elements, chunksize)?;
        }
        let wanted = elements as f64 * seconds / took.as_secs_f64();
        planned.push((definition, chunksize, wanted.min(ELEMENTS_MAX) as u64));
    }
    for _ in 0..arguments.rounds() {
        for (definition, chunksize, elements) in &planned {
            let took = map(client, *elements, *chunksize)?;
            figures.record(definition, *elements as f64 / took.as_secs_f64());
        }
    }
    Ok(())
}

pub(super) fn map(client: &Client, elements: u64, chunksize: Chunksize) -> Result<Duration, Error> {
    let started = Instant::now();
    let values = client.load_balanced_view().map_async(|x: u64| x, 0..elements, chunksize).get()?;
    let took = started.elapsed();
    if values.len() as u64 != elements || values.iter().zip(0..).any(|(value, i)| *value != i) {
        return Err(Error::Wrong("map"));
    }
    Ok(took)
}
