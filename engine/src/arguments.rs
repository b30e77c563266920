//! The command line of `engine`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use phalanx_engine::{Connection, NodeConfig, NodeTags, TagError, TagOrder};
use phalanx_profile::{ConnectionError, ConnectionFile, Profile, ProfileError, Role};
use thiserror::Error;

/// How long a profile that does not exist is waited for: whoever starts a controller and engines at once means both.
const PROFILE_TIMEOUT: Duration = Duration::from_secs(5);
const PROFILE_PAUSE: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
  engine --profile nbserver -n 4
      On the controller's machine the profile is all it needs.

  scp ~/.phalanx/nbserver/engine.json node7:
  ssh node7 engine --connection engine.json -n 16
      On another machine, which needs a copy of the profile's engine.json first.

  engine --profile nbserver -n 4 --tag gpu=0 --slots 0 --tag gpu=1 --slots 1 --tag memory=64
      Jobs that need `gpu` go to the first two engines, those that need `memory>=32` to all.

It comes back by itself when the controller is restarted. SIGTERM or Ctrl-C lets running chunks finish
and hands queued ones back; a second one ends it at once.

Exit codes: 0 asked to leave, 1 an error, 2 wrong usage.";

/// Hosts engines, the slots in which a cluster runs users' functions: start it on every machine that shall work.
#[derive(Debug, Parser)]
#[command(name = "engine", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile to serve: a directory in $PHALANX_HOME (default ~/.phalanx)
    #[arg(long, value_name = "NAME", default_value = "default", env = "PHALANX_PROFILE")]
    profile: String,

    /// A connection file (engine.json) copied from the controller's profile; then no profile is needed
    #[arg(long, value_name = "FILE")]
    connection: Option<PathBuf>,

    /// How many engines; as a rule one per core [default: this machine's cores]
    #[arg(short = 'n', long = "engines", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    engines: Option<u32>,

    /// Something that these engines have, so that jobs can ask for it: NAME or NAME=VALUE, such as `gpu=0` or
    /// `memory=64`. May be repeated; workers find it in $PHALANX_TAG_NAME
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Which engines of this daemon have the tag before it, as numbers from 0: `--tag gpu=0 --slots 0 --tag gpu=1
    /// --slots 1,3-4`. Without it all have
    #[arg(long, value_name = "LIST")]
    slots: Vec<String>,

    /// Where programs are kept [default: the profile's, or ~/.cache/phalanx]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,

    /// End when the controller cannot be reached, instead of trying again
    #[arg(long)]
    no_reconnect: bool,

    /// Tags, with their slots.
    #[arg(skip)]
    orders: Vec<TagOrder>,

    /// How long a function that was aborted may take to stop by itself, in seconds; then its process is ended
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    cancel_grace: Duration,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as `phalanx_engine=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "PHALANX_LOG")]
    pub(crate) log: String,
}

/// What was asked for cannot be done.
#[derive(Debug, Error)]
pub(crate) enum ArgumentsError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl Arguments {
    /// Those of this process; it ends when they are wrong.
    pub(crate) fn of_this_process() -> Self {
        Self::read(&Self::command().get_matches()).unwrap_or_else(|e| e.exit())
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut arguments = Self::from_arg_matches(matches)?;
        arguments.orders = arguments.orders(matches)?;
        // A profile from the environment is what is meant where nothing else is said.
        let named = matches.value_source("profile") == Some(ValueSource::CommandLine);
        if named && arguments.connection.is_some() {
            let text = "give either --profile or --connection: a connection file names its cluster itself";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, text));
        }
        Ok(arguments)
    }

    /// Slots belong to the tag right before them.
    fn orders(&self, matches: &ArgMatches) -> Result<Vec<TagOrder>, clap::Error> {
        let places = |name: &str| matches.indices_of(name).into_iter().flatten();
        let tags: Vec<usize> = places("tags").collect();
        let order = |tag: &String| TagOrder { tag: tag.clone(), slots: None };
        let mut orders: Vec<TagOrder> = self.tags.iter().map(order).collect();
        for (place, slots) in places("slots").zip(&self.slots) {
            let before = tags.iter().rposition(|tag| *tag < place);
            match before.map(|at| &mut orders[at]) {
                Some(TagOrder { slots: of @ None, .. }) => *of = Some(slots.clone()),
                _ => {
                    let text = "--slots says which engines have the tag right before it: give a --tag first";
                    return Err(Self::command().error(ErrorKind::MissingRequiredArgument, text));
                }
            }
        }
        Ok(orders)
    }

    pub(crate) fn config(self) -> Result<NodeConfig, ArgumentsError> {
        let engines = self.engines.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
        });
        let tags = NodeTags::read(engines, &self.orders)?;
        let (connection, programs) = match self.connection {
            Some(file) => {
                // Whoever names a file means one that is there; a profile's appears when its controller is started.
                ConnectionFile::load(&file, Role::Engine)?;
                (file, self.programs.unwrap_or_else(cache_dir))
            }
            None => {
                let profile = open(&self.profile)?;
                let programs = match self.programs {
                    Some(dir) => dir,
                    None => profile.programs_dir()?,
                };
                (profile.engine_file(), programs)
            }
        };
        let mut config = NodeConfig::new(engines, Connection::Path(connection), programs);
        config.reconnect = !self.no_reconnect;
        config.tags = tags;
        config.cancel_grace = self.cancel_grace;
        Ok(config)
    }
}

/// Longest grace that is believed to be meant.
const GRACE_SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=GRACE_SECONDS_MAX).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("not a number of seconds from 0 to {GRACE_SECONDS_MAX}"))
}

/// Opens the profile. Its controller may be making it at this moment.
fn open(name: &str) -> Result<Profile, ProfileError> {
    let given_up = Instant::now() + PROFILE_TIMEOUT;
    let mut told = false;
    loop {
        match Profile::open(name) {
            Err(ProfileError::UnknownProfile { .. }) if Instant::now() < given_up => {
                if !std::mem::replace(&mut told, true) {
                    tracing::info!("waiting {} s for profile `{name}` to be made", PROFILE_TIMEOUT.as_secs());
                }
                std::thread::sleep(PROFILE_PAUSE);
            }
            opened => return opened,
        }
    }
}

fn cache_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("phalanx")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::read(&Arguments::command().try_get_matches_from([&["engine"], arguments].concat())?)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_cluster_is_named_in_one_way() {
        let error = read(&["--profile", "lab", "--connection", "engine.json"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
        assert_eq!(read(&["--profile", "lab"]).unwrap().profile, "lab");
        let by_file = read(&["--connection", "engine.json"]).unwrap();
        assert_eq!(by_file.connection, Some("engine.json".into()));
    }

    #[test]
    fn slots_are_those_of_the_tag_before_them() {
        let order =
            |tag: &str, slots: Option<&str>| TagOrder { tag: tag.into(), slots: slots.map(Into::into) };
        let line = ["--tag", "big", "--tag", "gpu=0", "--slots", "0", "--tag=gpu=1", "--slots=1,3-4"];
        let expected = [order("big", None), order("gpu=0", Some("0")), order("gpu=1", Some("1,3-4"))];
        assert_eq!(read(&line).unwrap().orders, expected);
        for wrong in [["--slots", "0"].as_slice(), &["--tag", "a", "--slots", "0", "--slots", "1"]] {
            assert_eq!(read(wrong).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
        }
    }

    #[test]
    fn a_connection_file_that_is_not_there_is_not_waited_for() {
        let Err(error) = read(&["--connection", "/nowhere/engine.json"]).unwrap().config() else {
            panic!("there is no such file")
        };
        assert!(error.to_string().contains("/nowhere/engine.json"), "{error}");
    }
}
