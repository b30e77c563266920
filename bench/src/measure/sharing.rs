//! Single calls of one client while another one's million elements run: how much longer they take than on an idle cluster.

use std::time::{Duration, Instant};

use phalanx::{AsyncMapResult, Auto, Chunksize, Client};

use super::work::{spin, steps_per_us};
use crate::arguments::Arguments;
use crate::catalogue::{
    Definition, FAIR_NOOP_1, FAIR_NOOP_1_DIRECT, FAIR_NOOP_AUTO, FAIR_NOOP_AUTO_DIRECT, FAIR_RATIO,
    FAIR_SHORT_1, FAIR_SHORT_1_DIRECT, FAIR_SHORT_AUTO, FAIR_SHORT_AUTO_DIRECT,
};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::samples::Samples;

/// What an element that does something takes.
const ELEMENT_US: f64 = 15.0;
const ELEMENTS: u64 = 1_000_000;
/// Those that do nothing are through in no time.
const NOOP_ELEMENTS: u64 = 8_000_000;
const WARM_UP_CALLS: usize = 200;
/// So long after a job calls are as fast as on a cluster that was never busy: threads whose core was wanted by others do not poll for up to half a
/// second.
const SETTLE: Duration = Duration::from_millis(700);

/// A job of the other client, and where the ratios for balanced and for direct calls go.
struct Case {
    steps: u64,
    chunksize: Chunksize,
    balanced: &'static Definition,
    direct: &'static Definition,
}

pub(super) fn measure(arguments: &Arguments, cluster: &Cluster, figures: &mut Figures) -> Result<(), Error> {
    let calls = if arguments.quick { 200 } else { 1_000 };
    let steps = (ELEMENT_US * steps_per_us()) as u64;
    let (auto, one) = (Chunksize::from(Auto), Chunksize::from(1));
    let cases = [
        Case { steps, chunksize: auto, balanced: &FAIR_SHORT_AUTO, direct: &FAIR_SHORT_AUTO_DIRECT },
        Case { steps, chunksize: one, balanced: &FAIR_SHORT_1, direct: &FAIR_SHORT_1_DIRECT },
        Case { steps: 0, chunksize: auto, balanced: &FAIR_NOOP_AUTO, direct: &FAIR_NOOP_AUTO_DIRECT },
        Case { steps: 0, chunksize: one, balanced: &FAIR_NOOP_1, direct: &FAIR_NOOP_1_DIRECT },
    ];
    // Two clients of the same program: they share nothing but the engines.
    let (caller, other) = (Client::connect_file(cluster.client_file())?, cluster.client());
    let (lview, dview) = (caller.load_balanced_view(), caller.direct_view(0));
    let balanced = |i: u64| lview.apply(|x: u64| x, (i,)).get();
    let direct = |i: u64| dview.apply(|x: u64| x, (i,)).get();
    for _ in 0..WARM_UP_CALLS {
        time_us(0, balanced)?;
        time_us(0, direct)?;
    }
    for _ in 0..arguments.rounds() {
        let settled = Instant::now() + SETTLE;
        while Instant::now() < settled {
            time_us(0, balanced)?;
        }
        let (idle_balanced, idle_direct) = (idle_us(calls, balanced)?, idle_us(calls, direct)?);
        let mut worst = 0.0_f64;
        for case in &cases {
            let ratio = busy_us(calls, other, case, balanced)? / idle_balanced;
            let ratio_direct = busy_us(calls, other, case, direct)? / idle_direct;
            figures.record(case.balanced, ratio);
            figures.record(case.direct, ratio_direct);
            worst = worst.max(ratio).max(ratio_direct);
        }
        figures.record(&FAIR_RATIO, worst);
    }
    Ok(())
}

fn idle_us(calls: usize, call: impl Fn(u64) -> phalanx::Result<u64>) -> Result<f64, Error> {
    let times = (0..calls as u64).map(|i| time_us(i, &call)).collect::<Result<Samples, _>>()?;
    times.median().ok_or(Error::Wrong("apply"))
}

/// The median of calls while a job of the other client is under way: a new one is begun when it ends.
fn busy_us(
    calls: usize,
    other: &Client,
    case: &Case,
    call: impl Fn(u64) -> phalanx::Result<u64>,
) -> Result<f64, Error> {
    let mut times = Samples::default();
    let mut taken = 0;
    while taken < calls {
        let job = begin(other, case);
        while job.progress().elements_done == 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
        while taken < calls {
            let time = time_us(taken as u64, &call)?;
            if job.ready() {
                break;
            }
            times.push(time);
            taken += 1;
        }
        job.abort();
        // It says whether it has ended, which it has.
        let _ = job.wait(None);
    }
    times.median().ok_or(Error::Wrong("apply"))
}

fn begin(other: &Client, case: &Case) -> AsyncMapResult<u64> {
    let view = other.load_balanced_view();
    if case.steps == 0 {
        return view.map_async(|x: u64| x, 0..NOOP_ELEMENTS, case.chunksize);
    }
    let work = |steps: &u64, x: u64| {
        spin(*steps);
        x
    };
    view.with(case.steps).map_async(work, 0..ELEMENTS, case.chunksize)
}

fn time_us(i: u64, call: impl Fn(u64) -> phalanx::Result<u64>) -> Result<f64, Error> {
    let started = Instant::now();
    let answer = call(i)?;
    let took = started.elapsed();
    if answer == i { Ok(took.as_secs_f64() * 1e6) } else { Err(Error::Wrong("apply")) }
}
