//! The command line.

use std::path::PathBuf;

use clap::Parser;
use phalanx_demo::settings::{Settings, SettingsError};

const SETTINGS: &str = include_str!("../../../ising.toml");

/// Shows a cluster at work: the calls of a notebook, and the 2-D Ising model against its exact solution.
///
/// It starts a controller and four engines of its own and ends them again.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
pub(crate) struct Arguments {
    /// Fewer temperatures and shorter runs: a few seconds instead of about half a minute
    #[arg(long)]
    pub(crate) short: bool,

    /// Where the results go; files of an earlier demo are replaced
    #[arg(long, value_name = "DIR", default_value = "demo/out")]
    pub(crate) out: PathBuf,

    /// The seed that all random numbers follow from [default: the settings', else one from the operating system]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seed: Option<u64>,

    /// Other settings for the study than those of demo/ising.toml
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Arguments {
    /// The study's settings, with a seed.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        let mut settings = match &self.settings {
            Some(file) => Settings::load(file)?,
            None => Settings::parse(SETTINGS, "demo/ising.toml")?,
        };
        if self.short {
            settings.count = settings.count.min(12);
            settings.replicas = settings.replicas.min(2);
            settings.burn_in = settings.burn_in.min(4_000);
            settings.sweeps = settings.sweeps.min(64_000);
        }
        settings.base_seed = self.seed.unwrap_or(settings.base_seed);
        settings.with_seed()
    }
}
