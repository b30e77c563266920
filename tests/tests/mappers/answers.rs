//! What maps give, and what they refuse.

use phalanx_tests::Cluster;

use crate::{numbers, run};

const KINDS: [&str; 3] = ["serial", "workers", "tasks"];

#[test]
fn all_mappers_give_the_same_in_the_order_of_the_lists() {
    let cluster = Cluster::start(0);
    for kind in KINDS {
        let finished = run(&cluster, "known", kind);
        assert_eq!(finished.line("values"), "values [1, 2, 3]", "{kind}");
        assert_eq!(finished.line("many"), "many true", "{kind}");
        assert_eq!(finished.line("empty"), "empty [] 0", "{kind}");
        assert_eq!(finished.line("joined"), "joined [\"1.5a7\", \"-0.0b8\"]", "{kind}");
    }
}

#[test]
fn what_is_missing_or_unequal_is_refused_before_anything_starts() {
    for kind in KINDS {
        let cluster = Cluster::start(0);
        let finished = run(&cluster, "refused", kind);
        let errors: Vec<_> =
            finished.lines("error ").into_iter().map(|line| line.split(':').next().unwrap()).collect();
        let workers: &[&str] = if kind == "serial" { &[] } else { &["error no workers"; 2] };
        let wanted = [&["error no function"], workers, &["error not initialised", "error unequal [3, 2]"]];
        assert_eq!(errors, wanted.concat(), "{kind}");
        assert_eq!(finished.line("arrived"), "arrived 0", "{kind}");
        assert_eq!(finished.line("values"), "values [0, 1, 2]", "the mapper goes on: {kind}");
    }
}

/// Three maps: none yet, four tasks of 300 ms, and one of 150 ms beside four that take no time.
#[test]
fn segment_times_are_those_of_the_last_map() {
    let cluster = Cluster::start(0);
    for kind in KINDS {
        let finished = run(&cluster, "times", kind);
        let maps: Vec<Vec<Vec<f64>>> = finished
            .stdout
            .split("--\n")
            .map(|map| map.lines().filter(|line| line.starts_with("worker ")).map(numbers).collect())
            .collect();
        let workers = if kind == "serial" { 1 } else { 3 };
        assert!(maps[..3].iter().all(|map| map.len() == workers), "{kind}: {maps:?}");
        let times = |map: usize| maps[map].iter().flatten().copied().collect::<Vec<_>>();
        assert!(times(0).is_empty(), "{kind}: {maps:?}");
        assert_eq!(times(1).len(), 4, "{kind}: {maps:?}");
        assert!(times(1).iter().all(|time| (0.3..5.0).contains(time)), "{kind}: {maps:?}");
        assert_eq!(times(2).len(), 5, "{kind}: {maps:?}");
        assert_eq!(times(2).iter().filter(|time| **time >= 0.15).count(), 1, "{kind}: {maps:?}");
        assert!(maps[2][0][0] >= 0.15, "task 0 goes to worker 0, and its time comes first: {kind}: {maps:?}");
        if kind != "serial" {
            assert!(maps[1].iter().all(|times| !times.is_empty()), "{kind}: all take part: {maps:?}");
        }
    }
}
