//! The command line of `bench`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::Error;
use crate::process::own_executable;

/// Measures a cluster of real processes on this machine and prints a table; the figures also go to a JSON file.
///
/// The daemons `controller` and `engine` are taken from this executable's folder: `make bench` builds all three.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(crate) struct Arguments {
    /// Fewer and shorter rounds: a look, not a measurement
    #[arg(long)]
    pub(crate) quick: bool,

    /// Measure only this; may be given several times
    #[arg(long, value_enum, value_name = "WHAT")]
    only: Vec<Group>,

    /// Engines of the cluster that is measured
    #[arg(short = 'n', long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) engines: u32,

    /// Also measure ipyparallel, dask, multiprocessing.Pool and Open MPI with this Python, which must have them
    #[arg(long, value_name = "PYTHON")]
    pub(crate) peers: Option<PathBuf>,

    /// Where the figures go [default: bench/summary.json in the target folder]
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Elements per second of a function that does nothing, by chunk size
    Throughput,
    /// Round trip of one call
    Apply,
    /// Arrays to and from engines
    Bulk,
    /// Sums of rows, as the notebook does
    Sums,
    /// Automatic chunk sizes against fixed ones
    Auto,
    /// Results that go to a file while they come
    Results,
    /// Calls of one client while another one's job runs
    Sharing,
    /// One value to all engines, once and one by one
    Broadcast,
    /// What it costs to keep a history of jobs
    History,
    /// Barrier, broadcast, all_reduce and gather between ranks
    Ranks,
    /// Time until a local cluster is ready
    Start,
    /// Memory, and what idling costs
    Memory,
    /// The scheduler core alone
    Scheduler,
}

/// What this executable does as a child of itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves bare tonic on a Unix socket until its parent ends
    #[command(hide = true)]
    Reference {
        /// The socket
        socket: PathBuf,
    },
    /// Runs a controller and an engine daemon until its parent ends
    #[command(hide = true)]
    Daemons {
        /// Where profiles are
        home: PathBuf,
        /// How many engines
        engines: u32,
        /// Arguments for the controller
        #[arg(last = true)]
        controller: Vec<String>,
    },
    /// Runs jobs when it is told to
    #[command(hide = true)]
    Other {
        /// The cluster's connection file
        client_file: PathBuf,
    },
    /// Starts a local cluster and prints how long that took
    #[command(hide = true)]
    LocalReady {
        /// Its engines
        engines: usize,
    },
}

impl Arguments {
    pub(crate) fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }

    /// How many rounds a figure's median is of.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    pub(crate) fn summary(&self) -> Result<PathBuf, Error> {
        if let Some(path) = &self.summary {
            return Ok(path.clone());
        }
        // target/release/bench: beside it is target/bench.
        let executable = own_executable()?;
        let target = executable.parent().and_then(|release| release.parent());
        Ok(target.unwrap_or_else(|| ".".as_ref()).join("bench").join("summary.json"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn everything_is_measured_unless_told_otherwise() {
        let all = Arguments::parse_from(["bench"]);
        assert!(Group::value_variants().iter().all(|group| all.wants(*group)));
        let some = Arguments::parse_from(["bench", "--only", "bulk", "--only", "apply"]);
        assert!(some.wants(Group::Bulk) && some.wants(Group::Apply) && !some.wants(Group::Memory));
    }
}
