//! The client of the tests of the history: `history SCENARIO ARGUMENTS…`. It checks its own results and prints what a test then looks at, a line
//! each.

use std::time::Duration;

use phalanx::{ChunkQuery, ChunkStatus, Client, Error, HistoryQuery, JobRecord, JobState};
use phalanx_tests::{DEADLINE, Gate};

const QUEUE_LIMIT: Duration = Duration::from_millis(300);

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    match arguments[..] {
        ["kinds", gate] => kinds(&client, &Gate::at(gate))?,
        ["poison"] => poison(&client)?,
        ["held", gate, free] => held(&client, Gate::at(gate), number(free))?,
        ["calls", n] => {
            client.wait_for_engines(1, DEADLINE)?;
            (0..number(n)).try_for_each(|i| call(&client, i))?;
        }
        ["rows", n] => rows(&client, number(n))?,
        ["list"] => client.history(HistoryQuery::new())?.iter().for_each(print),
        ["filters"] => filters(&client)?,
        ["refused"] => refused(&client),
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// Jobs that end in each way there is, one after the other.
fn kinds(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    client.wait_for_engines(2, DEADLINE)?;
    let view = client.load_balanced_view();
    let good = view.clone().label("kind::good").map_async(|x: u64| x, 0..100, 10);
    good.get()?;
    println!("good {}", good.id());
    let bad = view.clone().label("kind::bad").map_async(|x: u64| assert!(x != 7, "seven is bad"), 0..20, 5);
    assert!(bad.get().is_err());
    println!("bad {}", bad.id());

    let pass = |gate: &Gate, x: u64| gate.pass(x);
    let aborted = view.clone().label("kind::aborted").with(gate.clone()).map_async(pass, 0..16, 1);
    gate.wait_for_arrivals(2);
    let expired = view.clone().label("kind::expired").queue_limit(QUEUE_LIMIT).map_async(|x: u64| x, 0..3, 1);
    assert!(matches!(expired.get(), Err(Error::QueueLimit { .. })));
    aborted.abort();
    assert!(matches!(aborted.get(), Err(Error::Aborted)));
    gate.open();

    let direct = client.direct_view(..).apply(|a: u64, b: u64| a + b, (3, 4));
    assert_eq!(direct.get()?, [7, 7]);
    println!("direct {}", direct.id());
    Ok(())
}

/// An element that ends its process, again and again.
fn poison(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| {
        if x == 3 {
            std::process::abort();
        }
        x
    };
    let out = client.load_balanced_view().label("poison").map_async(run, 0..8, 4);
    assert!(out.get().is_err());
    println!("poison {}", out.id());
    let rows = client.chunk_history(ChunkQuery::new(out.id()).failed())?;
    for row in &rows {
        let (engine, kind) = (row.engine, &row.kind);
        println!(
            "row {} attempt {} of element {} on {engine}, {kind}: {}",
            row.status, row.attempt, row.element_first, row.message
        );
    }
    let ok: u64 = client
        .chunk_history(out.id())?
        .iter()
        .filter(|row| row.status == ChunkStatus::Ok)
        .map(|row| row.elements)
        .sum();
    println!("ok {ok}");
    Ok(())
}

/// A job of ten elements, of which some are free and the others wait.
fn held(client: &Client, gate: Gate, free: u64) -> phalanx::Result<()> {
    let run = |(gate, free): &(Gate, u64), x: u64| {
        if x >= *free {
            gate.pass(x);
        }
        x
    };
    let out = client.load_balanced_view().label("held").with((gate, free)).map_async(run, 0..10, 1);
    println!("held {}", out.id());
    assert_eq!(out.get()?, (0..10).collect::<Vec<_>>());
    println!("done");
    Ok(())
}

fn call(client: &Client, i: u64) -> phalanx::Result<()> {
    client.direct_view(0).label(format!("call {i}")).apply(|i: u64| i + 1, (i,)).get().map(drop)
}

/// A job with many rows, for its elements fail.
fn rows(client: &Client, n: u64) -> phalanx::Result<()> {
    let out = client.load_balanced_view().label("rows").map_async(
        |x: u64| assert!(x > 1 << 60, "{}", "small ".repeat(100)),
        0..n,
        1,
    );
    assert!(out.get().is_err());
    println!("rows {}", out.id());
    Ok(())
}

fn filters(client: &Client) -> phalanx::Result<()> {
    let count = |query: HistoryQuery| client.history(query).map(|jobs| jobs.len());
    let all = HistoryQuery::new;
    let jobs = client.history(all())?;
    println!("all {}", jobs.len());
    println!("limited {}", count(all().limit(2))?);
    println!("failed {}", count(all().failed())?);
    println!("states {}", count(all().state(JobState::Aborted).state(JobState::Expired))?);
    println!("label {}", count(all().label("kind::"))?);
    println!("pattern {}", count(all().label("kind::[ab]*"))?);
    println!("within {}", count(all().within(Duration::from_secs(3_600)))?);
    println!("before {}", count(all().until(jobs[jobs.len() - 1].submitted()))?);
    println!("engines {}", count(all().engine(0))? + count(all().engine(1))? - count(all().engine(99))?);
    println!("host {}", count(all().host("no such host"))?);
    println!("job {}", count(all().job(jobs[2].id.as_str()))?);
    assert!(jobs.windows(2).all(|pair| pair[0].submitted_ns >= pair[1].submitted_ns));
    assert!(jobs.iter().all(|job| job.wall_time().is_some() && job.client_pid > 0));
    Ok(())
}

/// What cannot be asked, and what cannot be answered.
fn refused(client: &Client) {
    let refusals = [
        client.history(HistoryQuery::new().limit(0)).map(drop),
        client.history(HistoryQuery::new().job("; DROP TABLE jobs")).map(drop),
        client.chunk_history("01890a5d-ac96-774b-bcce-b302099a8057").map(drop),
    ];
    for refused in refusals {
        match refused {
            Err(Error::History(why)) => println!("refused: {why}"),
            other => panic!("it should have been refused: {other:?}"),
        }
    }
}

fn print(job: &JobRecord) {
    println!(
        "job {} {}: {} done, {} failed of {}: {}",
        job.label, job.state, job.elements_done, job.elements_failed, job.elements, job.message
    );
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}
