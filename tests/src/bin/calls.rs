//! The client of the tests of arguments and futures: `calls SCENARIO ARGUMENTS…`. It checks its own results and prints what a test then
//! looks at, a line each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use phalanx::{Client, Error, Here, Reference, RemoteErrorKind, ReturnWhen, here};
use phalanx_tests::Gate;
use serde::{Deserialize, Serialize};

const THREADS: u64 = 64;
const CALLS: u64 = 100;

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::connect("test")?;
    match arguments[..] {
        ["references"] => references(&client)?,
        ["unresolved"] => unresolved(&client)?,
        ["ranks"] => ranks(&client)?,
        ["threads"] => threads(&client),
        ["executor", gate] => executor(&client, &Gate::at(gate))?,
        ["waits", gate] => waits(&client, &Gate::at(gate))?,
        _ => panic!("no such scenario: {arguments:?}"),
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Model {
    weights: Reference<Vec<f64>>,
    bias: f64,
}

/// Names in the place of values, wherever arguments can hold them.
fn references(client: &Client) -> phalanx::Result<()> {
    let dview = client.direct_view(..);
    let n = client.ids().len();
    let whole: Vec<f64> = (0..4 * n).map(|x| x as f64).collect();
    dview.scatter("a", &whole).get()?;
    dview.execute(|ns| ns.set("k", f64::from(ns.rank()))).get()?;
    let sums = |i: usize| (4 * i..4 * i + 4).map(|x| x as f64).sum::<f64>();

    let got =
        dview.apply(|a: Reference<Vec<f64>>, k: f64| a.iter().sum::<f64>() * k, (Reference::new("a"), 2.0));
    assert_eq!(got.get()?, (0..n).map(|i| 2.0 * sums(i)).collect::<Vec<_>>());

    let in_a_struct = |model: Model| model.weights.len() as f64 + model.bias;
    let got = dview.apply(in_a_struct, (Model { weights: Reference::new("a"), bias: 0.5 },));
    assert_eq!(got.get()?, vec![4.5; n]);

    let in_a_list = |both: Vec<Reference<f64>>| both.iter().map(|x| **x).sum::<f64>();
    let got = dview.apply(in_a_list, (vec![Reference::new("k"), Reference::new("k")],));
    assert_eq!(got.get()?, (0..n).map(|i| 2.0 * i as f64).collect::<Vec<_>>());

    let items = (0..n).map(|i| (i as f64, Reference::<f64>::new("k")));
    let got = dview.map_async(|(x, k): (f64, Reference<f64>)| x - *k, items);
    assert_eq!(got.get()?, vec![0.0; n]);

    let along = dview.with(Reference::<f64>::new("k"));
    let got = along.map_async(|k: &Reference<f64>, x: f64| x + **k, vec![1.0; n]);
    assert_eq!(got.get()?, (0..n).map(|i| 1.0 + i as f64).collect::<Vec<_>>());

    // On a load-balanced view they are those of the engine that gets the chunk.
    let lview = client.load_balanced_view();
    let mine = lview.map_async(|k: Reference<f64>| *k, (0..50).map(|_| Reference::new("k")), 1);
    let mine = mine.get()?.into_iter().zip(mine.chunks());
    assert!(mine.into_iter().all(|(k, chunk)| k == f64::from(chunk.engine)));
    client.engine(1).execute(|ns| ns.set("table", vec![3, 4])).get()?;
    let found = lview.clone().depend(|ns| ns.contains("table"));
    let found = found.with(Reference::<Vec<i32>>::new("table")).map_async(|t, i: usize| t[i], [1, 0], 1);
    assert_eq!(found.get()?, [4, 3]);
    let left = lview.execute(|ns| ns.set("left", ns.engine()));
    let there = lview.clone().follow(&left).apply(|e: Reference<u32>| *e, (Reference::new("left"),));
    assert_eq!(there.get()?, left.chunks()[0].engine);

    // They are not copied: two of them are the same place in memory, and changing it afterwards is possible.
    let same = |a: Reference<Vec<f64>>, b: Reference<Vec<f64>>| a.as_ptr() == b.as_ptr();
    assert_eq!(dview.apply(same, (Reference::new("a"), Reference::new("a"))).get()?, vec![true; n]);
    dview.execute(|ns| ns.get_mut::<Vec<f64>>("a").expect("nobody has kept it").push(1.0)).get()?;
    let lens = dview.apply(|a: Reference<Vec<f64>>| a.len(), (Reference::new("a"),)).get_dict()?;
    assert_eq!(lens, client.ids().into_iter().map(|id| (id, 5)).collect::<BTreeMap<_, _>>());
    println!("resolved");
    Ok(())
}

/// What does not resolve, and how it is said.
fn unresolved(client: &Client) -> phalanx::Result<()> {
    let dview = client.direct_view(..);
    dview.push("a", &7_i32).get()?;
    client.direct_view(0).execute(|ns| ns.set("only", 1.5)).get()?;
    let length = |a: Reference<Vec<f64>>| a.len();
    print_error("missing", dview.apply(length, (Reference::new("b"),)).get());
    print_error("mistyped", dview.apply(length, (Reference::new("a"),)).get());
    let only = dview.apply(|x: Reference<f64>| *x, (Reference::new("only"),)).results_dict()?;
    assert_eq!(only[&0], Ok(1.5));
    assert_eq!(only[&1].as_ref().map_err(|e| e.kind), Err(RemoteErrorKind::Name));
    let lview = client.load_balanced_view();
    print_error("balanced", lview.apply(length, (Reference::new("a"),)).get());
    let items = [Reference::<i32>::new("b")];
    print_error("balanced map", lview.map_async(|a: Reference<i32>| *a, items, 1).get());
    print_error("come back", dview.apply(|| Reference::<i32>::new("a"), ()).get().map(drop));
    // What follows is as if nothing had been.
    assert_eq!(dview.apply(|a: Reference<i32>| *a, (Reference::new("a"),)).get()?, [7, 7]);
    println!("ended");
    Ok(())
}

/// Places among the targets of a call.
fn ranks(client: &Client) -> phalanx::Result<()> {
    assert_eq!(here(), None);
    let whole =
        |here: Option<Here>| here.map(|here| (here.engine, here.rank, here.size)).expect("it runs on one");
    let all = client.direct_view(..).apply(here, ()).get()?;
    assert_eq!(all.into_iter().map(whole).collect::<Vec<_>>(), [(0, 0, 3), (1, 1, 3), (2, 2, 3)]);
    let some = client.direct_view([-1, 0]).apply(here, ()).get()?;
    assert_eq!(some.into_iter().map(whole).collect::<Vec<_>>(), [(2, 0, 2), (0, 1, 2)]);
    assert!(matches!(client.direct_view([2, 0, -1]).apply(here, ()).get(), Err(Error::EngineTwice(2))));
    let mapped = client.direct_view([1, 2]).map_sync(|_: u32| here(), 0..4)?;
    let places = mapped.into_iter().map(whole).collect::<Vec<_>>();
    assert_eq!(places, [(1, 0, 2), (1, 0, 2), (2, 1, 2), (2, 1, 2)]);
    let alone = client.direct_view(-1).execute(|ns| (ns.engine(), ns.rank(), ns.size())).get()?;
    assert_eq!(alone, (2, 0, 1));
    let (_, rank, size) = whole(client.load_balanced_view().apply(here, ()).get()?);
    assert_eq!((rank, size), (0, 1));
    println!("in their places");
    Ok(())
}

/// Many threads that call and wait at the same time, as those of rayon's would.
fn threads(client: &Client) {
    let executor = client.load_balanced_view().executor();
    let sum = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (executor, sum) = (&executor, &sum);
            scope.spawn(move || {
                for call in 0..CALLS {
                    let value = executor.submit(|a: u64, b: u64| a * b, (thread, call)).get();
                    assert_eq!(value.expect("it is well"), thread * call);
                    sum.fetch_add(thread * call, Ordering::Relaxed);
                }
            });
        }
    });
    executor.shutdown(true);
    println!("sum {}", sum.load(Ordering::Relaxed));
}

/// Calls that are made, waited for, and refused.
fn executor(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let held = |gate: Gate, x: u64| {
        gate.pass(x);
        x
    };
    let executor = client.load_balanced_view().executor();
    let calls: Vec<_> = (0..4).map(|x| executor.submit(held, (gate.clone(), x))).collect();
    let squares = executor.map(|x: u64| x * x, 0..1000);
    assert!(!executor.wait(Some(std::time::Duration::from_millis(20))));
    executor.shutdown(false);
    assert!(matches!(executor.submit(|| 1, ()).get(), Err(Error::ExecutorShutDown)));
    assert!(matches!(executor.map(|x: u64| x, 0..3).get(), Err(Error::ExecutorShutDown)));
    gate.wait_for_arrivals(1);
    gate.open();
    executor.shutdown(true);
    assert_eq!(executor.outstanding(), 0);
    assert!(calls.iter().all(|call| call.ready()) && squares.ready());
    drop(executor);
    assert_eq!(calls[3].get()?, 3);

    // Dropped, with its calls going on; and cancelled.
    let other = client.load_balanced_view().executor();
    let call = other.submit(|x: u64| x + 1, (1,));
    drop(other);
    assert_eq!(call.get()?, 2);
    let third = client.load_balanced_view().executor();
    let endless = third.submit(|| std::thread::sleep(10 * phalanx_tests::DEADLINE), ());
    third.cancel();
    assert!(matches!(endless.get(), Err(Error::Aborted)));
    println!("ended");
    Ok(())
}

/// Several jobs at once.
fn waits(client: &Client, gate: &Gate) -> phalanx::Result<()> {
    let view = client.load_balanced_view();
    let held = |gate: &Gate, x: u64| {
        if x == 1 {
            gate.pass(x);
        }
        assert!(x != 2, "no twos");
        x
    };
    let run = |xs: std::ops::Range<u64>| view.with(gate.clone()).map_async(held, xs, 1);
    // The second waits at the gate, and the third fails while it waits there too.
    let jobs = [run(0..1), run(1..2), run(1..4)];
    let first = client.wait_when(&jobs, ReturnWhen::FirstCompleted, None);
    assert!(first.done.contains(&0), "{first:?}");
    let failed = client.wait_when(&jobs, ReturnWhen::FirstException, None);
    assert_eq!((failed.failed.as_slice(), failed.pending.contains(&1)), ([2].as_slice(), true), "{failed:?}");
    let timeout = Some(std::time::Duration::from_millis(20));
    assert!(!client.wait(&jobs, timeout));
    println!("failed early");
    gate.open();
    client.wait_interactive(&jobs)?;
    assert!(client.wait(&jobs, None));
    let all = client.wait_when([jobs[0].as_ref(), jobs[2].as_ref()], ReturnWhen::default(), None);
    assert_eq!(
        (all.done.as_slice(), all.pending.len(), all.failed.as_slice()),
        ([0, 1].as_slice(), 0, [1].as_slice())
    );
    assert!(client.wait(Vec::<phalanx::JobHandle>::new(), None));
    println!("ended");
    Ok(())
}

fn print_error<T: std::fmt::Debug>(what: &str, outcome: phalanx::Result<T>) {
    let error = outcome.expect_err("it cannot be");
    println!("{what}: {}", error.to_string().replace('\n', " "));
}
