//! The notebook's work: sums of the rows of a small array.

use std::time::Instant;

use ndarray::{Array2, Axis};
use phalanx::Client;

use crate::arguments::Arguments;
use crate::catalogue::{SUMS_10, SUMS_100};
use crate::error::Error;
use crate::figures::Figures;

pub(super) fn measure(arguments: &Arguments, client: &Client, figures: &mut Figures) -> Result<(), Error> {
    let scenarios = Array2::from_shape_fn((5000, 3), |(i, j)| ((i * 31 + j * 17) % 1000) as f64 / 1000.0);
    let expected = scenarios.sum_axis(Axis(1)).to_vec();
    let lview = client.load_balanced_view();
    for round in 0..=arguments.rounds() {
        for (definition, chunksize) in [(&SUMS_10, 10), (&SUMS_100, 100)] {
            let started = Instant::now();
            let sums = lview.map_rows(|row| row.sum(), &scenarios, chunksize).get()?;
            let took = started.elapsed();
            if sums.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-12) {
                return Err(Error::Wrong("sums of rows"));
            }
            // The first round warms up.
            if round > 0 {
                figures.record(definition, took.as_secs_f64());
            }
        }
    }
    Ok(())
}
