//! The command line of `controller`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use phalanx_controller::{Controller, ControllerConfig, HistoryLimits, Limits};
use phalanx_profile::{Profile, ProfileError};
use phalanx_scheduler::Config;

const EXAMPLES: &str = "\
Examples:
  controller --profile nbserver
      For this machine: clients and engines find it by the profile's name.

  controller --profile nbserver --listen 0.0.0.0:7070 --advertise head.cluster.example
      For other machines too. Copy ~/.phalanx/nbserver/engine.json to where engines run, and
      client.json to where clients run; connections are encrypted and need those files.

  engine --profile nbserver -n 4
      Then start engines, and connect with Client::connect(\"nbserver\").

Exit codes: 0 stopped by a signal, 1 an error, 10 a controller already runs on the profile.";

/// The controller of a Phalanx cluster: clients and engines connect to it.
#[derive(Debug, Parser)]
#[command(name = "controller", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile to serve: a directory in $PHALANX_HOME (default ~/.phalanx), made if missing.
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    profile: String,

    /// Address to listen on for TLS connections; port 0 means any free one. Other machines need
    /// more than this loopback address, for example 0.0.0.0:7070.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Name or address under which other machines reach this one; may be given several times.
    #[arg(long, value_name = "HOST")]
    advertise: Vec<String>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `warn,phalanx_controller=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "PHALANX_LOG")]
    pub(crate) log: String,

    /// Seconds of silence after which a node is given up and its chunks go to others.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    heartbeat_timeout: Duration,

    /// How many workers a chunk may end before it is not tried again.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    crash_limit: u32,

    /// Most bytes of arguments that unfinished jobs may hold in memory, for example 512M or 16G [default: half of the memory].
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    payload_limit: Option<u64>,

    /// Most bytes of results that may wait for one client [default: a quarter of the memory].
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    results_limit: Option<u64>,

    /// Most bytes of clients' programs kept on disk.
    #[arg(long, value_name = "BYTES", default_value = "8G", value_parser = bytes)]
    programs_limit: u64,

    /// Most bytes of results kept for views that are keep() [default: an eighth of the memory]. The oldest are dropped first.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    kept_limit: Option<u64>,

    /// How many hours such results are kept after their job's end.
    #[arg(long, value_name = "HOURS", default_value = "168", value_parser = hours)]
    kept_hours: Duration,

    /// Most clients, and most nodes, at a time.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().sessions_max)]
    sessions_limit: usize,

    /// Most rows of the history of jobs, which `phalanx history` shows: one per job and one per report of an engine. The oldest
    /// jobs are removed first.
    #[arg(long, value_name = "COUNT", default_value_t = HistoryLimits::default().rows_max, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    history_rows_limit: u64,

    /// Days that an ended job stays in the history.
    #[arg(long, value_name = "DAYS", default_value_t = HistoryLimits::default().days_max, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    history_days_limit: u32,

    /// Keep no history of jobs.
    #[arg(long)]
    no_history: bool,
}

impl Arguments {
    pub(crate) fn config(&self) -> Result<ControllerConfig, ProfileError> {
        let defaults = Limits::default();
        Ok(ControllerConfig {
            profile: Profile::create_or_open(&self.profile)?,
            listen: Some(self.listen),
            advertise: self.advertise.clone(),
            scheduler: Config {
                heartbeat_timeout: self.heartbeat_timeout,
                crash_limit: self.crash_limit,
                ..Config::default()
            },
            limits: Limits {
                payload_bytes_max: self.payload_limit.unwrap_or(defaults.payload_bytes_max),
                results_bytes_max: self.results_limit.unwrap_or(defaults.results_bytes_max),
                programs_bytes_max: self.programs_limit,
                kept_bytes_max: self.kept_limit.unwrap_or(defaults.kept_bytes_max),
                kept_age_max: self.kept_hours,
                sessions_max: self.sessions_limit,
            },
            history: (!self.no_history).then_some(HistoryLimits {
                rows_max: self.history_rows_limit,
                days_max: self.history_days_limit,
                ..HistoryLimits::default()
            }),
        })
    }

    /// The line that says that it is ready, and what to do next.
    pub(crate) fn ready(&self, controller: &Controller) -> String {
        let address = controller.local_addr().map_or_else(String::new, |a| format!(" and {a}"));
        format!(
            "controller ready: profile {}, on {}{address}; next: engine --profile {} -n 4",
            self.profile,
            controller.socket().display(),
            self.profile,
        )
    }
}

/// A positive number of seconds, with a fraction if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds, such as 10 or 2.5".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(time) if time >= Duration::from_millis(100) => Ok(time),
        _ => Err("give at least 0.1 seconds".to_owned()),
    }
}

/// A positive number of hours, with a fraction if need be.
fn hours(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of hours, such as 24 or 0.5".to_owned())?;
    match Duration::try_from_secs_f64(number * 3_600.0) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("give a positive number of hours".to_owned()),
    }
}

/// A number of bytes with an optional K, M, G or T (powers of 1024).
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        Some((at, 'T' | 't')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: u64 =
        digits.parse().map_err(|_| "not a number of bytes, such as 1048576, 512M or 16G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
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
    fn sizes_and_times_are_read() {
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("7"), Ok(7));
        assert_eq!(bytes("2t"), Ok(2 << 40));
        assert!(
            bytes("").is_err() && bytes("M").is_err() && bytes("-1").is_err() && bytes("99999999T").is_err()
        );
        assert_eq!(hours("0.5"), Ok(Duration::from_secs(1_800)));
        assert!(
            hours("0").is_err() && hours("NaN").is_err() && hours("-1").is_err() && hours("1e300").is_err()
        );
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2_500)));
        assert!(
            seconds("0").is_err()
                && seconds("NaN").is_err()
                && seconds("-3").is_err()
                && seconds("1e300").is_err()
        );
    }

    #[test]
    fn it_listens_on_loopback_unless_told_otherwise() {
        let arguments = Arguments::parse_from(["controller"]);
        assert!(arguments.listen.ip().is_loopback());
    }
}
