//! Single calls of one client while another one's million elements run: how much longer they take than on an idle cluster.

mod other;

use std::time::{Duration, Instant};

use super::work::steps_per_us;
use crate::arguments::Arguments;
use crate::catalogue::{
    Definition, FAIR_ALONE, FAIR_ALONE_DIRECT, FAIR_NOOP_1, FAIR_NOOP_1_DIRECT, FAIR_NOOP_AUTO,
    FAIR_NOOP_AUTO_DIRECT, FAIR_RATIO, FAIR_SHORT_1, FAIR_SHORT_1_DIRECT, FAIR_SHORT_AUTO,
    FAIR_SHORT_AUTO_DIRECT,
};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::samples::Samples;
pub(crate) use other::serve;
use other::{Jobs, Other, now_ns};

/// What an element that does something takes.
const ELEMENT_US: f64 = 15.0;
const WARM_UP_CALLS: usize = 200;
/// So long after a job calls are as fast as on a cluster that was never busy: threads whose core was wanted by others do not poll for up to half a
/// second.
const SETTLE: Duration = Duration::from_millis(700);

/// Jobs of the other client, and where the ratios for balanced and for direct calls go.
struct Case {
    jobs: Jobs,
    balanced: &'static Definition,
    direct: &'static Definition,
}

pub(super) fn measure(arguments: &Arguments, cluster: &Cluster, figures: &mut Figures) -> Result<(), Error> {
    let calls = if arguments.quick { 200 } else { 1_000 };
    let steps = (ELEMENT_US * steps_per_us()) as u64;
    let of = |steps, chunksize| Jobs { steps, chunksize };
    let cases = [
        Case { jobs: of(steps, None), balanced: &FAIR_SHORT_AUTO, direct: &FAIR_SHORT_AUTO_DIRECT },
        Case { jobs: of(steps, Some(1)), balanced: &FAIR_SHORT_1, direct: &FAIR_SHORT_1_DIRECT },
        Case { jobs: of(0, None), balanced: &FAIR_NOOP_AUTO, direct: &FAIR_NOOP_AUTO_DIRECT },
        Case { jobs: of(0, Some(1)), balanced: &FAIR_NOOP_1, direct: &FAIR_NOOP_1_DIRECT },
    ];
    let caller = cluster.client();
    let mut other = Other::start(&cluster.client_file())?;
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
        figures.record(&FAIR_ALONE, idle_balanced);
        figures.record(&FAIR_ALONE_DIRECT, idle_direct);
        let mut worst = 0.0_f64;
        for case in &cases {
            let ratio = busy_us(calls, &mut other, case.jobs, balanced)? / idle_balanced;
            let ratio_direct = busy_us(calls, &mut other, case.jobs, direct)? / idle_direct;
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

/// The median of calls during each of which one job of the other client was under way.
fn busy_us(
    calls: usize,
    other: &mut Other,
    jobs: Jobs,
    call: impl Fn(u64) -> phalanx::Result<u64>,
) -> Result<f64, Error> {
    let (mut times, mut counted) = (Samples::default(), 0);
    while counted < calls {
        other.begin(jobs)?;
        // Some fall between two jobs.
        let made = (0..(calls - counted).max(calls / 10) as u64).map(|i| {
            let from_ns = now_ns();
            let time = time_us(i, &call)?;
            Ok((from_ns, now_ns(), time))
        });
        let made = made.collect::<Result<Vec<_>, Error>>()?;
        other.stop()?;
        for (from_ns, until_ns, time) in made {
            if other.was_busy(from_ns, until_ns) {
                times.push(time);
                counted += 1;
            }
        }
    }
    times.median().ok_or(Error::Wrong("apply"))
}

fn time_us(i: u64, call: impl Fn(u64) -> phalanx::Result<u64>) -> Result<f64, Error> {
    let started = Instant::now();
    let answer = call(i)?;
    let took = started.elapsed();
    if answer == i { Ok(took.as_secs_f64() * 1e6) } else { Err(Error::Wrong("apply")) }
}
