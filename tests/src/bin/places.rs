//! The client of the tests of dependencies and places: `places SCENARIO ARGUMENTS…`. It checks its own results and prints what a test then
//! looks at, a line each.

use phalanx::{AsyncMapResult, Client, Dependency, Error, LoadBalancedView};
use phalanx_tests::{DEADLINE, Gate, wait_until};

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    let view = client.load_balanced_view();
    match arguments[..] {
        ["order", gate] => order(&view, Gate::at(gate)),
        ["failures"] => failures(&view),
        ["restart", gate] => restart(&view, &Gate::at(gate)),
        ["follow", gate] => follow(&client, &Gate::at(gate))?,
        ["tags"] => tags(&client)?,
        ["mixed", gate] => mixed(&view, Gate::at(gate))?,
        ["patient"] => patient(&view)?,
        ["bound", gate] => bound(&view, Gate::at(gate)),
        ["condition"] => condition(&client)?,
        ["explain", gate] => explain(&view, Gate::at(gate))?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

fn engines<R>(out: &AsyncMapResult<R>) -> Vec<u32> {
    let mut engines: Vec<u32> = out.chunks().iter().map(|chunk| chunk.engine).collect();
    engines.sort_unstable();
    engines.dedup();
    engines
}

/// Three stages; whoever is in a later one says so only when all of the earlier have passed.
fn order(view: &LoadBalancedView, gate: Gate) {
    let pass = |gate: &Gate, x: u64| gate.pass(x);
    let first = view.with(gate.clone()).map_async(pass, 0..4, 1);
    let second = view.clone().after(&first).with(gate.clone()).map_async(
        |gate: &Gate, x: u64| {
            assert!(gate.is_open(), "it began before what it was to run after");
            gate.sign(x);
        },
        100..104,
        1,
    );
    let third = view.clone().after(Dependency::all([&first, &second])).with(gate.clone());
    let third = third.map_async(|gate: &Gate, ()| gate.arrivals().len(), [()], 1);
    gate.wait_for_arrivals(1);
    println!("waits: {}", third.explain().expect("the controller is there"));
    assert!(!second.ready() && second.progress().elements_done == 0);
    gate.open();
    assert_eq!(third.get().expect("all went well"), [8]);
    // What is over already is nothing to wait for.
    assert_eq!(view.clone().after(&third).apply(|| 5, ()).get().expect("it runs"), 5);
    println!("in order");
}

/// One failure ends what waits for success, and begins what waits for failure.
fn failures(view: &LoadBalancedView) {
    let broken = view.map_async(|x: u32| assert!(x != 2, "element 2 is broken"), 0..4, 1);
    let needs_it = view.clone().after(&broken).apply(|| 1, ());
    let needs_that = view.clone().after(&needs_it).apply(|| 2, ());
    let clean_up = view.clone().after(Dependency::all([&broken]).counting(false, true)).apply(|| 3, ());
    let either = Dependency::any([&needs_it, &needs_that]).and(&clean_up);
    let any = view.clone().after(either).apply(|| 4, ());
    for (what, out) in [("one", &needs_it), ("two", &needs_that)] {
        let error = out.get().expect_err("what it needs has failed");
        assert!(matches!(error, Error::Impossible(_)), "{error}");
        println!("{what}: {error}");
    }
    assert_eq!((clean_up.get().expect("it runs"), any.get().expect("it runs")), (3, 4));
    // Both are over: it is known here.
    let late = view.clone().after(&broken).apply(|| 5, ()).get().expect_err("it has failed");
    assert!(matches!(late, Error::Impossible(_)), "{late}");
    let aborted =
        view.map_async(|x: u64| std::thread::sleep(std::time::Duration::from_millis(x)), [100_000], 1);
    let after = view.clone().after(&aborted).apply(|| 6, ());
    aborted.abort();
    assert!(matches!(after.get(), Err(Error::Impossible(_))));
    let never = Dependency::all([&clean_up]).counting(false, false);
    println!("never: {}", view.clone().after(never).apply(|| 7, ()).get().expect_err("nothing counts"));
}

/// The controller is killed while both wait; it knows neither when it is back.
fn restart(view: &LoadBalancedView, gate: &Gate) {
    let done = view.apply(|| 1, ());
    done.get().expect("it runs");
    let pass = |gate: &Gate, x: u64| gate.pass(x);
    let first = view.with(gate.clone()).map_async(pass, 0..3, 1);
    let second = view.clone().after(&first).after(&done).follow(&first).with(gate.clone());
    let second = second.map_async(|gate: &Gate, x: u64| (gate.is_open(), x), 0..3, 1);
    gate.wait_for_arrivals(1);
    println!("both wait");
    assert_eq!(second.get().expect("both go on"), [(true, 0), (true, 1), (true, 2)]);
    first.get().expect("it went on");
    println!("in order");
}

/// The second job goes where the first has been, and finds there what it left.
fn follow(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let folder = gate.folder().to_owned();
    let stage = view.clone().targets([1, 2]).with(folder.clone());
    let stage = stage.map_async(|folder: &String, x: u64| Gate::at(folder).sign(x), 0..20, 1);
    let here = view.clone().follow(&stage).with(folder);
    let here = here.map_async(
        |folder: &String, _: u64| {
            let pid = std::process::id();
            Gate::at(folder).arrivals().iter().any(|arrival| arrival.pid == pid)
        },
        0..40,
        1,
    );
    assert!(here.get()?.iter().all(|found| *found));
    assert!(engines(&here).iter().all(|engine| engines(&stage).contains(engine)));
    let elsewhere = view.clone().targets(3).apply(|| 1, ());
    elsewhere.get()?;
    let both = view.clone().follow(Dependency::all([&stage]).and(&elsewhere)).apply(|| 2, ()).get();
    println!("nowhere: {}", both.expect_err("nobody ran both"));
    client.shutdown(3)?;
    let gone = view.follow(&elsewhere).apply(|| 3, ()).get().expect_err("its engine is gone");
    assert!(matches!(gone, Error::Impossible(_)), "{gone:?}");
    println!("gone: {gone}");
    Ok(())
}

/// On a node with `gpu=0` on slot 0, `gpu=1` on slot 1 and `memory=64` on all three; engine 3 is elsewhere and has nothing.
fn tags(client: &Client) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let device = |_: u64| std::env::var("PHALANX_TAG_GPU").unwrap_or_default();
    let on = |needs: &[&str]| {
        let view = needs.iter().fold(view.clone(), |view, need| view.needs(*need));
        let out = view.map_async(device, 0..40, 1);
        Ok::<_, Error>((out.get()?, engines(&out)))
    };
    let (devices, used) = on(&["gpu"])?;
    assert!(
        used.iter().all(|engine| *engine < 2) && devices.iter().all(|device| device == "0" || device == "1")
    );
    let (devices, used) = on(&["gpu=1", "memory>=32"])?;
    assert!(used == [1] && devices.iter().all(|device| device == "1"), "{used:?}");
    assert!(on(&["memory>=32"])?.1.iter().all(|engine| *engine < 3));
    println!("refused: {}", on(&["memory>=100"]).expect_err("nobody has that much"));
    println!("bad: {}", on(&["memory>100"]).expect_err("that is no need"));
    let tags = &client.engines()[1].tags;
    assert_eq!((tags["gpu"].as_str(), tags["memory"].as_str()), ("1", "64"));
    println!("tags are heeded");
    Ok(())
}

/// A job that must wait for the only engine that will do holds nobody up.
fn mixed(view: &LoadBalancedView, gate: Gate) -> phalanx::Result<()> {
    let bound = view.clone().needs("gpu").with(gate.clone());
    let bound = bound.map_async(|gate: &Gate, x: u64| gate.pass(x), 0..10, 1);
    gate.wait_for_arrivals(1);
    let free = view.map_async(|x: u64| x + 1, 0..1000, 1);
    assert_eq!(free.get()?.len(), 1000);
    assert_eq!(bound.progress().elements_done, 0);
    gate.open();
    bound.get()?;
    println!("nobody is held up");
    Ok(())
}

/// Waits for an engine that the test starts.
fn patient(view: &LoadBalancedView) -> phalanx::Result<()> {
    let out = view.clone().needs("gpu").patient().map_async(|x: u64| x, 0..4, 1);
    let why = || out.explain().map(|why| why.to_string()).unwrap_or_default();
    wait_until("it waits for a tag", DEADLINE, || {
        why().contains("no engine that is there has what it needs: gpu")
    });
    println!("waits");
    out.get()?;
    println!("ran on {:?}", engines(&out));
    Ok(())
}

/// The engines that it is bound to are killed by the test.
fn bound(view: &LoadBalancedView, gate: Gate) {
    let out = view.clone().targets([2, 3]).with(gate.clone());
    let out = out.map_async(|gate: &Gate, x: u64| gate.pass(x), 0..10, 1);
    gate.wait_for_arrivals(2);
    println!("runs");
    println!("ended: {}", out.get().expect_err("its engines are gone"));
}

/// Engines say by themselves whether they will do.
fn condition(client: &Client) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    client.direct_view([0, 2]).push("licence", &7_u32).get()?;
    let with_licence = view.clone().depend(|ns| ns.get::<u32>("licence").is_ok_and(|n| *n == 7));
    let out = with_licence.map_async(|x: u64| x * x, 0..60, 1);
    assert_eq!(out.get()?, (0..60).map(|x| x * x).collect::<Vec<u64>>());
    assert!(engines(&out).iter().all(|engine| [0, 2].contains(engine)), "{:?}", engines(&out));
    println!(
        "nowhere: {}",
        view.clone().depend(|_| false).apply(|| 1, ()).get().expect_err("it is never met")
    );
    let panics = view.clone().depend(|_| panic!("no licence server")).map_async(|x: u64| x, 0..9, 2);
    println!("panics: {}", panics.get().expect_err("it is never met"));
    // The same function without a condition still runs everywhere.
    assert_eq!(view.map_sync(|x: u64| x * x, 0..9, 1)?.len(), 9);
    println!("conditions are heeded");
    Ok(())
}

/// Two engines are busy with one job, and another waits behind it.
fn explain(view: &LoadBalancedView, gate: Gate) -> phalanx::Result<()> {
    let busy = view.clone().label("busy").with(gate.clone());
    let busy = busy.map_async(|gate: &Gate, x: u64| gate.pass(x), 0..20, 1);
    gate.wait_for_arrivals(2);
    let behind = view.clone().label("behind").map_async(|x: u64| x, 0..7, 1);
    let why = busy.explain()?;
    assert_eq!(why.running.iter().map(|held| held.engine).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(why.running.len() as u64 + why.chunks_queued + why.chunks_waiting, 20, "{why:?}");
    println!("{}", busy.id());
    println!("behind: {}", behind.explain()?);
    wait_until("the test has asked, too", DEADLINE, || gate.is_open());
    busy.get()?;
    behind.get()?;
    println!("ended: {}", behind.explain()?);
    Ok(())
}
