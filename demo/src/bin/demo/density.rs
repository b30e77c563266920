//! The Wang–Landau study: the density of states of the Ising model, in windows that are pieces of one simulation. Its client is
//! killed half-way, and another one goes on with what the file holds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use phalanx::Client;
use phalanx::simulation::Simulation;
use phalanx_demo::wang_landau::{Density, Ising, Parameters, Piece, Window, exact, figure, simulate, study};
use phalanx_results::StoredRun;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::failure::Failure;

/// How often it is looked whether half of the results are in the file.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The largest relative error of ln g may be this, times the square root of the final ln f, to which errors of these walks are
/// proportional. It is about twice the largest of 54 seeds: the demo should fail for a wrong result, never for an unlucky one.
const RELATIVE_ERROR_FACTOR: f64 = 200.0;

/// What is to be computed.
pub(crate) struct Study {
    parameters: Parameters,
    windows: Vec<Window>,
    seeds: Vec<u64>,
    file: PathBuf,
}

impl Study {
    pub(crate) fn new(short: bool, base_seed: u64, out: &Path) -> Result<Self, Failure> {
        let ln_f_final = if short { 1e-6 } else { 1e-7 };
        let parameters =
            Parameters { size: 8, bins: 8, overlap: 0.5, flatness: 0.8, ln_f_final, sweeps_max: 100_000_000 };
        let windows = parameters.prepare()?;
        let mut source = SplitMix64::seed_from_u64(base_seed);
        let seeds = windows.iter().map(|_| source.next_u64()).collect();
        Ok(Self { parameters, windows, seeds, file: out.join("wang-landau.h5") })
    }

    fn simulation(&self) -> Simulation<Ising, (), Window> {
        study(self.parameters, &self.windows).seeds(&self.seeds).save_to(&self.file)
    }

    /// The client that is killed half-way does nothing but this.
    pub(crate) fn run_quietly(&self, client: &Client) -> Result<(), Failure> {
        self.simulation().quiet().try_run(&client.load_balanced_view(), simulate)?;
        Ok(())
    }

    /// Runs it; the files it has left, and what they are.
    pub(crate) fn run(
        &self,
        client: &Client,
        other: &mut Command,
        out: &Path,
    ) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
        println!("\n── The density of states of the 2-D Ising model ──\n");
        remove(&self.file)?;
        let half = self.windows.len() / 2;
        let killed_after = kill_half_way(other, &self.file, half)?;
        println!(
            "a client that ran this study was killed (SIGKILL) when {killed_after} of {} windows were in {}; it goes on:\n",
            self.windows.len(),
            self.file.display()
        );
        let outcome = self.simulation().try_run(&client.load_balanced_view(), simulate)?;
        if outcome.resumed < killed_after {
            let (had, kept) = (killed_after, outcome.resumed);
            return Err(Failure::Wrong(format!(
                "the file held {had} windows, of which {kept} were taken up"
            )));
        }
        let pieces = outcome.values()?;
        let picture = out.join("wang-landau.png");
        self.compare(&pieces, &picture)?;
        Ok(vec![
            (self.file.clone(), "every window: ln g, sweeps, seed, engine, time; written while they came"),
            (picture, "ln g and the specific heat beside the exact ones"),
        ])
    }

    fn compare(&self, pieces: &[Piece], picture: &Path) -> Result<(), Failure> {
        let size = self.parameters.size;
        let density = Density::join(size, pieces)?;
        let no_exact = || Failure::Wrong(format!("there is no exact count for {size} × {size}"));
        let exact = exact(size).ok_or_else(no_exact)?.density();
        let none = || Failure::Wrong("not every energy was visited".to_owned());
        let off = density.discrepancy(&exact).ok_or_else(none)?;
        let bound = RELATIVE_ERROR_FACTOR * self.parameters.ln_f_final.sqrt();
        let sweeps: u64 = pieces.iter().map(|piece| piece.sweeps).sum();
        println!(
            "\n{} energies from {} windows, {:.1} million sweeps of {size} × {size} spins",
            density.energies.len(),
            pieces.len(),
            sweeps as f64 / 1e6
        );
        println!(
            "largest relative error of ln g: {:.2} % (at E = {}; allowed: {:.1} %); largest error of ln g: {:.4} (at E = {})",
            100.0 * off.relative,
            off.relative_at,
            100.0 * bound,
            off.absolute,
            off.absolute_at
        );
        figure::save(&density, pieces, &exact, picture)?;
        if let Some(window) = pieces.iter().position(|piece| !piece.converged) {
            return Err(Failure::Wrong(format!("the walk in window {window} did not converge")));
        }
        if off.relative > bound {
            return Err(Failure::Wrong("ln g is farther off the exact one than it should be".to_owned()));
        }
        Ok(())
    }
}

/// Starts the other client, and kills it when so many results are in the file; how many there were.
fn kill_half_way(other: &mut Command, file: &Path, half: usize) -> Result<u64, Failure> {
    let system = |doing| move |source| Failure::System { doing, source };
    let child = other.stdin(Stdio::null()).spawn().map_err(system("start another client"))?;
    let mut child = Killed(child);
    loop {
        // A reader at any moment: the file is whole, or not there yet.
        let found = if file.exists() { StoredRun::read(file).map_or(0, |run| run.rows.len()) } else { 0 };
        let ended = child.0.try_wait().map_err(system("wait for the other client"))?;
        if let Some(status) = ended.filter(|status| !status.success()) {
            return Err(Failure::Wrong(format!(
                "the client of the first half has ended by itself ({status})"
            )));
        }
        if found >= half || ended.is_some() {
            drop(child);
            // What it wrote between the look and its end is in the file too.
            return Ok(StoredRun::read(file).map_or(0, |run| run.rows.len()) as u64);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn remove(file: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::Write { path: file.to_owned(), source })
        }
        _ => Ok(()),
    }
}
