//! One value to all engines of a node, pushed once and pushed to each.

use std::time::{Duration, Instant};

use ndarray::Array1;

use crate::arguments::Arguments;
use crate::catalogue::{BROADCAST_EACH, BROADCAST_ONCE, BROADCAST_RATIO};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;

const ENGINES: u32 = 8;
const MIB: usize = 16;
const NAME: &str = "broadcast";

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let cluster = Cluster::start(ENGINES)?;
    let client = cluster.client();
    let value = Array1::from_iter((0..(MIB << 20) / size_of::<f64>()).map(|i| i as f64));
    let all = client.direct_view(..);
    for round in 0..=arguments.rounds() {
        let once = timed(|| all.push(NAME, &value).get())?;
        let each = timed(|| {
            client.ids().into_iter().try_for_each(|id| client.engine(id).push(NAME, &value).get().map(drop))
        })?;
        let last = value.len() - 1;
        let ends = all.execute(|ns| ns.at::<Array1<f64>>(NAME).last().copied()).get()?;
        if ends.iter().any(|end| *end != Some(last as f64)) {
            return Err(Error::Wrong("push"));
        }
        // The first round touches memory for the first time, everywhere.
        if round > 0 {
            figures.record(&BROADCAST_ONCE, once.as_secs_f64() * 1e3);
            figures.record(&BROADCAST_EACH, each.as_secs_f64() * 1e3);
            figures.record(&BROADCAST_RATIO, each.as_secs_f64() / once.as_secs_f64());
        }
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> phalanx::Result<T>) -> Result<Duration, Error> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}
