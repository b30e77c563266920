//! The command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use phalanx_demo::settings::{Settings, SettingsError};

use crate::failure::Failure;

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

    /// Only the study of the density of states, as another client of the cluster of this connection file
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) only_density: Option<PathBuf>,
}

impl Arguments {
    /// This program again, as the client of the density of states that is killed half-way.
    pub(crate) fn other_client(&self, client_file: &Path, seed: u64) -> Result<Command, Failure> {
        let program = std::env::current_exe()
            .map_err(|source| Failure::System { doing: "find this program's own file", source })?;
        let mut command = Command::new(program);
        command.arg("--only-density").arg(client_file).arg("--out").arg(&self.out);
        command.args(["--seed", &seed.to_string()]).args(self.short.then_some("--short"));
        Ok(command)
    }

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
