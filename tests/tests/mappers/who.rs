//! Which processes run tasks.

use std::collections::BTreeSet;

use phalanx_tests::{Cluster, is_alive};

use crate::{numbers, run, start};

/// The processes that ran the tasks of each of two maps, and how many others each task saw at most.
fn two_maps(kind: &str) -> [(Vec<u32>, usize); 2] {
    let cluster = Cluster::start(0);
    let gate = cluster.gate("gate");
    let program = start(&cluster, "pids", kind);
    let first = gate.wait_for_arrivals(3);
    assert_eq!(first.iter().map(|a| a.tag.as_str()).collect::<Vec<_>>(), ["0", "1", "2"], "{kind}");
    assert!(first.iter().all(|a| is_alive(a.pid)), "three are there at the same time: {kind}");
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("alive"), "alive 0", "nobody outlives the mapper: {kind}");
    let pids = finished.lines("pids");
    let others = finished.lines("others");
    [0, 1].map(|map| (numbers(pids[map]), others[map].trim_start_matches("others ").parse().unwrap()))
}

#[test]
fn workers_stay_from_map_to_map() {
    let [(first, _), (second, others)] = two_maps("workers");
    let distinct = |pids: &[u32]| pids.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(first.len(), 9);
    assert_eq!(distinct(&first).len(), 3, "{first:?}");
    assert_eq!(distinct(&first), distinct(&second));
    assert_eq!(others, 2);
}

/// The process before is gone when the next one begins: no task sees more than the two others.
#[test]
fn every_task_has_a_process_of_its_own_and_no_more_than_workers_are_there() {
    let maps = two_maps("tasks");
    let pids: BTreeSet<u32> = maps.iter().flat_map(|(pids, _)| pids.iter().copied()).collect();
    assert_eq!(pids.len(), 18, "{maps:?}");
    assert!(maps.iter().all(|(_, others)| *others <= 2), "{maps:?}");
}

#[test]
fn mappers_on_a_clients_engines_leave_alone_what_these_keep() {
    let cluster = Cluster::start(3);
    let finished = run(&cluster, "names", "any");
    let workers: BTreeSet<u32> = numbers(finished.line("workers")).into_iter().collect();
    let tasks: BTreeSet<u32> = numbers(finished.line("tasks")).into_iter().collect();
    assert_eq!((workers.len(), tasks.len()), (3, 9), "{}", finished.stdout);
    assert!(workers.is_disjoint(&tasks), "{}", finished.stdout);
    let stay: BTreeSet<u32> = numbers(finished.line("stay")).into_iter().collect();
    assert_eq!(stay, workers, "workers that stay are the engines' own");
    let three = "[\"k\"], [\"k\"], [\"k\"]";
    assert_eq!(finished.line("names"), format!("names [7, 7, 7] [{three}]"));
    assert_eq!(finished.line("beside"), "beside [0, 1, 2, 3, 4, 5, 6, 7, 8] 20100");
    cluster.wait_until_idle();
    phalanx_tests::wait_until("only the engines' own workers are left", phalanx_tests::DEADLINE, || {
        cluster.workers().into_iter().collect::<BTreeSet<_>>() == workers
    });
}
