//! The command line.

mod examples;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};
use phalanx_history::JobState;

use crate::moment;
use examples::{
    ABORT_EXAMPLES, EXAMPLES, EXPLAIN_EXAMPLES, HISTORY_EXAMPLES, JOBS_EXAMPLES, LIST_EXAMPLES,
    PURGE_EXAMPLES, RESULTS_EXAMPLES, START_EXAMPLES, STATUS_EXAMPLES, STOP_EXAMPLES,
};

/// Starts, stops and looks at a Phalanx cluster: one controller, many engines.
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, max_term_width = 115, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a controller and engines on this machine, in the background
    #[command(after_help = START_EXAMPLES)]
    Start(StartOptions),
    /// Ends the controller and the engines that `start` launched
    #[command(after_help = STOP_EXAMPLES)]
    Stop(StopOptions),
    /// Shows engines, jobs, clients and memory
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusOptions),
    /// Says why a job waits, or how it stands
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainOptions),
    /// Shows the jobs that run, and those whose results are kept
    #[command(after_help = JOBS_EXAMPLES)]
    Jobs(JobsOptions),
    /// Ends jobs, also those of other programs
    #[command(after_help = ABORT_EXAMPLES)]
    Abort(AbortOptions),
    /// Drops kept results
    #[command(after_help = PURGE_EXAMPLES)]
    Purge(PurgeOptions),
    /// Shows what has become of jobs, also after the controller was stopped
    #[command(after_help = HISTORY_EXAMPLES)]
    History(HistoryOptions),
    /// Shows what is in a file of results: parameters, what is done, failed and missing, timings, engines
    #[command(after_help = RESULTS_EXAMPLES)]
    Results(ResultsOptions),
    /// Lists the profiles and whether a controller runs on them
    #[command(after_help = LIST_EXAMPLES)]
    List(ListOptions),
}

impl Command {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Command::Start(options) => options.json,
            Command::Stop(options) => options.json,
            Command::Status(options) => options.json,
            Command::Explain(options) => options.json,
            Command::Jobs(options) => options.json,
            Command::Abort(options) => options.json,
            Command::Purge(options) => options.json,
            Command::History(options) => options.json,
            Command::Results(options) => options.json,
            Command::List(options) => options.json,
        }
    }
}

/// `phalanx start`
#[derive(Debug, Args)]
pub(crate) struct StartOptions {
    /// How many engines; as a rule one per core [default: this machine's cores]
    #[arg(short = 'n', long = "engines", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) engines: Option<u32>,

    /// The profile: a directory in $PHALANX_HOME or ~/.phalanx, made if missing
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Where the controller listens for other machines, for example 0.0.0.0:7070 [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,

    /// Name or address under which other machines reach this one; may be given several times
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Vec<String>,

    /// Seconds until all engines must be ready
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// This process leads the session that the daemons are to share
    #[arg(long, hide = true)]
    pub(crate) in_own_session: bool,
}

/// `phalanx stop`
#[derive(Debug, Args)]
pub(crate) struct StopOptions {
    /// The profile whose cluster to stop
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Seconds that the engines, and then the controller, may take before they are killed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx status`
#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// The profile to look at
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The job: its id, 4 characters or more of either end of it, or its label
    #[arg(value_name = "JOB")]
    pub(crate) job: String,

    /// The profile whose controller to ask
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx jobs`
#[derive(Debug, Args)]
pub(crate) struct JobsOptions {
    /// The profile whose controller to ask
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx abort`
#[derive(Debug, Args)]
pub(crate) struct AbortOptions {
    /// The jobs: their ids, 4 characters or more of either end of them, or their labels
    #[arg(value_name = "JOB", required = true, num_args = 1..)]
    pub(crate) jobs: Vec<String>,

    /// The profile whose controller to ask
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx purge`
#[derive(Debug, Args)]
pub(crate) struct PurgeOptions {
    /// The jobs: their ids, or 4 characters or more of either end of them
    #[arg(value_name = "JOB", required_unless_present = "all")]
    pub(crate) jobs: Vec<String>,

    /// The results of all jobs that have ended
    #[arg(long, conflicts_with = "jobs")]
    pub(crate) all: bool,

    /// The profile whose controller to ask
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx history`
#[derive(Debug, Args)]
pub(crate) struct HistoryOptions {
    /// The profile to look at
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    pub(crate) profile: String,

    /// Jobs that ended then or later, and those under way
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) since: Option<SystemTime>,

    /// Jobs that were submitted then or earlier
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) until: Option<SystemTime>,

    /// Jobs in this state; several with commas between them
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub(crate) state: Vec<JobState>,

    /// Jobs with this text in their label, or whose whole label fits a pattern with *, ? or [...]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) label: String,

    /// What this engine had a part in
    #[arg(long, value_name = "ID")]
    pub(crate) engine: Option<u32>,

    /// What engines of this machine had a part in
    #[arg(long, value_name = "HOST", default_value = "", hide_default_value = true)]
    pub(crate) host: String,

    /// Jobs with elements that failed; with --job, what failed, was tried again or was lost
    #[arg(long)]
    pub(crate) failed: bool,

    /// Most rows [default: 50 jobs, or 1000 rows of chunks]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// The chunks of this job: its id, or the beginning or end of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["since", "until", "state", "label"])]
    pub(crate) job: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx results`
#[derive(Debug, Args)]
pub(crate) struct ResultsOptions {
    /// An HDF5 file that a program saved its results to, or saves them to now
    #[arg(value_name = "FILE")]
    pub(crate) file: std::path::PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `phalanx list`
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn state(text: &str) -> Result<JobState, String> {
    text.parse()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds, such as 10 or 2.5".to_owned())?;
    Duration::try_from_secs_f64(number)
        .map_err(|_| "not a number of seconds that a clock can count".to_owned())
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
    fn times_are_read() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2_500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for bad in ["", "-1", "NaN", "inf", "1e300", "10s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn help_teaches() {
        let mut command = Arguments::command().term_width(110);
        command.build();
        insta::assert_snapshot!("help", command.render_long_help());
        for name in
            ["start", "stop", "status", "explain", "jobs", "abort", "purge", "history", "results", "list"]
        {
            let sub = command.find_subcommand_mut(name).expect("a command of ours");
            // What the environment holds here would make the text differ from machine to machine.
            let help = sub.clone().mut_args(|a| a.hide_env_values(true)).render_long_help();
            insta::assert_snapshot!(format!("help_{name}"), help);
        }
    }
}
