//! The binary `phalanx`: starts, stops and looks at a cluster from the shell.
//!
//! ```text
//! arguments ──▶ start ──▶ own_session (this command again, as a session's leader)
//!                      └─▶ daemon (launches controller, then engine)   ┐
//!               stop  ──▶ roster + process (ends what start launched)  ├─▶ report: human or JSON
//!               status ─▶ ask (the Status rpc) ──▶ snapshot            │
//!               explain ▶ ask (the Explain rpc) ─▶ explained           │
//!               jobs, abort, purge ▶ ask (the rpcs of these names)       │
//!               history ▶ ask (the History rpc), or the profile's file │
//!               list  ──▶ the profiles and their locks                 │
//!               results ▶ a file of results                            ┘
//! ```
//!
//! A command returns what happened as data; only `report` knows how it looks, and only `main` prints.

mod arguments;
mod ask;
mod daemon;
mod explained;
mod failure;
mod history;
mod jobs;
mod list;
mod moment;
mod own_session;
mod process;
mod progress;
mod report;
mod roster;
mod snapshot;
mod start;
mod stop;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;
use report::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(&arguments.command).unwrap_or_else(|failure| {
        eprintln!("phalanx: {failure}");
        if let Some(hint) = failure.hint() {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(failure.exit_code())
    })
}

fn run(command: &Command) -> Result<ExitCode, Failure> {
    // One thread does: there is one thing to wait for at a time.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        match command {
            Command::Start(options) if !options.in_own_session => {
                own_session::run_again().await.map_err(Failure::Again)
            }
            _ => Ok(print(&said(command).await?)),
        }
    })
}

/// What there is to say when the command has done its work.
async fn said(command: &Command) -> Result<String, Failure> {
    let report: Box<dyn Report> = report::choose(command.wants_json());
    Ok(match command {
        Command::Start(options) => report.started(&start::start(options).await?),
        Command::Stop(options) => report.stopped(&stop::stop(options).await?),
        Command::Status(options) => report.status(&ask::status(&options.profile).await?),
        Command::Explain(options) => report.explained(&ask::explain(&options.profile, &options.job).await?),
        Command::Jobs(options) => report.jobs(&jobs::jobs(&options.profile).await?),
        Command::Abort(options) => report.aborted(&jobs::abort(&options.profile, &options.jobs).await?),
        Command::Purge(options) => report.purged(&jobs::purge(options).await?),
        Command::History(options) => report.history(&history::history(options).await?),
        Command::Results(options) => report.results(&phalanx_results::FileSummary::read(&options.file)?),
        Command::List(_) => report.profiles(&list::list()?),
    })
}

/// A reader that has seen enough (`phalanx status | head -1`) is no error.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("phalanx: cannot write to standard output: {e}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
