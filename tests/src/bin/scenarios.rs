//! Runs scenarios of this crate as a user's program: `scenarios local NAME…` on a cluster of its own, `scenarios connect PROFILE NAME…` on one that
//! is there. Prints the name of each when it is done.

use std::process::ExitCode;

use phalanx::{Client, Error};
use phalanx_tests::Gate;
use phalanx_tests::scenarios::{ENGINES, Latch, find, pass};

fn main() -> ExitCode {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["local", names @ ..] => run(Client::local(ENGINES), names),
        ["connect", profile, names @ ..] => run(Client::connect(profile), names),
        ["watch"] => watch(),
        ["watch", gate] => watch_held(Gate::at(gate)),
        ["watch-retried"] => watch_retried(),
        ["drop"] => drop_with_jobs_under_way(),
        other => panic!("no such mode: {other:?}"),
    }
    ExitCode::SUCCESS
}

fn run(client: phalanx::Result<Client>, names: &[&str]) {
    let client = client.unwrap_or_else(|e| panic!("{e}"));
    for name in names {
        find(name).unwrap_or_else(|| panic!("there is no scenario {name}"))(&client);
        println!("{name}");
    }
}

/// What the notebook's cells print.
fn watch() {
    let client = Client::local(2).expect("a local cluster");
    let lview = client.load_balanced_view();
    lview.map_async(|x: i32| x, 0..5000, 10).wait_interactive().expect("it works");
    lview.map_async(|x: i32| x, 0..5000, 100).wait_interactive().expect("it works");
    let failing = lview.map_async(|x: i32| assert!(x % 2 == 0, "{x} is odd"), 0..5, phalanx::Auto);
    failing.wait_interactive().expect("failures of elements are shown, not returned");
}

/// An element that fails as often as it is tried.
fn watch_retried() {
    let client = Client::local(1).expect("a local cluster");
    let bad =
        client.load_balanced_view().retries(1).map_async(|x: i32| assert!(x != 1, "{x} is bad"), 0..3, 1);
    bad.wait_interactive().expect("failures of elements are shown, not returned");
}

/// A job whose first element fails, and whose last ones wait at a gate.
fn watch_held(gate: Gate) {
    let client = Client::local(2).expect("a local cluster");
    let held = |gate: &Gate, x: i32| {
        assert!(x != 0, "{x} is not wanted");
        if x >= 8 {
            gate.pass(x);
        }
    };
    let out = client.load_balanced_view().with(gate).map_async(held, 0..10, 1);
    out.wait_interactive().expect("failures of elements are shown, not returned");
}

/// A client that goes away ends its jobs, and their results say so.
fn drop_with_jobs_under_way() {
    let latch = Latch::new();
    let client = Client::local(2).expect("a local cluster");
    let many = client.load_balanced_view().with(latch.path()).map_async(
        |l: &std::path::PathBuf, _: u32| pass(l),
        0..100,
        1,
    );
    let each = client.direct_view(..).apply(|| 1, ());
    drop(client);
    assert!(matches!(many.get(), Err(Error::Closed)), "{:?}", many.get());
    assert!(matches!(each.get(), Err(Error::Closed)), "{:?}", each.get());
    println!("closed");
}
