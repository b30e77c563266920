//! Streams with real processes: ipyparallel's `imap`, `max_outstanding`, endless input, cancelling (its issue 743).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use phalanx::Error;
use phalanx_tests::{Cluster, DEADLINE, Finished, Program, wait_until};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "streams", arguments)
}

#[test]
fn a_reader_that_stops_stops_the_input_and_memory_stays_bounded() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "streams", &["stops", gate.folder()]);
    program.wait_for_line("stopped");
    // What is under way ends, and nothing follows.
    cluster.wait_until_idle();
    assert_eq!(cluster.status().payload_bytes, 0, "what nobody waits for is not kept");
    let resident = resident_kib(program.pid());
    assert!(resident < 256 << 10, "a million elements of 1 KiB, of which the client holds {resident} KiB");
    gate.open();
    assert_eq!(program.finish().line("went on"), "went on");
    cluster.wait_until_idle();
}

#[test]
fn what_waits_at_the_controller_is_bounded_while_engines_are_held_up() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "streams", &["held", gate.folder()]);
    gate.wait_for_arrivals(2);
    // The reader waits, with all that its bound allows under way.
    wait_until("the bound is reached", DEADLINE, || cluster.status().jobs.len() == 200);
    let bytes = cluster.status().payload_bytes;
    assert!((200 << 10..1 << 20).contains(&bytes), "{bytes} bytes");
    gate.open();
    program.wait_for_line("pulled ");
    program.finish();
}

#[test]
fn a_stream_is_cancelled_from_another_thread_and_nothing_is_left_of_it() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "streams", &["cancel", gate.folder()]);
    program.wait_for_line("ended");
    cluster.wait_until_idle();
    gate.open();
    program.finish();
}

#[test]
fn a_failing_element_is_an_error_of_its_own_and_the_stream_goes_on() {
    let cluster = Cluster::start(2);
    assert_eq!(run(&cluster, &["failures"]).line("failed"), "failed 200");
    let finished = run(&cluster, &["kills"]);
    let errors = finished.lines("error ");
    assert!(errors.len() == 1 && errors[0].starts_with("error element 50 "), "{errors:?}");
    assert!(errors[0].contains("quarantined: it ended the process that ran it 3 times"), "{errors:?}");
    assert_eq!(finished.line("good"), "good 99");
}

#[test]
fn a_stream_goes_on_when_the_controller_is_back() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "streams", &["restart", gate.folder()]);
    gate.wait_for_arrivals(1);
    cluster.controller().kill();
    cluster.start_controller();
    gate.open();
    program.wait_for_line("all there");
    program.finish();
}

#[test]
fn every_engine_has_its_part_of_a_stream() {
    let cluster = Cluster::start(3);
    assert_eq!(run(&cluster, &["spreads"]).line("processes"), "processes 3");
}

#[test]
fn a_stream_whose_client_is_closed_says_so_once() {
    let client = phalanx::Client::in_process(1).unwrap();
    let mut stream = client.load_balanced_view().map_stream(|x: u64| x, 0..);
    assert_eq!(stream.next().unwrap().unwrap(), 0);
    drop(client);
    assert!(matches!(stream.find_map(Result::err), Some(Error::Closed)));
    assert!(stream.next().is_none());
}

#[test]
fn input_that_panics_ends_the_stream_after_what_came_before() {
    let client = phalanx::Client::in_process(2).unwrap();
    let input = (0..).inspect(|x| assert!(*x < 20, "no more than twenty"));
    let mut stream = client.load_balanced_view().map_stream(|x: u64| x + 1, input);
    for x in 0..20 {
        assert_eq!(stream.next().unwrap().unwrap(), x + 1);
    }
    let error = stream.next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::StreamInput(text) if text == "no more than twenty"), "{error}");
    assert!(stream.next().is_none() && stream.next().is_none());
}

#[test]
fn bounds_of_nothing_and_chunks_of_nothing_are_one_error_each() {
    let client = phalanx::Client::in_process(1).unwrap();
    let view = client.load_balanced_view();
    let stream = || view.map_stream(|x: u64| x, 0..);
    for (stream, text) in [
        (stream().max_outstanding(0), "max_outstanding(0)"),
        (stream().max_bytes(0), "max_bytes(0)"),
        (stream().chunksize(0), "chunksize 0"),
        (stream().chunksize(-1), "chunksize -1"),
    ] {
        let outcomes: Vec<_> = stream.collect();
        let [Err(error)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn an_element_that_cannot_be_encoded_is_an_error_in_its_place() {
    /// Serde says no to some of them.
    #[derive(Debug, serde::Deserialize)]
    struct Picky(u64);
    impl serde::Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 == 7 {
                Err(serde::ser::Error::custom("not seven"))
            } else {
                self.0.serialize(serializer)
            }
        }
    }
    let client = phalanx::Client::in_process(2).unwrap();
    let stream = client.load_balanced_view().map_stream(|x: Picky| x.0, (0..20).map(Picky));
    for (x, outcome) in (0..20).zip(stream) {
        match outcome {
            Ok(value) => assert!(value == x && x != 7),
            Err(e) => assert!(x == 7 && e.to_string().contains("element 7: codec error"), "{e}"),
        }
    }
}

/// What a process has in memory.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The reader feeds the input: nothing is pulled while an outcome is there to be read.
#[test]
fn an_input_may_wait_for_the_streams_own_outcomes() {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let client = phalanx::Client::in_process(1).unwrap();
        let (feed, items) = mpsc::channel();
        feed.send(0_u64).unwrap();
        let mut stream = client.load_balanced_view().map_stream(|x: u64| x + 1, items).max_outstanding(1);
        let mut last = 0;
        for _ in 0..50 {
            last = stream.next().unwrap().unwrap();
            feed.send(last).unwrap();
        }
        tell.send(last).unwrap();
    });
    assert_eq!(told.recv_timeout(DEADLINE), Ok(50));
}

static FIRST_MAY_END: AtomicBool = AtomicBool::new(false);

#[test]
fn an_ordered_stream_goes_on_behind_an_element_that_takes_its_time() {
    let client = phalanx::Client::in_process(2).unwrap();
    let pulled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&pulled);
    let items = (0..1_000_u64).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let first_waits = |x: u64| {
        while x == 0 && !FIRST_MAY_END.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        x
    };
    let stream = client.load_balanced_view().map_stream(first_waits, items).chunksize(1);
    let reader = std::thread::spawn(move || {
        let pulled = pulled;
        wait_until("many are pulled behind the first", DEADLINE, || pulled.load(Ordering::Relaxed) > 300);
        FIRST_MAY_END.store(true, Ordering::Relaxed);
    });
    let all: Vec<u64> = stream.collect::<phalanx::Result<_>>().unwrap();
    reader.join().unwrap();
    assert_eq!(all, (0..1_000).collect::<Vec<_>>());
}

/// What is wrong with a stream's place is the stream's matter, and no other job's.
#[test]
fn a_stream_that_cannot_be_placed_says_so_and_its_client_goes_on() {
    let client = phalanx::Client::in_process(1).unwrap();
    let lview = client.load_balanced_view();
    let first =
        |view: phalanx::LoadBalancedView| view.map_stream(|x: u64| x, 0..9).next().unwrap().unwrap_err();
    let bad = first(lview.clone().needs("memory>lots"));
    assert!(matches!(&bad, Error::BadNeed(need) if need == "memory>lots"), "{bad}");
    let nobody = first(lview.clone().targets([7]));
    assert!(matches!(nobody, Error::UnknownEngine { engine: 7, .. }), "{nobody:?}");
    let kept = first(lview.clone().keep());
    assert!(kept.to_string().contains("without keep()"), "{kept}");
    let long = lview.clone().needs("x".repeat(1_000)).map_async(|x: u64| x, 0..9, 1).get().unwrap_err();
    assert!(matches!(long, Error::BadNeed(_)), "{long}");
    assert_eq!(lview.apply(|x: u64| x + 1, (1,)).get().unwrap(), 2);
}

/// A stream's chunks are jobs of the view that it was made of.
#[test]
fn what_a_view_says_of_its_jobs_holds_for_every_chunk_of_a_stream() {
    let client = phalanx::Client::in_process(3).unwrap();
    let lview = client.load_balanced_view();
    let engines = |view: phalanx::LoadBalancedView| -> BTreeSet<u32> {
        let stream = view.map_stream(|_: u64| phalanx::here().unwrap().engine, 0..300);
        stream.chunksize(1).map(Result::unwrap).collect()
    };
    assert_eq!(engines(lview.clone().targets([2])), BTreeSet::from([2]));
    let elsewhere = engines(lview.clone().depend(|namespace| namespace.engine() != 1));
    assert!(!elsewhere.is_empty() && !elsewhere.contains(&1), "{elsewhere:?}");
    let second_try = |x: u64| {
        let attempt = phalanx::here().unwrap().attempt;
        assert!(attempt > 1 || !x.is_multiple_of(50), "not yet");
        attempt
    };
    let attempts: Vec<u32> = lview.retries(1).map_stream(second_try, 0..200).map(Result::unwrap).collect();
    assert_eq!(attempts.len(), 200);
    assert_eq!(attempts.iter().filter(|attempt| **attempt == 2).count(), 4);
}

#[derive(Clone, serde::Deserialize)]
struct Brittle(u64, u64);

impl serde::Serialize for Brittle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple as _;
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.0)?;
        assert!(self.0 != 5, "it breaks in the middle");
        pair.serialize_element(&self.1)?;
        pair.end()
    }
}

#[test]
fn an_element_that_panics_while_it_is_encoded_leaves_those_before_it_whole() {
    let client = phalanx::Client::in_process(1).unwrap();
    let items = (0..9).map(|x| Brittle(x, x));
    let f = |pair: Brittle| pair.0;
    let stream = client.load_balanced_view().map_stream(f, items).chunksize(4);
    let outcomes: Vec<phalanx::Result<u64>> = stream.collect();
    let values: Vec<u64> = outcomes.iter().flatten().copied().collect();
    assert_eq!(values, [0, 1, 2, 3, 4]);
    assert!(matches!(outcomes.last(), Some(Err(Error::StreamInput(_)))), "{outcomes:?}");
    assert_eq!(client.load_balanced_view().apply(|x: u64| x + 1, (1,)).get().unwrap(), 2);
}
