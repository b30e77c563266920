//! One call after the other: how long until its value is here.

use std::time::{Duration, Instant};

use phalanx::Client;

use crate::arguments::Arguments;
use crate::catalogue::{APPLY_RATIO, APPLY_RTT, BALANCED_RTT, UNARY_RTT};
use crate::error::Error;
use crate::figures::Figures;
use crate::reference::Bare;
use crate::samples::Samples;

const WARM_UP_CALLS: usize = 200;

pub(super) fn measure(
    arguments: &Arguments,
    client: &Client,
    bare: &mut Bare,
    figures: &mut Figures,
) -> Result<(), Error> {
    let calls = if arguments.quick { 300 } else { 2_000 };
    let (dview, lview) = (client.direct_view(0), client.load_balanced_view());
    let direct = |i: u64| dview.apply(|x: u64| x, (i,)).get();
    let balanced = |i: u64| lview.apply(|x: u64| x, (i,)).get();
    times(WARM_UP_CALLS, direct)?;
    times(WARM_UP_CALLS, balanced)?;
    bare.calls(WARM_UP_CALLS)?;
    for _ in 0..arguments.rounds() {
        let ours = median_us(&times(calls, direct)?);
        let unary = median_us(&bare.calls(calls)?);
        figures.record(&APPLY_RTT, ours);
        figures.record(&UNARY_RTT, unary);
        figures.record(&APPLY_RATIO, ours / unary);
        figures.record(&BALANCED_RTT, median_us(&times(calls, balanced)?));
    }
    Ok(())
}

fn times(calls: usize, call: impl Fn(u64) -> phalanx::Result<u64>) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(calls);
    for i in 0..calls as u64 {
        let started = Instant::now();
        let answer = call(i)?;
        times.push(started.elapsed());
        if answer != i {
            return Err(Error::Wrong("apply"));
        }
    }
    Ok(times)
}

fn median_us(times: &[Duration]) -> f64 {
    let times: Samples = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    times.median().expect("there were calls")
}
