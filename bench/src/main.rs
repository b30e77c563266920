//! `make bench`: what the cluster costs, measured in one run with what it is compared with.
//!
//! ```text
//! bench (the client program) ──▶ controller ◀── engine -n 2 ──▶ workers (this executable again)
//!       │ ─────────────────────▶ bench reference: bare tonic in a process of its own
//!       └ rounds: ours, reference, ours, … ──▶ figures ──▶ table and summary.json
//! ```
//!
//! - [`measure`] has one file per question; each writes what it saw into [`figures`].
//! - [`catalogue`] lists every figure there is, with its unit and its budget.
//! - [`cluster`] runs the daemons that users run, in a profile of its own; nothing that users run across processes
//!   is measured inside one.
//! - [`peers`] runs the same work under other libraries.

mod arguments;
mod catalogue;
mod cluster;
mod daemons;
mod error;
mod figures;
mod measure;
mod peers;
mod process;
mod reference;
mod report;
mod samples;
mod status;
mod summary;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use error::Error;
use figures::Figures;

fn main() -> ExitCode {
    phalanx::init();
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Reference { socket }) => reference::serve(socket),
        Some(Command::Daemons { home, engines, controller }) => daemons::serve(home, *engines, controller),
        Some(Command::Other { client_file }) => measure::sharing::serve(client_file),
        Some(Command::LocalReady { engines }) => measure::start::in_this_process(*engines),
        None => run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a build without optimisation; its figures mean little: use `make bench`");
    }
    let mut figures = Figures::default();
    measure::all(arguments, &mut figures)?;
    let peers = match &arguments.peers {
        Some(python) => peers::run(python, arguments.quick)?,
        None => Vec::new(),
    };
    print!("{}", report::of(&figures, &peers));
    let path = arguments.summary()?;
    summary::write(&path, &figures, &peers)?;
    println!("written: {}", path.display());
    Ok(())
}
