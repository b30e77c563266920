//! The `engine` daemon.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use phalanx_engine::{Connection, Node, NodeConfig, NodeError};
use phalanx_profile::{Profile, ProfileError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Hosts engines: the slots in which a cluster runs users' functions.
///
/// Start it on every machine that shall work. On the controller's machine the profile is all it needs:
///
///   engine --profile nbserver -n 4
///
/// On another machine, copy the profile's engine.json there first:
///
///   scp ~/.phalanx/nbserver/engine.json node7:
///   ssh node7 engine --connection engine.json -n 16
///
/// It comes back by itself when the controller is restarted. SIGTERM or Ctrl-C lets running chunks finish and hands
/// queued ones back; a second one ends it at once.
#[derive(Parser)]
#[command(name = "engine", version, verbatim_doc_comment)]
struct Arguments {
    /// The profile to serve, in $PHALANX_HOME or ~/.phalanx
    #[arg(long, default_value = "default", conflicts_with = "connection")]
    profile: String,

    /// A connection file (engine.json) copied from the controller's profile
    #[arg(long, value_name = "FILE")]
    connection: Option<PathBuf>,

    /// How many engines; as a rule one per core [default: this machine's cores]
    #[arg(short = 'n', long = "engines", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    engines: Option<u32>,

    /// Where programs are kept [default: the profile's, or ~/.cache/phalanx]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,

    /// End when the controller cannot be reached, instead of trying again
    #[arg(long)]
    no_reconnect: bool,

    /// What is logged to standard error: error, warn, info, debug, trace, or a filter like phalanx_engine=debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: String,
}

fn main() -> ExitCode {
    phalanx_proto::heap::keep_buffers();
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match config(arguments)
        .map_err(|e| e.to_string())
        .and_then(|config| run(config).map_err(|e| e.to_string()))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("engine: {e}");
            ExitCode::FAILURE
        }
    }
}

fn config(arguments: Arguments) -> Result<NodeConfig, ProfileError> {
    let engines = arguments.engines.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
    });
    let (connection, programs) = match arguments.connection {
        Some(file) => (file, arguments.programs.unwrap_or_else(cache_dir)),
        None => {
            let profile = Profile::open(&arguments.profile)?;
            let programs = match arguments.programs {
                Some(dir) => dir,
                None => profile.programs_dir()?,
            };
            (profile.engine_file(), programs)
        }
    };
    let mut config = NodeConfig::new(engines, Connection::Path(connection), programs);
    config.reconnect = !arguments.no_reconnect;
    Ok(config)
}

fn cache_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("phalanx")
}

fn run(config: NodeConfig) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        phalanx_idle::watch();
        let (node, serving) = Node::new(config);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let signals = async {
            for times in 0.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if times > 0 {
                    return node.stop();
                }
                tracing::info!("leaving: running chunks finish first; a second signal ends at once");
                node.drain();
            }
        };
        // A task of its own: the runtime polls its first future only after a look at every socket.
        let mut serving = tokio::spawn(serving);
        let outcome = tokio::select! {
            outcome = &mut serving => outcome,
            () = signals => serving.await,
        };
        outcome.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
    })
}
