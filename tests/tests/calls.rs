//! Arguments that are names, places among a call's engines, and futures, with real processes: ipyparallel's `Reference`,
//! `executor`, `get_dict`, `wait`, `return_when`.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use futures_util::{FutureExt, StreamExt};
use phalanx::Client;
use phalanx_tests::{Cluster, DEADLINE, Finished, Gate, Program, wait_until};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "calls", arguments)
}

#[test]
fn a_reference_is_the_value_of_each_engine_wherever_arguments_hold_it() {
    let cluster = Cluster::start(3);
    assert_eq!(run(&cluster, &["references"]).line("resolved"), "resolved");
}

#[test]
fn a_reference_that_cannot_be_resolved_says_why() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["unresolved"]);
    for (beginning, text) in [
        ("missing: ", "name error: engine 0 has no value named \"b\"; it has a"),
        ("mistyped: ", "type error: \"a\" on engine 0 is of type i32, not alloc::vec::Vec<f64>"),
        ("balanced: ", "is of type i32, not alloc::vec::Vec<f64>"),
        ("balanced map: ", "has no value named \"b\""),
        ("come back: ", "has none here"),
    ] {
        assert!(finished.line(beginning).contains(text), "{}", finished.line(beginning));
    }
    assert_eq!(finished.line("ended"), "ended");
}

#[test]
fn a_function_knows_its_place_among_the_engines_of_its_call() {
    let cluster = Cluster::start(3);
    assert_eq!(run(&cluster, &["ranks"]).line("in their places"), "in their places");
}

#[test]
fn many_threads_call_and_wait_at_once() {
    let cluster = Cluster::start(2);
    let sum = (64 * 63 / 2) * (100 * 99 / 2);
    assert_eq!(run(&cluster, &["threads"]).line("sum"), format!("sum {sum}"));
    cluster.wait_until_idle();
}

#[test]
fn an_executor_shuts_down_with_or_without_waiting_and_takes_nothing_afterwards() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["executor", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("ended"), "ended");
    cluster.wait_until_idle();
}

#[test]
fn several_jobs_are_waited_for_until_one_ends_or_fails_or_all_have() {
    let cluster = Cluster::start(3);
    let finished = run(&cluster, &["waits", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("ended"), "ended");
    assert!(finished.line("5/5").contains("1 element failed"), "{}", finished.stdout);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn results_are_futures_for_join_all_and_select() {
    let client = Client::in_process(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::at(folder.path());
    let executor = client.load_balanced_view().executor();
    let held = |gate: Gate| {
        gate.pass("held");
        7
    };
    runtime().block_on(async {
        let calls = (0..50_u64).map(|x| executor.submit(|x: u64| x * x, (x,)));
        let squares: Result<Vec<u64>, _> = join_all(calls).await.into_iter().collect();
        assert_eq!(squares.unwrap(), (0..50).map(|x| x * x).collect::<Vec<_>>());

        let mut slow = executor.submit(held, (gate.clone(),));
        let quick = executor.submit(|| 1, ());
        let Either::Right((quick, _)) = select(&mut slow, quick).await else { panic!("the gate is closed") };
        assert_eq!(quick.unwrap(), 1);
        tokio::select! {
            _ = &mut slow => panic!("the gate is closed"),
            map = executor.map(|x: u64| x + 1, 0..3) => assert_eq!(map.unwrap(), [1, 2, 3]),
        }
        // A future that is dropped lets its call go on; so does one that runs out of time.
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut slow).await.is_err());
        assert!(!slow.ready() && executor.outstanding() == 1);
        gate.open();
        assert_eq!(slow.await.unwrap(), 7);
    });
}

#[test]
fn what_is_dropped_before_it_is_there_goes_on_and_what_is_aborted_does_not() {
    let client = Client::in_process(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::at(folder.path());
    let view = client.load_balanced_view();
    let sign = |gate: Gate, name: String| gate.sign(name);
    runtime().block_on(async {
        let mut dropped = view.apply(sign, (gate.clone(), "dropped".to_owned()));
        let _ = (&mut dropped).now_or_never();
        drop(dropped);
        let aborted = view.apply(|| std::thread::sleep(10 * DEADLINE), ());
        aborted.abort();
        assert!(matches!(aborted.await, Err(phalanx::Error::Aborted)));
    });
    assert_eq!(gate.wait_for_arrivals(1)[0].tag, "dropped");
}

#[test]
fn a_stream_is_awaited_in_order_and_as_completed() {
    let client = Client::in_process(2).unwrap();
    let view = client.load_balanced_view();
    runtime().block_on(async {
        let squares = view.map_stream(|x: u64| x * x, 0..).into_async();
        let first: Vec<u64> = squares.take(500).map(Result::unwrap).collect().await;
        assert_eq!(first, (0..500).map(|x| x * x).collect::<Vec<_>>());

        let mut tripled =
            view.with(3).map_stream(|k: &u64, x: u64| k * x, 0..100).as_completed().into_async();
        let mut seen = vec![false; 100];
        while let Some(outcome) = tripled.next().await {
            let (index, value) = outcome.unwrap();
            assert!(value == 3 * index && !std::mem::replace(&mut seen[index as usize], true));
        }
        assert!(seen.into_iter().all(|seen| seen));
    });
}

#[test]
fn a_stream_that_is_awaited_is_cancelled_by_another_task() {
    let client = Client::in_process(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::at(folder.path());
    let view = client.load_balanced_view().with(gate.clone());
    runtime().block_on(async {
        let mut stream = view.map_stream(|gate: &Gate, x: u64| gate.pass(x), 0..).into_async();
        let canceller = stream.canceller();
        let outcome = {
            let mut next = pin!(stream.next());
            assert!(matches!(futures_util::poll!(&mut next), Poll::Pending));
            canceller.cancel();
            next.await
        };
        assert!(matches!(outcome, Some(Err(phalanx::Error::StreamCancelled))));
        assert!(stream.next().await.is_none());
    });
    gate.open();
}

#[test]
fn a_reference_that_an_engine_of_a_load_balanced_view_does_not_have_is_named() {
    let client = phalanx::Client::in_process(1).unwrap();
    let f = |a: phalanx::Reference<u64>| *a;
    let error = client.load_balanced_view().apply(f, (phalanx::Reference::new("a"),)).get().unwrap_err();
    let phalanx::Error::Remote(all) = &error else { panic!("{error}") };
    let remote = &all.errors[0];
    assert_eq!(remote.kind, phalanx::RemoteErrorKind::Name, "{remote}");
    assert!(remote.message.starts_with("engine 0 has no value named \"a\""), "{remote}");
}

/// A value that went along as a reference is lent to an engine only as long as that engine needs it.
#[test]
fn what_is_lent_to_a_direct_call_comes_back_when_its_engine_has_done_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::at(folder.path());
    let client = phalanx::Client::in_process(2).unwrap();
    let dview = client.direct_view(..);
    dview.push("a", &vec![1.0]).get().unwrap();
    let along = (phalanx::Reference::<Vec<f64>>::new("a"), gate.clone());
    let f = |(a, gate): &(phalanx::Reference<Vec<f64>>, Gate), i: u32| {
        if i == 1 {
            gate.pass(i);
        }
        a.len()
    };
    let out = dview.with(along).map_async(f, 0..2);
    wait_until("engine 0 has done its part", DEADLINE, || out.chunks().len() == 1);
    let grow = |ns: &mut phalanx::Namespace| ns.get_mut::<Vec<f64>>("a").map(|a| a.push(2.0));
    client.engine(0).try_execute(grow).get().unwrap();
    assert!(client.engine(1).try_execute(grow).get_timeout(Duration::ZERO).is_err());
    gate.open();
    assert_eq!(out.get().unwrap(), [1, 1]);
}
