//! The binary `controller`: a controller as a daemon, on one thread.

mod arguments;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use phalanx_controller::{Controller, ControllerConfig, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use arguments::Arguments;

/// Another controller runs on the profile.
const EXIT_ALREADY_RUNNING: u8 = 10;

fn main() -> ExitCode {
    phalanx_proto::heap::keep_buffers();
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&arguments.log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written (a full disk) would be an error that cannot be written either, and a panic.
        .log_internal_errors(false)
        .with_target(false)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(error.as_ref()),
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    raise_descriptor_limit();
    // One thread: a message passes from socket to socket without waking another core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        phalanx_idle::watch();
        serve(arguments, arguments.config()?).await
    })
}

/// Serves until a signal; a second one ends the process at once.
async fn serve(arguments: &Arguments, config: ControllerConfig) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut controller = Controller::start(config).await?;
    // Whoever started it may not be listening; the controller is there all the same.
    let _ = writeln!(std::io::stdout(), "{}", arguments.ready(&controller));
    let stop_wanted = controller.stop_wanted();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop_wanted => tracing::info!("a client shut the cluster down"),
        () = controller.failed() => return Err("a task of the controller has ended; its log says why".into()),
    }
    tracing::info!("stopping");
    tokio::select! {
        () = controller.shutdown() => Ok(()),
        _ = terminate.recv() => Err("stopped at once by a second signal".into()),
        _ = interrupt.recv() => Err("stopped at once by a second signal".into()),
    }
}

fn report(error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("error: {error}");
    let start = error.downcast_ref::<StartError>();
    if let Some(hint) = start.and_then(StartError::hint) {
        eprintln!("hint: {hint}");
    }
    if start.is_some_and(StartError::is_already_running) {
        return ExitCode::from(EXIT_ALREADY_RUNNING);
    }
    ExitCode::FAILURE
}

/// Every peer takes a descriptor or two, and the usual soft limit is 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
