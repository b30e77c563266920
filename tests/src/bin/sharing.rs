//! The clients of the tests of fair sharing: `sharing SCENARIO ARGUMENTS…`. Each is a session of its own; they share the engines. It checks
//! its own results and prints what a test then looks at, a line each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phalanx::{AsyncMapResult, Client, Error, RemoteError};
use phalanx_tests::{DEADLINE, Gate, wait_until};

/// In two chunks of minutes, as long as the gate is closed.
const ELEMENTS: u64 = 1 << 14;
const CHUNKSIZE: usize = 1 << 13;
const PAUSE: Duration = Duration::from_millis(25);
/// Long enough for a busy machine to run what is not to hang.
const LIMIT: Duration = Duration::from_secs(2);

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["push", file, gate] = arguments[..] {
        return push(&Client::connect_file(file)?, &Gate::at(gate));
    }
    let client = Client::connect("test")?;
    match arguments[..] {
        ["long", gate] => long(&client, Gate::at(gate))?,
        ["long and own call", gate] => long_and_own_call(&client, Gate::at(gate))?,
        ["calls"] => calls(&client)?,
        ["large calls"] => large_calls(&client)?,
        ["deadly calls"] => deadly_calls(&client)?,
        ["hanging call"] => hanging_call(&client)?,
        ["held call", gate] => held_call(&client, &Gate::at(gate))?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// A job whose chunks do not end before the gate is opened: its elements do, all the time.
fn start(client: &Client, gate: Gate) -> AsyncMapResult<u64> {
    let run = |gate: &Gate, x: u64| {
        static OPEN: AtomicBool = AtomicBool::new(false);
        if x == 0 {
            gate.sign("begun");
        }
        if !OPEN.load(Ordering::Relaxed) {
            OPEN.store(gate.is_open(), Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
        3 * x + 1
    };
    let job = client.load_balanced_view().run_limit(LIMIT).with(gate.clone()).map_async(
        run,
        0..ELEMENTS,
        CHUNKSIZE,
    );
    gate.wait_for_arrivals(1);
    job
}

fn check(job: &AsyncMapResult<u64>) -> phalanx::Result<()> {
    assert!(job.get()?.iter().zip(0..).all(|(value, x)| *value == 3 * x + 1));
    println!("lost {}", job.progress().attempts_lost);
    Ok(())
}

fn long(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let job = start(client, gate);
    println!("begun");
    check(&job)
}

/// The client's own call comes after its job.
fn long_and_own_call(client: &Client, gate: Gate) -> phalanx::Result<()> {
    let job = start(client, gate.clone());
    let own = client.direct_view(0).apply(|| 7, ());
    println!("begun");
    wait_until("the other client was served", DEADLINE, || gate.arrivals().iter().any(|a| a.tag == "served"));
    println!("own call ready: {}", own.ready());
    gate.open();
    assert_eq!(own.get()?, 7);
    check(&job)
}

/// Single calls of all kinds.
fn calls(client: &Client) -> phalanx::Result<()> {
    let (lview, dview) = (client.load_balanced_view(), client.direct_view(0));
    for x in 0..20_u64 {
        assert_eq!(lview.apply(|x: u64| x + 1, (x,)).get()?, x + 1);
        assert_eq!(dview.apply(|x: u64| x + 2, (x,)).get()?, x + 2);
    }
    dview.push("mine", &5_u64).get()?;
    assert_eq!(dview.execute(|ns| ns.at::<u64>("mine") + 1).get()?, 6);
    let failed = lview.apply(|x: u64| assert!(x > 9, "too small"), (3_u64,)).get();
    assert!(matches!(failed, Err(Error::Remote(_))), "{failed:?}");
    println!("served");
    Ok(())
}

/// More than a socket holds.
fn large_calls(client: &Client) -> phalanx::Result<()> {
    let values: Vec<f64> = (0..(8 << 20) / 8).map(f64::from).collect();
    let view = client.direct_view(0);
    view.push("large", &values).get()?;
    let sums =
        client.load_balanced_view().map_async(|v: Vec<f64>| v.iter().sum::<f64>(), [values.clone()], 1);
    assert_eq!(sums.get()?, [values.iter().sum::<f64>()]);
    assert_eq!(view.pull::<Vec<f64>>("large").get()?, values);
    println!("served");
    Ok(())
}

/// Calls that end their process, and that of the other client's chunk with it.
fn deadly_calls(client: &Client) -> phalanx::Result<()> {
    let direct = client.direct_view(0).apply(|| std::process::abort(), ()).get();
    println!("direct {}", kind(direct));
    let balanced = client.load_balanced_view().apply(|| std::process::abort(), ()).get();
    println!("balanced {}", kind(balanced));
    Ok(())
}

/// A call that runs for longer than it may.
fn hanging_call(client: &Client) -> phalanx::Result<()> {
    let hang = || loop {
        std::thread::sleep(DEADLINE);
    };
    let hung = client.load_balanced_view().run_limit(LIMIT).apply(hang, ()).get();
    println!("hung {}", kind(hung));
    Ok(())
}

/// A large value to all engines, when the test has looked at what came before.
fn push(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let view = client.direct_view(..);
    view.push("value", &1_u64).get()?;
    println!("ready");
    wait_until("the test has looked", DEADLINE, || gate.is_open());
    let value: Vec<f64> = (0..(16 << 20) / 8).map(f64::from).collect();
    view.push("value", &value).get()?;
    println!("pushed");
    let ends = view.execute(|ns| ns.at::<Vec<f64>>("value").last().copied()).get()?;
    assert_eq!(ends, vec![value.last().copied(); client.ids().len()]);
    println!("on {} engines", ends.len());
    Ok(())
}

/// A call that takes longer than one of the other client's elements may.
fn held_call(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let held = |gate: Gate| {
        gate.sign("held");
        std::thread::sleep(2 * LIMIT);
        std::process::id()
    };
    let pid = client.load_balanced_view().apply(held, (gate.clone(),)).get()?;
    println!("served by {pid}");
    Ok(())
}

fn kind(outcome: phalanx::Result<()>) -> String {
    match outcome {
        Err(Error::Remote(errors)) => {
            let kinds: Vec<_> = errors.errors.iter().map(|e: &RemoteError| e.kind.as_str()).collect();
            kinds.join(", ")
        }
        other => format!("{other:?}"),
    }
}
