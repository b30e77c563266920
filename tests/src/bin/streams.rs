//! The client of the tests of streams: `streams SCENARIO ARGUMENTS…`. It checks its own results and prints what a test then looks at, a
//! line each.

use std::cell::Cell;
use std::rc::Rc;

use phalanx::{Client, Error};
use phalanx_tests::{DEADLINE, Gate, wait_until};

/// Bounds of the stream whose reader stops.
const BYTES_MAX: u64 = 4 << 20;
const ELEMENT_BYTES: usize = 1 << 10;

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    match arguments[..] {
        ["stops", gate] => stops(&client, &Gate::at(gate))?,
        ["held", gate] => held(&client, &Gate::at(gate))?,
        ["cancel", gate] => cancel(&client, &Gate::at(gate))?,
        ["failures"] => failures(&client)?,
        ["kills"] => kills(&client)?,
        ["restart", gate] => restart(&client, &Gate::at(gate))?,
        ["spreads"] => spreads(&client)?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// A million elements of 1 KiB, whose reader stops after a few.
fn stops(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let pulled = Rc::new(Cell::new(0_u64));
    let count = Rc::clone(&pulled);
    let items = (0..1_000_000_u64).map(move |i| {
        count.set(i + 1);
        vec![i as u8; ELEMENT_BYTES]
    });
    let mut stream =
        client.load_balanced_view().map_stream(|bytes: Vec<u8>| bytes, items).max_bytes(BYTES_MAX);
    for i in 0..5_000_u64 {
        assert_eq!(stream.next().expect("there is more")?, vec![i as u8; ELEMENT_BYTES]);
        let ahead = pulled.get() - stream.delivered();
        assert!(ahead <= BYTES_MAX / ELEMENT_BYTES as u64 + 1, "{ahead} are ahead");
    }
    assert_eq!(pulled.get(), stream.pulled());
    println!("stopped");
    wait_until("the test has looked at it", DEADLINE, || gate.is_open());
    assert_eq!(pulled.get(), stream.pulled(), "nothing is pulled while nobody reads");
    let mut rest = 0;
    for value in stream.by_ref().take(20_000) {
        rest += value?.len();
    }
    assert_eq!(rest, 20_000 * ELEMENT_BYTES);
    println!("went on");
    Ok(())
}

/// Engines that are held up: what was pulled waits at the controller.
fn held(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, bytes: Vec<u8>| {
        gate.pass(bytes[0]);
        bytes.len()
    };
    let view = client.load_balanced_view().with(gate.clone());
    let mut stream = view
        .map_stream(run, (0..1_000_000_u64).map(|i| vec![i as u8; ELEMENT_BYTES]))
        .max_outstanding(200)
        .chunksize(1);
    assert_eq!(stream.next().expect("there is one")?, ELEMENT_BYTES);
    assert!(stream.pulled() <= 201, "{}", stream.pulled());
    println!("pulled {}", stream.pulled());
    assert_eq!(stream.take(999).map(Result::unwrap).sum::<usize>(), 999 * ELEMENT_BYTES);
    Ok(())
}

/// Cancelled by another thread while its reader waits.
fn cancel(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    for as_completed in [false, true] {
        let stream = client.load_balanced_view().with(gate.clone()).map_stream(held, 0..);
        let canceller = stream.canceller();
        let thread = std::thread::spawn(move || match as_completed {
            false => read_on(stream),
            true => read_on(stream.as_completed()),
        });
        gate.wait_for_arrivals(1);
        println!("under way");
        canceller.cancel();
        thread.join().expect("it ends");
        assert!(canceller.is_cancelled());
    }
    // Dropped while it is under way.
    let mut stream = client.load_balanced_view().map_stream(|x: u64| x, 0..);
    assert_eq!(stream.next().transpose()?, Some(0));
    drop(stream);
    // And the engines are free for others.
    assert_eq!(client.load_balanced_view().map_sync(|x: u64| x + 1, 0..4, 1)?, [1, 2, 3, 4]);
    println!("ended");
    wait_until("the test has looked at it", DEADLINE, || gate.is_open());
    Ok(())
}

fn read_on<T>(mut stream: impl Iterator<Item = phalanx::Result<T>>) {
    let error = stream.find_map(Result::err).expect("it was cancelled");
    assert!(matches!(error, Error::StreamCancelled), "{error}");
    assert!((0..3).all(|_| stream.next().is_none()), "nothing follows");
}

/// Elements that fail are errors of their own, and are tried again.
fn failures(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| {
        assert!(x % 10 != 7, "no sevens");
        if x % 10 == 3 { Err(format!("{x} has a three")) } else { Ok(2 * x) }
    };
    let stream = client.load_balanced_view().retries(1).try_map_stream(run, 0..1000);
    let mut failed = 0;
    for (x, outcome) in (0..).zip(stream) {
        match outcome {
            Ok(value) => assert_eq!(value, 2 * x),
            Err(Error::Remote(errors)) => {
                let [e] = errors.errors.as_slice() else { panic!("{errors}") };
                assert!(e.element == x && e.attempt >= 2, "{e}");
                let expected = if x % 10 == 7 { "no sevens" } else { "has a three" };
                assert!(e.message.contains(expected), "{e}");
                failed += 1;
            }
            Err(e) => return Err(e),
        }
    }
    println!("failed {failed}");
    Ok(())
}

/// Elements that end their process cost themselves only.
fn kills(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| {
        if x == 50 {
            std::process::abort();
        }
        x
    };
    let mut good = 0;
    for outcome in client.load_balanced_view().map_stream(run, 0..100).chunksize(10).as_completed() {
        match outcome {
            Ok((index, value)) => {
                assert_eq!(index, value);
                good += 1;
            }
            Err(e) => println!("error {}", e.to_string().replace('\n', " ")),
        }
    }
    println!("good {good}");
    Ok(())
}

/// The controller ends and comes back while the stream is read.
fn restart(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        if x == 20 {
            gate.pass(x);
        }
        x * x
    };
    let stream = client.load_balanced_view().with(gate.clone()).map_stream(run, 0..200);
    for (x, value) in (0..).zip(stream) {
        assert_eq!(value?, x * x);
    }
    println!("all there");
    Ok(())
}

/// All engines are used, though a slow element is in front.
fn spreads(client: &Client) -> phalanx::Result<()> {
    let run = |x: u64| (x, std::process::id());
    let mut pids: Vec<u32> = Vec::new();
    for outcome in client.load_balanced_view().map_stream(run, 0..).chunksize(1).take(5_000) {
        pids.push(outcome?.1);
    }
    pids.sort_unstable();
    pids.dedup();
    println!("processes {}", pids.len());
    Ok(())
}
