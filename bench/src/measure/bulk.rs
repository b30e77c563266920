//! An array of 64 MiB to the engines and back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ndarray::Array1;
use phalanx::Client;

use crate::arguments::Arguments;
use crate::catalogue::{GATHER, GATHER_RATIO, PUSH, SCATTER, SCATTER_RATIO, STREAM};
use crate::error::Error;
use crate::figures::Figures;
use crate::reference::Bare;

const MIB: usize = 64;
const NAME: &str = "bulk";

pub(super) fn measure(
    arguments: &Arguments,
    client: &Client,
    bare: &mut Bare,
    figures: &mut Figures,
) -> Result<(), Error> {
    let array = Array1::from_iter((0..(MIB << 20) / size_of::<f64>()).map(|i| i as f64));
    let bytes = Bytes::from(array.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let dview = client.direct_view(..);
    for round in 0..=arguments.rounds() {
        let scatter = timed(|| Ok(dview.scatter(NAME, &array).get()?))?.0;
        let stream = bare.echo(&bytes)?;
        let (gather, back) = timed(|| Ok(dview.gather::<Array1<f64>>(NAME).get()?))?;
        if back != array {
            return Err(Error::Wrong("scatter and gather"));
        }
        drop(back);
        let push = timed(|| Ok(dview.push(NAME, &array).get()?))?.0;
        dview.clear().get()?;
        // The first round touches memory for the first time, everywhere.
        if round == 0 {
            continue;
        }
        let engines = client.ids().len() as f64;
        figures.record(&SCATTER, mib_per_s(scatter));
        figures.record(&STREAM, mib_per_s(stream));
        figures.record(&GATHER, mib_per_s(gather));
        figures.record(&PUSH, mib_per_s(push) * engines);
        figures.record(&SCATTER_RATIO, stream.as_secs_f64() / scatter.as_secs_f64());
        figures.record(&GATHER_RATIO, stream.as_secs_f64() / gather.as_secs_f64());
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(Duration, T), Error> {
    let started = Instant::now();
    let value = work()?;
    Ok((started.elapsed(), value))
}

fn mib_per_s(took: Duration) -> f64 {
    MIB as f64 / took.as_secs_f64()
}
