//! A program whose workers wait at a gate before they call `phalanx::init()`: `slow_start SCENARIO`. It checks its own results.

use std::path::Path;

use phalanx::Client;
use phalanx_tests::{DEADLINE, Gate, wait_until};

fn main() -> phalanx::Result<()> {
    let home = std::env::var("PHALANX_HOME").expect("tests have a home of their own");
    let gate = Gate::at(Path::new(&home).join("starting"));
    if std::env::var_os("PHALANX_WORKER_SOCKET_FD").is_some() {
        gate.pass("worker");
    }
    phalanx::init();
    let client = Client::connect("test")?;
    match std::env::args().nth(1).as_deref() {
        Some("abort") => abort(&client, &gate),
        Some("restart") => restart(&client, &gate),
        other => panic!("no such scenario: {other:?}"),
    }
}

/// What is aborted while its process starts costs nobody else anything.
fn abort(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let engine = client.engine(0);
    let unwanted = engine.apply(|| 1, ());
    let wanted = engine.apply(|| phalanx::here().map(|here| here.attempt), ());
    gate.wait_for_arrivals(1);
    unwanted.abort();
    wait_until("it is aborted", DEADLINE, || unwanted.ready());
    gate.open();
    assert_eq!(wanted.get()?, Some(1));
    assert_eq!(gate.arrivals().len(), 1, "its process goes on");
    println!("done");
    Ok(())
}

/// A process that does not come to its `init()` is ended by a restart.
fn restart(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let lost = client.engine(0).apply(|| 1, ());
    gate.wait_for_arrivals(1);
    client.restart(0)?;
    assert!(lost.get().is_err());
    let again = client.engine(0).apply(|| 2, ());
    gate.wait_for_arrivals(2);
    gate.open();
    assert_eq!(again.get()?, 2);
    println!("done");
    Ok(())
}
