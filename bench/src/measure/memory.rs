//! Memory of the daemons, and what they do when there is nothing to do.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::catalogue::{CHUNK_BYTES, CONTROLLER_1M, CONTROLLER_CPU, CONTROLLER_IDLE, ENGINE_CPU, ENGINE_MIB};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;
use crate::process::{cpu_time, descendants, proportional_bytes, resident_bytes};
use crate::status::wait_for_payload;

const MIB: f64 = 1024.0 * 1024.0;
const IDLE_ENGINES: u32 = 4;
const CHUNKS: u64 = 1_000_000;
/// Between a call and idling.
const AFTERMATH: Duration = Duration::from_secs(1);

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let rounds = if arguments.quick { 1 } else { 3 };
    for _ in 0..rounds {
        idle(arguments, figures)?;
        large_job(arguments, figures)?;
    }
    Ok(())
}

/// Four engines, each of which has run something.
fn idle(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let cluster = Cluster::start(IDLE_ENGINES)?;
    cluster.client().direct_view(..).apply(|x: u64| x, (1,)).get()?;
    let controller = cluster.controller();
    let mut node = descendants(cluster.engine())?;
    node.push(cluster.engine());
    let total =
        |of: fn(u32) -> Result<u64, Error>| node.iter().map(|pid| of(*pid)).sum::<Result<u64, Error>>();
    figures.record(&ENGINE_MIB, total(proportional_bytes)? as f64 / MIB / f64::from(IDLE_ENGINES));

    // What the call leaves to do, such as its line in the history, is the call's and not idling.
    std::thread::sleep(AFTERMATH);
    let nanoseconds = |pid: u32| cpu_time(pid).map(|time| time.as_nanos() as u64);
    let (node_before, controller_before) = (total(nanoseconds)?, nanoseconds(controller)?);
    let started = Instant::now();
    // This is the measurement: nothing is done for a while.
    std::thread::sleep(Duration::from_secs(if arguments.quick { 1 } else { 4 }));
    let percent = |used: u64| 100.0 * used as f64 / started.elapsed().as_nanos() as f64;
    figures.record(&ENGINE_CPU, percent(total(nanoseconds)? - node_before) / f64::from(IDLE_ENGINES));
    figures.record(&CONTROLLER_CPU, percent(nanoseconds(controller)? - controller_before));
    Ok(())
}

/// A million elements, one per chunk, none of which ends before the controller was looked at.
fn large_job(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let cluster = Cluster::start(arguments.engines)?;
    cluster.client().direct_view(..).apply(|x: u64| x, (1,)).get()?;
    let before = resident_bytes(cluster.controller())?;
    let gate = cluster.folder().join("gate");
    let shown = gate.to_str().ok_or(Error::Wrong("a folder's name"))?.to_owned();
    let job = cluster.client().load_balanced_view().with(shown).map_async(pass_the_gate, 0..CHUNKS, 1);
    let payload = CHUNKS * size_of::<u64>() as u64;
    wait_for_payload(&cluster.client_file(), payload)?;
    let with_job = resident_bytes(cluster.controller())?;
    fs::write(&gate, []).map_err(|source| Error::File { path: gate, source })?;
    if job.get()?.iter().zip(0..).any(|(value, i)| *value != i) {
        return Err(Error::Wrong("a large job"));
    }
    figures.record(&CONTROLLER_IDLE, before as f64 / MIB);
    figures.record(&CONTROLLER_1M, with_job as f64 / MIB);
    let beyond = with_job.saturating_sub(before).saturating_sub(payload);
    figures.record(&CHUNK_BYTES, beyond as f64 / CHUNKS as f64);
    Ok(())
}

/// Gives back its element, once there is a file of that name.
#[allow(clippy::ptr_arg, reason = "what goes along is handed over as the type that was given")]
fn pass_the_gate(gate: &String, element: u64) -> u64 {
    use std::sync::atomic::{AtomicBool, Ordering};
    static OPEN: AtomicBool = AtomicBool::new(false);
    while !OPEN.load(Ordering::Relaxed) {
        if Path::new(gate).exists() {
            OPEN.store(true, Ordering::Relaxed);
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    element
}
