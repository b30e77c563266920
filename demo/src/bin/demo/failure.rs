//! Why the demo failed.

use std::io;
use std::path::PathBuf;

use phalanx::simulation::JoinError;
use phalanx_demo::ising::RunError;
use phalanx_demo::plot::PlotError;
use phalanx_demo::settings::SettingsError;
use phalanx_demo::wang_landau::WindowError;
use thiserror::Error;

/// Why the demo failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The settings are for their author to mend.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folder for the results.
    #[error("cannot make the folder {} for the results: {source}\n  Name another: --out DIR", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// A result.
    #[error("cannot write {}: {source}\n  Name another folder: --out DIR", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A program that should have been built together with this one.
    #[error("there is no program {}\n  Build it together with the demo: cargo build --release --workspace --bins", .0.display())]
    NoDaemon(PathBuf),
    /// The operating system refuses something the cluster needs.
    #[error("cannot {doing}: {source}")]
    System { doing: &'static str, source: io::Error },
    /// A daemon ended though nobody asked it to.
    #[error("the {name} has ended by itself ({status}); it said:\n{log}")]
    DaemonEnded { name: &'static str, status: String, log: String },
    /// A daemon did not end when it was asked to: a defect of Phalanx.
    #[error("the {name} did not end within {seconds} s of being asked to, and was killed; it said:\n{log}")]
    DaemonStuck { name: &'static str, seconds: u64, log: String },
    /// The signal came and the cluster has been ended.
    #[error("interrupted")]
    Interrupted,
    /// A call failed.
    #[error(transparent)]
    Phalanx(#[from] phalanx::Error),
    /// A run that was repeated here.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The picture.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The windows of the density of states.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// Its pieces.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// What should be equal is not: a defect of Phalanx or of the demo.
    #[error("{0}\n  This must not happen: please report it with the seed above")]
    Wrong(String),
}
