//! A parameter sweep whose workers build something expensive once and keep it from sample to sample: here the tables of a
//! projectile's drag. Results come back by worker, are joined into columns, and every rank writes a file of its own.
//!
//! `cargo run --release --example parameter_sweep`

use std::collections::BTreeMap;

use phalanx::Client;
use phalanx::comm::{CommError, Communicator, Sweep, merge_columns, run_spmd_with};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Settings {
    density: f64,
    folder: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flight {
    range: f64,
    /// Only of shots that rise.
    apex: Option<f64>,
}

/// What a worker builds once: drag over speed, in steps of 1 m/s.
struct Drag(Vec<f64>);

fn do_build(settings: &Settings) -> Result<Drag, CommError> {
    Ok(Drag((0..400).map(|v| 0.5 * settings.density * 0.47 * 0.01 * f64::from(v * v)).collect()))
}

/// One sample: a shot at 200 m/s, by the angle.
fn do_execute(degrees: &f64, Drag(drag): &mut Drag) -> Result<Flight, CommError> {
    let (mut x, mut y, dt) = (0.0, 0.0, 1e-3);
    let (mut vy, mut vx) = degrees.to_radians().sin_cos();
    (vx, vy) = (200.0 * vx, 200.0 * vy);
    let mut apex = 0.0_f64;
    while y >= 0.0 {
        let speed = f64::hypot(vx, vy);
        let force = drag[(speed as usize).min(drag.len() - 1)];
        vx -= force * vx / speed * dt;
        vy -= (force * vy / speed + 9.81) * dt;
        (x, y) = (x + vx * dt, y + vy * dt);
        apex = apex.max(y);
    }
    Ok(Flight { range: x, apex: (*degrees > 0.0).then_some(apex) })
}

fn sweep(comm: &Communicator, settings: &Settings) -> Result<usize, CommError> {
    let angles = comm.is_root().then(|| (-1..=17).map(|i| 5.0 * f64::from(i)).collect());
    let sweep = Sweep::scatter(comm, do_build, settings, do_execute, angles)?;
    let all = sweep.gather()?;

    // Columns of all workers, one below the other; what a worker's samples lack is NaN.
    let columns = |flights: &[Flight]| -> BTreeMap<String, Vec<f64>> {
        let ranges = flights.iter().map(|flight| flight.range).collect();
        let mut columns = BTreeMap::from([("range".to_owned(), ranges)]);
        if let Some(apexes) = flights.iter().map(|flight| flight.apex).collect() {
            columns.insert("apex".to_owned(), apexes);
        }
        columns
    };
    let tables: Vec<_> = all.iter().map(|local| columns(&local.results)).collect();
    let joined = merge_columns(&tables);

    // Each rank writes what it is responsible for, once the folder is there.
    comm.make_directory(&settings.folder)?;
    for local in sweep.results_from_local_tree(&all) {
        let path = format!("{}/worker-{}.txt", settings.folder, local.worker);
        std::fs::write(&path, format!("{local:#?}")).map_err(|e| comm.fail(format_args!("{path}: {e}")))?;
    }
    comm.barrier()?;
    if comm.is_root() {
        let best = all
            .iter()
            .flat_map(|l| l.parameters.iter().zip(&l.results))
            .max_by(|a, b| a.1.range.total_cmp(&b.1.range));
        let missing = joined["apex"].iter().filter(|apex| apex.is_nan()).count();
        println!(
            "{} shots on {} workers, {missing} of them without an apex",
            joined["range"].len(),
            all.len()
        );
        if let Some((degrees, flight)) = best {
            println!("the farthest: {:.1} m at {degrees}°", flight.range);
        }
    }
    Ok(all.len())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    phalanx::init();
    let client = Client::local(4)?;
    let settings = Settings { density: 1.2, folder: "data/shots".to_owned() };
    let ranks = client.direct_view(..).ranks();
    let workers = run_spmd_with(&ranks, 4, sweep, &settings)?;
    println!("{workers:?}, {} files", std::fs::read_dir(&settings.folder)?.count());
    Ok(())
}
