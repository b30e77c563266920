//! The client of the tests of limits and priorities: `limits SCENARIO ARGUMENTS…`. It checks its own results and prints what a test
//! then looks at, a line each.

use std::time::Duration;

use phalanx::{AsyncMapResult, Client, Error, RemoteError};
use phalanx_tests::{DEADLINE, Gate, wait_until};

/// Long enough for a busy machine to run what is not to hang.
const LIMIT: Duration = Duration::from_secs(2);
const QUEUE_LIMIT: Duration = Duration::from_millis(300);
/// Long enough to ask in the meantime why it waits.
const LONG_QUEUE_LIMIT: Duration = Duration::from_secs(3);

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    match arguments[..] {
        ["overrun", gate, n, chunksize, bad, retries] => {
            overrun(
                &client,
                Gate::at(gate),
                number(n),
                number(chunksize),
                number(bad),
                number(retries) as u32,
            );
        }
        ["recovers", gate] => recovers(&client, Gate::at(gate))?,
        ["direct"] => direct(&client)?,
        ["poison", n, chunksize, bad] => poison(&client, number(n), number(chunksize), number(bad)),
        ["queue", gate] => queue(&client, Gate::at(gate))?,
        ["behind", gate] => behind(&client, Gate::at(gate))?,
        ["priority", gate] => priority(&client, Gate::at(gate))?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// An element that never ends, among others of its chunk.
fn overrun(client: &Client, gate: Gate, n: u64, chunksize: u64, bad: u64, retries: u32) {
    let run = |(gate, bad): &(Gate, u64), x: u64| {
        if x == *bad {
            gate.sign(x);
            hang();
        }
        3 * x + 1
    };
    let view = client.load_balanced_view().run_limit(LIMIT).retries(retries).with((gate.clone(), bad));
    print_each(&view.map_async(run, 0..n, chunksize as usize), n);
    println!("tries {}", gate.arrivals().len());
}

/// An element that hangs at its first try.
fn recovers(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        if x == 1 {
            gate.sign(x);
            if gate.arrivals().len() == 1 {
                hang();
            }
        }
        x
    };
    let view = client.load_balanced_view().run_limit(LIMIT).retries(1).with(gate);
    let out = view.map_async(run, 0..4, 2);
    assert_eq!(out.get()?, [0, 1, 2, 3]);
    println!("lost {}", out.progress().attempts_lost);
    Ok(())
}

/// A direct call that hangs costs the engine its names, and nothing else.
fn direct(client: &Client) -> phalanx::Result<()> {
    let view = client.direct_view(..);
    view.push("a", &1).get()?;
    let out = view.clone().run_limit(LIMIT).map_async(
        |x: u32| {
            if x == 1 {
                hang();
            }
            x
        },
        0..2,
    );
    out.results().iter().filter_map(|result| result.as_ref().err()).for_each(print_remote);
    assert_eq!(client.direct_view(0).pull::<i32>("a").get()?, 1);
    assert!(client.direct_view(1).pull::<i32>("a").get().is_err(), "its names are lost");
    assert_eq!(view.apply(|x: u32| x + 1, (1,)).get()?, [2, 2]);
    println!("both work");
    Ok(())
}

/// An element that ends its process, among others of its chunk.
fn poison(client: &Client, n: u64, chunksize: u64, bad: u64) {
    let run = |bad: &u64, x: u64| {
        if x == *bad {
            std::process::abort();
        }
        3 * x + 1
    };
    print_each(&client.load_balanced_view().with(bad).map_async(run, 0..n, chunksize as usize), n);
}

/// A job that cannot begin in time ends; one that has begun does not.
fn queue(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let impatient = view.clone().queue_limit(QUEUE_LIMIT);
    let begun = impatient.with(gate.clone()).map_async(held, 0..8, 1);
    gate.wait_for_arrivals(1);
    match impatient.map_async(|x: u64| x, 0..3, 1).get() {
        Err(e @ Error::QueueLimit { .. }) => println!("given up: {}", e.to_string().replace('\n', " ")),
        other => panic!("it should have been given up: {other:?}"),
    }
    // The engine has said of the chunk that runs that it has begun: the job goes on as if nothing had been asked.
    wait_until("the job is known to have begun", DEADLINE, || {
        begun.explain().is_ok_and(|why| why.reason.is_some_and(|reason| reason.contains("busy")))
    });
    gate.open();
    assert_eq!(begun.get()?, (0..8).collect::<Vec<_>>());
    println!("begun and done");
    Ok(())
}

/// A job that waits on an engine, behind another that runs, has not begun either.
fn behind(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let long = view.with(gate.clone()).map_async(held, 0..1, 1);
    gate.wait_for_arrivals(1);
    let late = view.clone().queue_limit(LONG_QUEUE_LIMIT).map_async(held_once, 0..1, 1);
    wait_until("the engine holds it", DEADLINE, || {
        late.explain().is_ok_and(|why| why.running.iter().any(|held| held.behind == 1))
    });
    println!("explained: {}", late.explain()?);
    match late.get() {
        Err(Error::QueueLimit { why, .. }) => println!("given up: {why}"),
        other => panic!("it should have been given up: {other:?}"),
    }
    gate.open();
    assert_eq!(long.get()?, [0]);
    let here = view.map_async(|_: u64| phalanx::here().map(|here| here.attempt), 0..20, 1);
    assert_eq!(here.get()?, [Some(1); 20]);
    println!("begun and done");
    Ok(())
}

fn held_once(_: u64) -> u64 {
    panic!("it was begun after its time")
}

/// What is urgent runs before what was there first.
fn priority(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let held = |gate: &Gate, name: String| gate.pass(name);
    let run = |gate: &Gate, name: String| gate.sign(name);
    let first = view.with(gate.clone()).map_async(held, ["held".to_owned(), "ahead".to_owned()], 1);
    gate.wait_for_arrivals(1);
    let names = |name: &str| (0..6).map(|i| format!("{name} {i}")).collect::<Vec<_>>();
    let ordinary = view.with(gate.clone()).map_async(run, names("ordinary"), 1);
    let lazy = view.clone().priority(-1).with(gate.clone()).map_async(run, names("lazy"), 1);
    let urgent =
        view.clone().priority(1).label("urgent").with(gate.clone()).map_async(run, names("urgent"), 1);
    println!("submitted");
    wait_until("the test has looked at it", DEADLINE, || gate.is_open());
    let mut started = Vec::new();
    for (name, out) in [("first", first), ("ordinary", ordinary), ("lazy", lazy), ("urgent", urgent)] {
        out.get()?;
        started.extend(out.chunks().iter().map(|chunk| (chunk.started_ns, name)));
    }
    started.sort_unstable();
    started.iter().for_each(|(_, name)| println!("ran {name}"));
    Ok(())
}

fn hang() -> ! {
    loop {
        std::thread::sleep(DEADLINE);
    }
}

/// Prints the failures of a job and checks all its other elements.
fn print_each(out: &AsyncMapResult<u64>, n: u64) {
    let outcomes = out.results();
    assert_eq!(outcomes.len() as u64, n);
    for (x, outcome) in (0..n).zip(&outcomes) {
        match outcome {
            Ok(value) => assert_eq!(*value, 3 * x + 1),
            Err(e) => print_remote(e),
        }
    }
    println!("good {}", outcomes.iter().filter(|outcome| outcome.is_ok()).count());
    let progress = out.progress();
    println!("chunks {} of {:?}", progress.chunks_done, progress.chunks);
}

fn print_remote(error: &RemoteError) {
    println!(
        "error element {} kind {}: {}",
        error.element,
        error.kind.as_str(),
        error.message.replace('\n', " ")
    );
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
