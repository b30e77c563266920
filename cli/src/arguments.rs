//! The command line.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};
use phalanx_history::JobState;

use crate::moment;

const EXAMPLES: &str = "\
Examples:
  phalanx start -n 4                    a cluster of four engines on this machine
  phalanx status                        its engines and jobs
  phalanx explain b302099a8057          why a job waits
  phalanx stop                          ends it

  phalanx start -n 16 --profile nbserver --listen 0.0.0.0:7070 --advertise head.cluster.example
                                        one that engines and clients on other machines can join
  phalanx list                          all profiles, and which of them run
  phalanx history --since 2h            what has become of jobs
  phalanx results data/sweep.h5         what is in a file of results

In a program:  let client = phalanx::Client::connect(\"nbserver\")?;

Exit codes: 0 done, 1 an error, 2 wrong usage, 10 already running, 11 not running.";

const START_EXAMPLES: &str = "\
Examples:
  phalanx start                         one engine per core, on the profile `default`
  phalanx start -n 4 --profile nbserver
  phalanx start -n 4 --listen 0.0.0.0:7070 --advertise head.cluster.example
      then, on other machines, with a copy of ~/.phalanx/default/engine.json:
      engine --connection engine.json -n 16

The daemons keep running when the terminal is closed. Their logs are controller.log and engine.log
in the profile's directory `log`; functions run in the directory that start was called in.

Exit codes: 0 all engines are ready, 1 an error, 10 a controller already runs on the profile.";

const STOP_EXAMPLES: &str = "\
Engines that `phalanx start` launched here finish the chunks they run, then end; then the controller
does. What has not ended after the timeout is killed. Engines that were started in another way, here
or on other machines, keep running and come back to the profile's next controller.

Examples:
  phalanx stop --profile nbserver
  phalanx stop --timeout 600            let chunks of up to ten minutes finish
  phalanx stop --timeout 0              at once

Exit codes: 0 stopped, 1 an error, 11 nothing was running.";

const STATUS_EXAMPLES: &str = "\
On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  controller  profile, host, pid, version, uptime in ms, clients, bytes of arguments in memory
  engine      id, host, daemon's pid, chunks assigned, chunks completed, ms since the last heartbeat, state
  job         id, client, view, elements done, all elements, elements failed, percent, chunks assigned,
              age in ms, function
and --json prints everything there is to know:
  phalanx status | awk -F'\\t' '$1 == \"engine\" { print $2, $3 }'
  phalanx status --json | jq '.jobs[] | select(.elements_failed > 0) | .label'

Exit codes: 0 it runs, 1 an error, 11 nothing runs on the profile.";

const HISTORY_EXAMPLES: &str = "\
What was noted survives the controller: while one runs it is asked, else the file history.sqlite of the
profile is read. It is bounded (controller --history-rows-limit, --history-days-limit).

Times are how long ago (90s, 15m, 2h, 7d, 2w) or UTC (2026-11-27, 2026-11-27T10:30). With --job the chunks
of one job are shown; the end of its id, as the tables show it, will do.

Examples:
  phalanx history --since 2h
  phalanx history --state failed,aborted --label 'sweep*'
  phalanx history --job b302099a8057 --failed
  phalanx history --limit 1000 --json | jq -r '.jobs[] | select(.elements_failed > 0) | .message'

On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  job       id, state, submitted and ended in ns since 1970, view, elements, done, failed, chunks, attempts
            lost, client's host and pid, function, why the first element failed
  chunk     job, first chunk, chunks, first element, elements, failed, engine, host, attempt, status, started
            and ended in ns since 1970, kind of failure, message

States: running, completed, failed (some elements were), aborted, expired (not begun within its queue limit),
impossible (what is left of it can never be run), client-lost, interrupted (the controller ended first).

Exit codes: 0 it was read, 1 an error, 2 wrong usage, 11 there is no such profile.";

const LIST_EXAMPLES: &str = "\
On a terminal this prints a table. Elsewhere it prints one line per profile, with tabs between the fields:
profile, state (running, locked, stopped, unusable), controller's pid, its host or what is wrong, directory.";

const EXPLAIN_EXAMPLES: &str = "\
The answer is the scheduler's own: which engines hold chunks of the job, how many wait, and what the
first of them waits for: engines that are busy or lack a tag, other jobs, a client that does not read.

Examples:
  phalanx explain b302099a8057          the end of an id, as phalanx status shows it, or its beginning
  phalanx explain survey                a label
  phalanx explain survey --json | jq -r .waiting

On a terminal this prints sentences. Elsewhere it prints one line per thing, with tabs between the fields:
  job       id, elements done, all elements, elements failed, chunks queued, chunks waiting, function or label
  running   engine, chunk, attempt, chunks of the job that it holds, chunks of other jobs before them
  waiting   why the first waiting chunk waits
  after     id of a job that must be over before

Exit codes: 0 it was explained, 1 an error: no such job, or several; 11 nothing runs on the profile.";

const RESULTS_EXAMPLES: &str = "\
Also while the run goes on: the file is whole at every moment.

Examples:
  phalanx results data/sweep.h5
  phalanx results data/sweep.h5 --json | jq '.failures'

On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  file      path, run or job, elements, done, failed, missing, seconds waited, seconds computed, bytes, function
  dataset   path, type, shape
  engine    session, id, host, elements, seconds
  failure   element, kind, message; the first 1000

Exit codes: 0 it was read, 1 an error: no such file, not one of Phalanx, damaged.";

/// Starts, stops and looks at a Phalanx cluster: one controller, many engines.
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, after_help = EXAMPLES)]
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
    /// The job: its id, either end of it, or its label
    #[arg(value_name = "JOB")]
    pub(crate) job: String,

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
        for name in ["start", "stop", "status", "explain", "history", "results", "list"] {
            let sub = command.find_subcommand_mut(name).expect("a command of ours");
            // What the environment holds here would make the text differ from machine to machine.
            let help = sub.clone().mut_args(|a| a.hide_env_values(true)).render_long_help();
            insta::assert_snapshot!(format!("help_{name}"), help);
        }
    }
}
