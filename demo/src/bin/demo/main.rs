//! `make demo`: a real cluster, a notebook's calls on it, and a study of the Ising model.
//!
//! ```text
//! main ─▶ Cluster (controller, engine -n 4; a profile of its own, in a temporary directory)
//!   ├─▶ notebook   both views give the same table
//!   ├─▶ study      runs on all engines ─▶ HDF5, a table against the exact solution, a picture
//!   └─▶ density    a simulation in pieces, killed half-way and gone on with ─▶ HDF5, a picture
//! ```
//!
//! This program is the client, and its functions are what the engines run: they start it again as their workers, which
//! is why `phalanx::init()` is the first line of `main`. The daemons are the programs `controller` and `engine` beside it.
//! Whatever ends the demo (its end, an error, a panic, Ctrl-C) ends them too and removes the profile.

mod arguments;
mod cluster;
mod daemon;
mod density;
mod failure;
mod interrupt;
mod notebook;
mod study;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use phalanx::Client;

use arguments::Arguments;
use cluster::Cluster;
use density::Study;
use failure::Failure;

fn main() -> ExitCode {
    phalanx::init();
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            interrupt::yield_to_interrupt();
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let start = Instant::now();
    let settings = arguments.settings()?;
    if let Some(client_file) = &arguments.only_density {
        let client = Client::connect_file(client_file)?;
        return Study::new(arguments.short, settings.base_seed, &arguments.out)?.run_quietly(&client);
    }
    std::fs::create_dir_all(&arguments.out)
        .map_err(|source| Failure::Folder { path: arguments.out.clone(), source })?;

    let cluster = Cluster::start()?;
    // The cluster's profile is not among the user's own; in a program of yours: Client::connect("nbserver").
    let client = Client::connect_file(cluster.client_file())?;
    cluster.wait_for_engines(&client)?;
    println!("a controller and {} engines are ready after {:.2?}", client.ids().len(), start.elapsed());
    println!(
        "seed {}: `{}--seed {0}` repeats every number below",
        settings.base_seed,
        if arguments.short { "--short " } else { "" }
    );

    let mut files = notebook::run(&client, settings.base_seed, &arguments.out)?;
    files.extend(study::run(&client, &settings, &arguments.out)?);
    let density = Study::new(arguments.short, settings.base_seed, &arguments.out)?;
    let mut other = arguments.other_client(&cluster.client_file(), settings.base_seed)?;
    files.extend(density.run(&client, &mut other, &arguments.out)?);

    drop(client);
    cluster.stop()?;
    println!("\nthe cluster is gone; all of it took {:.1} s. What it left:", start.elapsed().as_secs_f64());
    for (file, what) in files {
        println!("  {:<28} {what}", file.display());
    }
    Ok(())
}
