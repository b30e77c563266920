//! The Ising study: every run is an element of one load-balanced map. Its results go to an HDF5 file, its averages into
//! a table beside the exact solutions and into a picture.

use std::path::{Path, PathBuf};
use std::time::Duration;

use phalanx::{AsyncMapResult, Client, SaveOptions};
use phalanx_demo::ising::{RunResult, RunSpec, simulate};
use phalanx_demo::plot;
use phalanx_demo::point::combine;
use phalanx_demo::settings::Settings;
use phalanx_demo::table::Table;
use rustix::time::{ClockId, clock_gettime};

use crate::failure::Failure;

/// Every how many-th run is repeated here, to time it and to see that it comes out the same.
const REPEATED_EVERY: usize = 8;
/// The energies may be off by this many standard errors in the root mean square, where 1 is expected. Seeds are random,
/// and the demo should fail for a wrong result, never for an unlucky one.
const RMS_MAX: f64 = 3.0;

/// Runs it; the files it has left, and what they are.
pub(crate) fn run(
    client: &Client,
    settings: &Settings,
    out: &Path,
) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    let runs = settings.runs();
    println!(
        "\n── The 2-D Ising model ──\n\n{} temperatures from {} to {} × {} runs of {} sweeps of a {size} × {size} lattice",
        settings.count,
        settings.from,
        settings.to,
        settings.replicas,
        settings.burn_in + settings.sweeps,
        size = settings.size,
    );

    // A run takes a tenth of a second, long enough to be a chunk of its own.
    let lview = client.load_balanced_view();
    let map = lview.try_map_async(|spec: RunSpec| simulate(&spec), runs.iter().copied(), 1);
    map.wait_interactive()?;
    let results = map.get()?;

    let file = out.join("ising.h5");
    map.save_with(&file, &SaveOptions { overwrite: true, ..SaveOptions::default() })?;
    report_times(&map, &runs, &results)?;

    let points = combine(&results);
    let table = Table::new(&points);
    println!("\n{table}");
    let text = out.join("ising.txt");
    std::fs::write(&text, table.to_string())
        .map_err(|source| Failure::Write { path: text.clone(), source })?;
    let picture = out.join("ising.png");
    plot::save(&points, &picture)?;
    match table.energy_agreement() {
        Some(agreement) if agreement.rms > RMS_MAX => Err(Failure::Wrong(format!(
            "the energies are off the exact ones by {:.1} standard errors in the root mean square",
            agreement.rms
        ))),
        _ => Ok(vec![
            (file, "every run: temperature, seed, averages with errors, engine, time"),
            (text, "the table above"),
            (picture, "the same as a picture"),
        ]),
    }
}

/// What the cluster was worth: its time against that of the same runs one after the other, in this process.
///
/// The engines' own times would not do: four engines on two cores take turns, and each run then seems to take twice as
/// long as it does. For the same reason it is this thread's time on a core that counts, whatever else the machine does.
fn report_times(
    map: &AsyncMapResult<RunResult>,
    runs: &[RunSpec],
    results: &[RunResult],
) -> Result<(), Failure> {
    let start = core_time();
    let mut repeated = 0;
    for (spec, result) in runs.iter().zip(results).step_by(REPEATED_EVERY) {
        if simulate(spec)? != *result {
            let seed = spec.seed;
            return Err(Failure::Wrong(format!("the run of seed {seed} gives another result when repeated")));
        }
        repeated += 1;
    }
    // They are spread evenly over the temperatures, and hence over fast and slow runs.
    let serial = core_time().saturating_sub(start).mul_f64(runs.len() as f64 / f64::from(repeated));
    let wall = map.wall_time();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{repeated} of the runs repeated in this process: the same results, bit for bit");
    println!(
        "wall time {}; serial time {} on one core (from those {repeated}); speed-up {:.2} on {cores} cores",
        seconds(wall),
        seconds(serial),
        serial.as_secs_f64() / wall.as_secs_f64()
    );
    println!(
        "the engines were at work for {}, summed over all of them ({:.2} at a time)",
        seconds(map.serial_time()),
        map.speedup()
    );
    Ok(())
}

/// How long this thread has run on a core.
fn core_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
