//! The client of the tests of jobs that outlive their client: `kept SCENARIO ARGUMENTS…`. It checks its own results and prints what
//! a test then looks at, a line each.

use std::time::Duration;

use phalanx::{AsyncMapResult, Client, Error, NotKept};
use phalanx_tests::{DEADLINE, Gate, wait_until};

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = || Client::connect("test");
    match arguments[..] {
        ["hold", gate, n, free] => hold(&client()?, Gate::at(gate), number(n), number(free))?,
        ["hold", gate, n, free, file] => {
            hold(&Client::connect_file(file)?, Gate::at(gate), number(n), number(free))?;
        }
        ["leave", n] => leave(&client()?, number(n)),
        ["engines", gate] => engines(&client()?, Gate::at(gate))?,
        ["failing"] => failing(&client()?)?,
        ["large", gate, n, bytes] => large(&client()?, Gate::at(gate), number(n), number(bytes))?,
        ["unkept", gate] => unkept(&client()?, &Gate::at(gate))?,
        ["values", id, n] => values(&client()?, id, number(n))?,
        ["save", id, path] => println!("saved {}", client()?.job::<u64>(id)?.save(path)?.display()),
        ["partial", id, gate, n, free] => partial(&client()?, id, &Gate::at(gate), number(n), number(free))?,
        ["each", id] => each(&client()?, id)?,
        ["abort", id] => client()?.job::<u64>(id)?.abort(),
        ["numbers", id] => println!("numbers {:?}", client()?.job::<i64>(id)?.get()?),
        ["error", id] => error(&client()?, id),
        ["list"] => list(&client()?)?,
        ["purge", id] => match client()?.purge([id]) {
            Ok(purged) => println!("purged {}", purged.jobs),
            Err(e) => println!("refused {}", described(&e)),
        },
        ["purge"] => println!("purged {}", client()?.purge_all()?.jobs),
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// A kept map whose elements wait at a gate, but for the first `free`.
fn held(client: &Client, gate: Gate, n: u64, free: u64) -> AsyncMapResult<u64> {
    let run = |(gate, free): &(Gate, u64), x: u64| {
        if x < *free {
            gate.sign(x)
        } else {
            gate.pass(x)
        }
        3 * x + 1
    };
    client.load_balanced_view().keep().label("held").with((gate, free)).map_async(run, 0..n, 1)
}

fn hold(client: &Client, gate: Gate, n: u64, free: u64) -> phalanx::Result<()> {
    let out = held(client, gate, n, free);
    println!("id {}", out.id());
    out.wait_kept(Some(DEADLINE))?;
    println!("kept");
    wait_until("free elements are done", DEADLINE, || out.progress().elements_done >= free);
    println!("free are done");
    check(&out, n)
}

/// Ends at once, without waiting for anything.
fn leave(client: &Client, n: u64) {
    let out = client.load_balanced_view().keep().map_async(|x: u64| 3 * x + 1, 0..n, 7);
    println!("id {}", out.id());
}

/// A call on every engine.
fn engines(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let wait = |gate: &Gate, x: i64| {
        gate.pass(x);
        10 * x
    };
    let out = client.direct_view(..).keep().with(gate).map_async(wait, 1..=2);
    println!("id {}", out.id());
    out.wait_kept(Some(DEADLINE))?;
    println!("kept");
    out.get().map(drop)
}

/// Some elements fail, one of them after a retry, and large values travel in parts.
fn failing(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| {
        assert!(x % 4 != 1, "{x} is odd in its own way");
        vec![x; 150_000]
    };
    let out = client.load_balanced_view().retries(1).keep().map_async(run, 0..6, 2);
    println!("id {}", out.id());
    assert_eq!(out.results().iter().filter(|result| result.is_err()).count(), 2);
    out.wait_kept(Some(DEADLINE))
}

/// A kept map of large values; the last element waits at the gate.
fn large(client: &Client, gate: Gate, n: u64, bytes: u64) -> phalanx::Result<()> {
    let run = |(gate, n, bytes): &(Gate, u64, u64), x: u64| {
        if x + 1 == *n {
            gate.pass(x);
        }
        vec![x as u8; *bytes as usize]
    };
    let out =
        client.load_balanced_view().keep().label("large").with((gate, n, bytes)).map_async(run, 0..n, 1);
    println!("id {}", out.id());
    let kept = out.wait_kept(Some(DEADLINE));
    println!("kept {}", kept.is_ok());
    let values = out.get()?;
    assert!(values.len() as u64 == n && values.iter().all(|value| value.len() as u64 == bytes));
    println!("all came");
    if let Err(e) = out.wait_kept(Some(DEADLINE)) {
        println!("no more {}", described(&e));
    }
    Ok(())
}

fn unkept(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| gate.pass(x);
    let out = client.load_balanced_view().with(gate.clone()).map_async(run, 0..1, 1);
    let asked = out.wait_kept(None).expect_err("nobody asked that it be kept");
    assert!(matches!(asked, Error::NotKept { why: NotKept::Unasked, .. }), "{asked}");
    gate.wait_for_arrivals(1);
    println!("id {}", out.id());
    out.get().map(drop)
}

fn check(out: &AsyncMapResult<u64>, n: u64) -> phalanx::Result<()> {
    let values = out.get()?;
    assert_eq!(values, (0..n).map(|x| 3 * x + 1).collect::<Vec<_>>());
    let progress = out.progress();
    assert_eq!((progress.elements_done, progress.elements_failed), (n, 0));
    assert_eq!(Some(progress.chunks_done), progress.chunks);
    let mut chunks: Vec<u64> = out.chunks().iter().map(|chunk| chunk.index).collect();
    chunks.dedup();
    assert_eq!(chunks.len() as u64, progress.chunks_done, "every chunk is there once");
    println!("complete {n}");
    Ok(())
}

fn values(client: &Client, id: &str, n: u64) -> phalanx::Result<()> {
    let out = client.job::<u64>(id)?;
    assert_eq!(out.id(), id);
    println!("label {}", out.label());
    check(&out, n)?;
    out.wait_kept(Some(DEADLINE))?;
    println!("wall {}", out.wall_time() > Duration::ZERO && out.wall_time() <= out.elapsed());
    Ok(())
}

/// What is there comes at once, the rest when the gate is opened.
fn partial(client: &Client, id: &str, gate: &Gate, n: u64, free: u64) -> phalanx::Result<()> {
    let out = client.job::<u64>(id)?;
    let mut each = out.iter();
    for x in 0..free {
        assert_eq!(each.next().transpose().expect("it has a value"), Some(3 * x + 1));
    }
    assert!(!out.ready() && !gate.is_open());
    println!("partial {}", out.progress().elements_done);
    wait_until("the test has looked at it", DEADLINE, || gate.is_open());
    check(&out, n)
}

fn each(client: &Client, id: &str) -> phalanx::Result<()> {
    let out = client.job::<Vec<u64>>(id)?;
    for (x, result) in out.results().iter().enumerate() {
        match result {
            Ok(value) => assert!(value.len() == 150_000 && value.iter().all(|v| *v == x as u64)),
            Err(e) => println!("error {} attempt {} {}", e.element, e.attempt, e.message),
        }
    }
    println!("failures {}", out.failures().len());
    println!("good {}", out.results().iter().filter(|result| result.is_ok()).count());
    Ok(())
}

/// Why there is nothing.
fn error(client: &Client, id: &str) {
    match client.job::<u64>(id) {
        Err(e) => println!("error {}", described(&e)),
        Ok(out) => match out.get() {
            Err(e) => {
                println!("later {}", described(&e));
                println!("values {}", out.results().iter().filter(|result| result.is_ok()).count());
            }
            Ok(values) => println!("values {}", values.len()),
        },
    }
}

fn list(client: &Client) -> phalanx::Result<()> {
    for job in client.jobs()? {
        println!(
            "job {} {} {:?} kept {} left {} done {}/{} type {}",
            job.id,
            job.label,
            job.phase,
            job.kept,
            job.client_left,
            job.elements_done,
            job.elements,
            job.result_type
        );
        assert_eq!(job.ended.is_some(), job.phase != phalanx::JobPhase::Running);
    }
    Ok(())
}

fn described(e: &Error) -> String {
    let kind = match e {
        Error::NotKept { why, .. } => format!("{why:?}"),
        Error::WrongResultType { .. } => "WrongResultType".to_owned(),
        Error::BadJobId(_) => "BadJobId".to_owned(),
        Error::Aborted => "Aborted".to_owned(),
        Error::Remote(_) => "Remote".to_owned(),
        _ => "other".to_owned(),
    };
    format!("{kind}: {}", e.to_string().replace('\n', " "))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
