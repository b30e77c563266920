//! What it costs to keep a history of jobs: elements per second at chunksize 1, which makes the most rows, on a cluster that keeps one and on one that
//! does not.

use crate::arguments::Arguments;
use crate::catalogue::HISTORY_RATIO;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::measure::throughput::map;

/// So many take about a second.
const ELEMENTS: u64 = 4_000_000;
/// A round of one cluster against a round of the other is noisy where others use the machine; several settle it.
const ROUNDS_PER_FIGURE: usize = 3;

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let elements = if arguments.quick { ELEMENTS / 4 } else { ELEMENTS };
    let with = Cluster::start(arguments.engines)?;
    let without = Cluster::start_with(arguments.engines, &["--no-history"])?;
    for cluster in [&with, &without] {
        map(cluster.client(), elements, 1.into())?;
    }
    for round in 0..arguments.rounds() * ROUNDS_PER_FIGURE {
        // Whoever comes second may find the machine warmer.
        let mut seconds = [0.0; 2];
        for turn in 0..2 {
            let at = (round + turn) % 2;
            seconds[at] = map([&with, &without][at].client(), elements, 1.into())?.as_secs_f64();
        }
        figures.record(&HISTORY_RATIO, seconds[1] / seconds[0]);
    }
    Ok(())
}
