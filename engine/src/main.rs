//! The `engine` daemon.

mod arguments;

use std::io::IsTerminal;
use std::process::ExitCode;

use phalanx_engine::{Node, NodeConfig, NodeError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use arguments::Arguments;

fn main() -> ExitCode {
    phalanx_proto::heap::keep_buffers();
    let arguments = Arguments::of_this_process();
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written (a full disk) would be an error that cannot be written either, and a panic.
        .log_internal_errors(false)
        .init();
    match arguments
        .config()
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
