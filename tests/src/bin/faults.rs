//! The client of the fault tests: `faults SCENARIO ARGUMENTS…`. It checks its own results, prints what a test then looks
//! at, a line each, and fails when an element is missing, wrong or there twice.

use std::collections::BTreeMap;
use std::time::Duration;

use phalanx::{AsyncMapResult, Auto, Client, Error, RemoteError};
use phalanx_tests::{DEADLINE, Gate, wait_until};

/// The longest that a result is waited for; the program itself has a little longer.
const RESULT_TIMEOUT: Duration = Duration::from_secs(50);

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    print_ids("ids before", &client);
    match arguments[..] {
        ["map", gate, n, free] => map(&client, Gate::at(gate), number(n), number(free))?,
        ["direct", gate, engine] => direct(&client, Gate::at(gate), &[number(engine) as u32]),
        ["direct", gate] => direct(&client, Gate::at(gate), &client.ids()),
        ["names", gate, engine] => names(&client, &Gate::at(gate), number(engine) as u32)?,
        ["poison", n, bad] => poison(&client, number(n), number(bad)),
        ["panic", n, chunksize, bad] => panicking(&client, number(n), number(chunksize), number(bad)),
        ["retry", gate, n, bad] => retry(&client, Gate::at(gate), number(n), number(bad))?,
        ["abort", gate, n] => abort(&client, Gate::at(gate), number(n) as usize)?,
        ["watch", n] => watch(&client, number(n))?,
        ["persist"] => persist(&client),
        ["everywhere"] => everywhere(&client)?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    print_ids("ids after", &client);
    Ok(())
}

/// A map whose elements wait at a gate, but for the first `free`; each must come back exactly once.
fn map(client: &Client, gate: Gate, n: u64, free: u64) -> phalanx::Result<()> {
    let view = client.load_balanced_view().with((gate, free));
    let held = |(gate, free): &(Gate, u64), x: u64| {
        if x < *free {
            gate.sign(x)
        } else {
            gate.pass(x)
        }
        3 * x + 1
    };
    let out = view.map_async(held, 0..n, 1);
    // Not all: one may wait on an engine behind another call, until an engine would idle and takes it over.
    wait_until("free elements are done", DEADLINE, || {
        out.progress().elements_done >= free / 2 || out.ready()
    });
    println!("running");
    check_complete(&out, n)?;
    println!("attempts {:?}", out.chunks().iter().map(|chunk| chunk.attempt).collect::<Vec<_>>());
    println!("lost {}", out.progress().attempts_lost);
    Ok(())
}

/// Every element has its value, and every element was reported once.
fn check_complete(out: &AsyncMapResult<u64>, n: u64) -> phalanx::Result<()> {
    let values = out.get_timeout(RESULT_TIMEOUT)?;
    assert_eq!(values, (0..n).map(|x| 3 * x + 1).collect::<Vec<_>>());
    let mut times: BTreeMap<u64, u32> = BTreeMap::new();
    for chunk in out.chunks() {
        (chunk.element_first..chunk.element_first + chunk.elements)
            .for_each(|x| *times.entry(x).or_default() += 1);
    }
    assert_eq!(times, (0..n).map(|x| (x, 1)).collect(), "elements, and how often they were reported");
    let progress = out.progress();
    assert_eq!((progress.elements_done, progress.elements_failed), (n, 0));
    println!("complete {n}");
    Ok(())
}

/// A call on these engines that waits at a gate on each.
fn direct(client: &Client, gate: Gate, engines: &[u32]) {
    let view = client.direct_view(engines).with(gate);
    let held = |gate: &Gate, engine: u32| {
        gate.pass(format!("engine{engine}"));
        engine
    };
    let out = view.map_async(held, engines.iter().copied());
    println!("running");
    match out.get_timeout(RESULT_TIMEOUT) {
        Ok(values) => {
            assert_eq!(values, engines);
            println!("complete {}", values.len());
        }
        Err(e) => print_error(&e),
    }
}

/// Names that are lost, asked for, and set anew.
fn names(client: &Client, gate: &Gate, engine: u32) -> phalanx::Result<()> {
    let view = client.engine(engine);
    view.push("a", &7_i32).get()?;
    println!("pid {}", view.apply(std::process::id, ()).get()?);
    println!("pushed {}", view.pull::<i32>("a").get()?);
    wait_until("the gate is opened", DEADLINE, || gate.is_open());
    match view.pull::<i32>("a").get_timeout(RESULT_TIMEOUT) {
        Ok(value) => println!("still {value}"),
        Err(e) => print_error(&e),
    }
    view.push("a", &8_i32).get()?;
    println!("again {}", view.pull::<i32>("a").get()?);
    Ok(())
}

/// An element that brings down whatever runs it, among others.
fn poison(client: &Client, n: u64, bad: u64) {
    let run = |bad: &u64, x: u64| {
        if x == *bad {
            std::process::abort();
        }
        3 * x + 1
    };
    print_each(&client.load_balanced_view().with(bad).map_async(run, 0..n, 1), n);
}

/// An element that panics, among others of its chunk.
fn panicking(client: &Client, n: u64, chunksize: u64, bad: u64) {
    let run = |bad: &u64, x: u64| {
        assert!(x != *bad, "element {x} is broken");
        3 * x + 1
    };
    let view = client.load_balanced_view().with(bad);
    print_each(&view.map_async(run, 0..n, chunksize as usize), n);
}

/// An element that fails at its first try.
fn retry(client: &Client, gate: Gate, n: u64, bad: u64) -> phalanx::Result<()> {
    let run = |(gate, bad): &(Gate, u64), x: u64| {
        let is_first = !gate.arrivals().iter().any(|arrival| arrival.tag == x.to_string());
        gate.sign(x);
        if x == *bad && is_first { Err(format!("element {x} fails at first")) } else { Ok(3 * x + 1) }
    };
    let view = client.load_balanced_view().retries(2).with((gate, bad));
    let out = view.try_map_async(run, 0..n, 1);
    let values = out.get_timeout(RESULT_TIMEOUT)?;
    assert_eq!(values, (0..n).map(|x| 3 * x + 1).collect::<Vec<_>>());
    for chunk in out.chunks().iter().filter(|chunk| chunk.element_first == bad) {
        println!("try {} engine {} failed {}", chunk.attempt, chunk.engine, chunk.failed);
    }
    println!("complete {n}");
    Ok(())
}

/// A job that holds every engine is aborted; the engines then run another.
fn abort(client: &Client, gate: Gate, engines: usize) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let out = view.with(gate.clone()).map_async(held, 0..100, 1);
    gate.wait_for_arrivals(engines);
    out.abort();
    assert!(matches!(out.get(), Err(Error::Aborted)), "{:?}", out.get());
    println!("aborted");
    check_complete(&view.map_async(|x: u64| 3 * x + 1, 0..1_000, Auto), 1_000)
}

/// A map that is watched, as by a person.
fn watch(client: &Client, n: u64) -> phalanx::Result<()> {
    let out = client.load_balanced_view().map_async(|x: u64| 3 * x + 1, 0..n, 1);
    out.wait_interactive()?;
    check_complete(&out, n)
}

/// A call on an engine, over and over, until it has failed and then works again.
fn persist(client: &Client) {
    let view = client.direct_view(0);
    let (mut failed, mut told) = (false, false);
    wait_until("the call works again", DEADLINE, || match view.apply(|x: u64| x + 1, (1,)).get() {
        Ok(value) => {
            assert_eq!(value, 2);
            if !std::mem::replace(&mut told, true) {
                println!("running");
            }
            failed
        }
        Err(Error::ControllerLost(_) | Error::JobRefused(_) | Error::NoEngines | Error::Remote(_)) => {
            failed = true;
            false
        }
        Err(other) => panic!("this is not for ever: {other}"),
    });
    println!("works again");
}

/// Every engine that there is runs something.
fn everywhere(client: &Client) -> phalanx::Result<()> {
    let ids = client.direct_view(..).execute(|ns| ns.engine()).get_timeout(RESULT_TIMEOUT)?;
    assert_eq!(ids, client.ids());
    check_complete(&client.load_balanced_view().map_async(|x: u64| 3 * x + 1, 0..10_000, Auto), 10_000)
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
    println!("lost {}", out.progress().attempts_lost);
}

fn print_error(error: &Error) {
    match error {
        Error::Remote(errors) => errors.errors.iter().for_each(print_remote),
        Error::ControllerLost(_) => println!("controller lost: {}", on_one_line(error)),
        other => println!("failed: {}", on_one_line(other)),
    }
}

fn print_remote(error: &RemoteError) {
    let engine = error.engine.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let (kind, text) = (error.kind.as_str(), on_one_line(&error.message));
    println!("error element {} engine {engine} kind {kind}: {text}", error.element);
    println!("tried element {} attempt {}", error.element, error.attempt);
}

fn on_one_line(text: &impl std::fmt::Display) -> String {
    text.to_string().replace('\n', " ")
}

fn print_ids(when: &str, client: &Client) {
    println!("{when} {:?}", client.ids());
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
