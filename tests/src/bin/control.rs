//! The client of the tests of control: `control SCENARIO ARGUMENTS…`. It checks its own results and prints what a test then looks at,
//! a line each.

use std::io::Read;

use phalanx::{AttemptOutcome, Client, Error, RemoteErrorKind, RemoteErrors};
use phalanx_tests::{DEADLINE, Gate, is_alive, wait_until};

const SIGUSR1: i32 = 10;

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    match arguments[..] {
        ["stuck", how, gate] => stuck(&client, how, &Gate::at(gate))?,
        ["cleans-up", gate] => cleans_up(&client, &Gate::at(gate))?,
        ["queued", gate] => queued(&client, &Gate::at(gate))?,
        ["several", gate] => several(&client, &Gate::at(gate))?,
        ["names", gate] => names(&client, &Gate::at(gate))?,
        ["restart", gate] => restart(&client, &Gate::at(gate))?,
        ["shutdown", gate] => shutdown(&client, &Gate::at(gate))?,
        ["shutdown-cluster", gate] => shutdown_cluster(&client, &Gate::at(gate))?,
        ["signal", gate] => signal(&client, &Gate::at(gate))?,
        ["status", gate] => status(&client, &Gate::at(gate))?,
        ["behind-data", gate] => behind_data(&client, &Gate::at(gate))?,
        ["budgets", gate] => budgets(&client, &Gate::at(gate))?,
        ["shutdown-one"] => {
            client.shutdown(1)?;
            println!("left {:?}", client.ids());
        }
        ["refused"] => refused(&client),
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

/// Names that are there before the controller is restarted, and not after.
fn names(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    client.direct_view(..).push("a", &1).get()?;
    println!("pushed");
    gate.pass("pushed");
    let pull = || client.direct_view(..).pull::<i32>("a").get().map_err(|e| e.to_string());
    let mut said = String::new();
    wait_until("the engines answer again", DEADLINE, || {
        said = pull().expect_err("the names are gone");
        said.contains("no value named")
    });
    println!("missing: {}", said.replace('\n', " "));
    client.direct_view(..).push("a", &2).get()?;
    println!("again {:?}", client.direct_view(..).pull::<i32>("a").get()?);
    Ok(())
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// A read that never ends: somebody could write, and nobody does.
fn block() {
    let (mut reader, _writer) = std::io::pipe().expect("the system has pipes");
    let mut byte = [0];
    let _ = reader.read(&mut byte);
}

/// A function that nothing but the end of its process stops.
fn stuck(client: &Client, how: &str, gate: &Gate) -> phalanx::Result<()> {
    let dview = client.direct_view(0);
    dview.push("a", &1).get()?;
    let before = dview.apply(std::process::id, ()).get()?;
    let view = client.load_balanced_view();
    let run = |(gate, blocks): &(Gate, bool), x: u64| {
        gate.sign(x);
        if *blocks {
            block()
        } else {
            spin()
        }
        x
    };
    let out = view.with((gate.clone(), how == "blocked")).map_async(run, 0..100, 1);
    gate.wait_for_arrivals(1);
    out.abort();
    assert!(matches!(out.get(), Err(Error::Aborted)) && !out.successful());
    // The engine goes on, with another process.
    let after = dview.apply(std::process::id, ()).get()?;
    assert_ne!(before, after);
    wait_until("the process is gone", DEADLINE, || !is_alive(before));
    println!("arrivals {}", gate.arrivals().len());
    println!("missing: {}", one_line(&dview.pull::<i32>("a").get().expect_err("it cannot succeed")));
    assert_eq!(out.progress().elements_done, 0);
    Ok(())
}

/// A function that asks whether it is wanted; its process lives on.
fn cleans_up(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let dview = client.direct_view(0);
    dview.push("a", &1).get()?;
    let before = dview.apply(std::process::id, ()).get()?;
    let run = |gate: &Gate, x: u64| {
        assert!(!phalanx::interrupted());
        gate.sign(x);
        // A thread of its own sees it too.
        let helper = std::thread::spawn(|| {
            wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        });
        wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        helper.join().expect("it is interrupted as well");
        gate.sign(format!("cleaned up {x}"));
        x
    };
    // The chunk has more elements, and there are more chunks.
    let out = client.load_balanced_view().with(gate.clone()).map_async(run, 0..100, 10);
    gate.wait_for_arrivals(1);
    out.abort();
    assert!(matches!(out.get(), Err(Error::Aborted)));
    assert_eq!(dview.apply(|| (std::process::id(), phalanx::interrupted()), ()).get()?, (before, false));
    assert_eq!(dview.pull::<i32>("a").get()?, 1, "its names are still there");
    gate.arrivals().iter().for_each(|arrival| println!("at {}", arrival.tag));
    assert_eq!((out.progress().elements_done, out.attempts().list.len()), (0, 0));

    // So does a direct call.
    let run = |gate: Gate| {
        gate.sign("direct");
        wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        gate.sign("direct cleaned up");
    };
    let direct = dview.apply(run, (gate.clone(),));
    wait_until("it runs", DEADLINE, || gate.arrivals().iter().any(|arrival| arrival.tag == "direct"));
    direct.abort();
    wait_until("it cleans up", DEADLINE, || {
        gate.arrivals().iter().any(|arrival| arrival.tag == "direct cleaned up")
    });
    assert!(matches!(direct.get(), Err(Error::Aborted)));
    assert_eq!(dview.pull::<i32>("a").get()?, 1);
    assert!(!phalanx::interrupted(), "never outside of an engine");
    Ok(())
}

/// Nothing of a job that was aborted is started afterwards, however much was queued, here or on the engines.
fn queued(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        gate.sign(x);
        wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        x
    };
    let view = client.load_balanced_view();
    let first = view.with(gate.clone()).map_async(run, 0..100_000, 10);
    let second = view.map_async(|x: u64| x, 0..10_000, 1);
    gate.wait_for_arrivals(2);
    first.abort();
    assert_eq!(second.get()?.len(), 10_000, "others go on");
    println!("arrivals {}", gate.arrivals().len());
    Ok(())
}

/// Several jobs at once, and all.
fn several(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let run = |gate: &Gate, x: u64| {
        gate.sign(x);
        wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        x
    };
    let outs: Vec<_> = (0..4).map(|_| view.with(gate.clone()).map_async(run, 0..10, 1)).collect();
    gate.wait_for_arrivals(1);
    client.abort(&outs[..2]);
    let aborted = |out: &phalanx::AsyncMapResult<u64>| matches!(out.get(), Err(Error::Aborted));
    assert!(outs[..2].iter().all(aborted) && outs[2..].iter().all(|out| !out.ready()));
    assert_eq!(client.abort_all(), 2);
    assert!(outs.iter().all(aborted));
    assert_eq!(client.abort_all(), 0);
    println!("sum {}", view.map_sync(|x: u64| x, 0..5, 1)?.iter().sum::<u64>());
    Ok(())
}

/// A restart moves balanced work on, ends direct calls, and leaves a namespace that is empty.
fn restart(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let (ids, dview) = (client.ids(), client.direct_view(0));
    client.direct_view(..).push("a", &1).get()?;
    let old = dview.apply(std::process::id, ()).get()?;
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let balanced = client.load_balanced_view().with(gate.clone()).map_async(held, 0..2, 1);
    gate.wait_for_arrivals(2);
    let direct = dview.apply(|| 1, ());
    client.restart(0)?;
    assert!(!is_alive(old), "it has ended when the restart is done");
    let error = direct.get().expect_err("it cannot succeed");
    println!("direct: {}", one_line(&error));
    // What was on the other engine goes on, and what was on this one is tried again.
    gate.wait_for_arrivals(3);
    gate.open();
    assert_eq!(balanced.get()?, [0, 1]);
    for attempt in balanced.attempts().list {
        if let AttemptOutcome::Lost { kind, message, given_up, .. } = attempt.outcome {
            assert_eq!((kind, given_up, attempt.engine), (RemoteErrorKind::Cancelled, false, 0));
            println!("lost: {message}");
        }
    }
    println!("missing: {}", one_line(&dview.pull::<i32>("a").get().expect_err("it cannot succeed")));
    assert_eq!(client.direct_view(1).pull::<i32>("a").get()?, 1);
    // As often as one likes, also with nothing to end.
    client.restart(..)?;
    client.direct_view(..).restart()?;
    client.direct_view(phalanx::All).restart()?;
    assert_eq!((client.ids(), client.direct_view(..).apply(|| 7, ()).get()?), (ids, vec![7, 7]));
    println!("unknown: {}", client.restart(77).expect_err("it cannot succeed"));
    Ok(())
}

/// Some engines leave: what they did goes on elsewhere, and who called them directly hears of it.
fn shutdown(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let other = Client::connect("test")?;
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let balanced = client.load_balanced_view().with(gate.clone()).map_async(held, 0..3, 1);
    gate.wait_for_arrivals(3);
    let direct = other.direct_view(0).apply(|| 1, ());
    wait_until("the other client's call is there", DEADLINE, || {
        client.queue_status(0).expect("the controller answers").engines[0].queued > 0
    });
    client.shutdown(0)?;
    assert_eq!(client.ids(), [1, 2]);
    println!("direct: {}", one_line(&direct.get().expect_err("it cannot succeed")));
    wait_until("the other client sees it", DEADLINE, || other.ids() == [1, 2]);
    println!("again: {}", client.shutdown(0).expect_err("it cannot succeed"));
    println!("one is gone");
    wait_until("the test has looked", DEADLINE, || {
        gate.arrivals().iter().any(|arrival| arrival.tag == "looked")
    });
    client.direct_view(1).shutdown()?;
    assert_eq!(client.ids(), [2]);
    gate.open();
    assert_eq!(balanced.get()?, [0, 1, 2]);
    assert_eq!(client.direct_view(..).apply(|| 7, ()).get()?, [7]);
    println!("done");
    Ok(())
}

/// All engines and the controller end.
fn shutdown_cluster(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let other = Client::connect("test")?;
    let direct = other.direct_view(0).apply(|gate: Gate| gate.pass("held"), (gate.clone(),));
    gate.wait_for_arrivals(1);
    client.shutdown_cluster()?;
    println!("other: {}", one_line(&direct.get().expect_err("it cannot succeed")));
    println!(
        "closed: {}",
        client.load_balanced_view().map_sync(|x: u64| x, 0..3, 1).expect_err("it cannot succeed")
    );
    let wait = std::time::Duration::ZERO;
    wait_until("the other client has lost it", DEADLINE, || other.wait_for_engines(1, wait).is_err());
    Ok(())
}

/// A signal reaches the process in which an engine runs functions.
fn signal(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    println!("nothing runs: {}", client.send_signal(SIGUSR1, 0).expect_err("it cannot succeed"));
    println!("no such: {}", client.send_signal(99, 0).expect_err("it cannot succeed"));
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let out = client.load_balanced_view().with(gate.clone()).map_async(held, 0..1, 1);
    gate.wait_for_arrivals(1);
    client.send_signal(SIGUSR1, ..)?;
    gate.wait_for_arrivals(2);
    gate.open();
    assert_eq!(out.get()?, [0]);
    for attempt in out.attempts().list {
        println!("attempt {} {:?}", attempt.attempt, attempt.outcome);
        assert!(attempt.host.is_some() && attempt.started_ns.is_some() == (attempt.attempt == 2));
    }
    Ok(())
}

/// What engines have to do, and how much waits for any.
fn status(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let held = |gate: &Gate, x: u64| {
        gate.pass(x);
        x
    };
    let out = client.load_balanced_view().with(gate.clone()).map_async(held, 0..100, 1);
    gate.wait_for_arrivals(2);
    let directs: Vec<_> = (0..3).map(|_| client.direct_view(1).apply(|| 1, ())).collect();
    wait_until("all is there", DEADLINE, || {
        let status = client.queue_status(..).expect("the controller answers");
        let sum: u64 = status.engines.iter().map(|engine| engine.running + engine.queued).sum();
        let busy = status.engines.len() == 2 && status.engines.iter().all(|engine| engine.running == 1);
        busy && sum + status.unassigned == 103 && status.unassigned > 0 && status.engines[1].queued >= 3
    });
    gate.open();
    assert_eq!(out.get()?.len(), 100);
    directs.iter().try_for_each(|direct| direct.get().map(drop))?;
    wait_until("all is done", DEADLINE, || {
        let status = client.queue_status(phalanx::All).expect("the controller answers");
        let completed: u64 = status.engines.iter().map(|engine| engine.completed).sum();
        completed == 103 && status.unassigned == 0 && status.engines.iter().all(|e| e.running + e.queued == 0)
    });
    println!("unknown: {}", client.queue_status(9).expect_err("it cannot succeed"));
    Ok(())
}

/// Data that an engine's process does not read is in nobody's way.
fn behind_data(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let run = |gate: &Gate, x: u64| {
        gate.sign(x);
        wait_until("the function is interrupted", DEADLINE, phalanx::interrupted);
        gate.sign("interrupted");
        x
    };
    let frozen = client.direct_view(1).apply(std::process::id, ()).get()?;
    println!("freeze {frozen}");
    wait_until("it is frozen", DEADLINE, || gate.arrivals().iter().any(|arrival| arrival.tag == "frozen"));
    let big = vec![1_u64; 4 << 20];
    let push = client.direct_view(1).push("big", &big);
    let next = client.direct_view(1).push("next", &big);
    let out = client.direct_view(0).with(gate.clone()).map_async(run, 0..2);
    wait_until("it runs", DEADLINE, || gate.arrivals().len() > 1);
    out.abort();
    wait_until("it is interrupted", DEADLINE, || {
        gate.arrivals().iter().any(|arrival| arrival.tag == "interrupted")
    });
    assert!(!push.ready() && !next.ready(), "the data is not through");
    client.restart(1)?;
    println!("push: {}", one_line(&push.get().expect_err("it cannot succeed")));
    println!("next: {}", one_line(&next.get().expect_err("it cannot succeed")));
    assert_eq!(client.direct_view(1).apply(|| 7, ()).get()?, 7);
    Ok(())
}

/// Errors of user code cost `retries`, lost processes the crash limit, and neither the other.
fn budgets(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    // Element 0 ends its process twice, which the crash limit of 3 allows, and fails once, which retries do.
    let run = |gate: &Gate, x: u64| {
        let before =
            gate.arrivals().iter().filter(|arrival| arrival.tag.starts_with(&format!("{x} "))).count();
        gate.sign(format!("{x} {before}"));
        match (x, before) {
            (0, 0 | 2) | (1, _) => std::process::abort(),
            (0, 1) => Err("user's error"),
            _ => Ok(x),
        }
    };
    let view = client.load_balanced_view().retries(1);
    let spared = view.with(gate.clone()).try_map_async(run, 0..1, 1);
    assert_eq!(spared.get()?, [0]);
    let given_up = view.with(gate.clone()).try_map_async(run, 1..2, 1);
    let Err(Error::Remote(RemoteErrors { errors, .. })) = given_up.get() else { panic!("it is given up") };
    assert_eq!(errors[0].kind, RemoteErrorKind::Quarantined);
    println!("quarantined: {}", errors[0].message.replace('\n', " "));
    for (name, out) in [("spared", spared), ("given up", given_up)] {
        assert_eq!(out.attempts().dropped, 0);
        for (n, attempt) in out.attempts().list.into_iter().enumerate() {
            assert_eq!((attempt.attempt as usize, attempt.chunk, attempt.engine), (n + 1, 0, 0));
            let outcome = match attempt.outcome {
                AttemptOutcome::Completed => "completed".to_owned(),
                AttemptOutcome::Failed { kind, message, elements } => {
                    format!("failed {} {message} {elements}", kind.as_str())
                }
                AttemptOutcome::Lost { kind, signal, given_up, message } => {
                    assert!(message.contains("engine"), "{message}");
                    format!("lost {} {signal:?} {given_up}", kind.as_str())
                }
                other => panic!("{other:?}"),
            };
            println!("{name} {outcome}");
        }
    }
    Ok(())
}

/// What cannot be done is one clear error, and nothing is done.
fn refused(client: &Client) {
    println!("restart: {}", client.restart([0, 5]).expect_err("it cannot succeed"));
    println!("shutdown: {}", client.shutdown(5).expect_err("it cannot succeed"));
    println!("signal: {}", client.send_signal(-3, 0).expect_err("it cannot succeed"));
    assert_eq!(client.ids(), [0]);
}

fn one_line(error: &Error) -> String {
    match error {
        Error::Remote(RemoteErrors { errors, .. }) => errors[0].to_string().replace('\n', " "),
        other => other.to_string().replace('\n', " "),
    }
}
