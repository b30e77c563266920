//! What workers keep for themselves.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_tests::Cluster;

use crate::run;

/// A use: task, worker, how often the resource had been used, process.
type Use = [u64; 4];

fn uses(cluster: &Cluster, kind: &str) -> Vec<Use> {
    let finished = run(cluster, "resources", kind);
    let number = |word: Option<&str>| word.unwrap().parse().unwrap();
    let used = |line: &str| {
        let mut words = line.split(' ').skip(1).step_by(2);
        [(); 4].map(|()| number(words.next()))
    };
    if kind.starts_with("on-") {
        assert!(finished.line("error ").starts_with("error too few 4 3: "), "{}", finished.stdout);
    }
    assert!(finished.stdout.ends_with("cleaned up\n"));
    finished.lines("use ").into_iter().map(used).collect()
}

/// How often each worker's resource was made and dropped.
fn signed(cluster: &Cluster, what: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for arrival in cluster.gate("gate").arrivals() {
        if let Some(worker) = arrival.tag.strip_prefix(what) {
            *found.entry(worker.to_owned()).or_default() += 1;
        }
    }
    found
}

#[test]
fn each_worker_makes_its_resource_once_and_keeps_it() {
    for (engines, kind) in [(0, "workers"), (3, "on-workers")] {
        let cluster = Cluster::start(engines);
        let uses = uses(&cluster, kind);
        assert_eq!(uses.len(), 18);
        let once = BTreeMap::from([("0".to_owned(), 1), ("1".to_owned(), 1)]);
        assert_eq!(signed(&cluster, "made-"), once, "{kind}");
        if kind == "on-workers" {
            assert_eq!(signed(&cluster, "dropped-"), once, "cleanup lets them go");
        }
        let workers: BTreeSet<(u64, u64)> = uses.iter().map(|[_, worker, _, pid]| (*worker, *pid)).collect();
        assert_eq!(workers.iter().map(|(worker, _)| *worker).collect::<Vec<_>>(), [0, 1], "{kind}: {uses:?}");
        for worker in [0, 1] {
            let mut counts: Vec<u64> =
                uses.iter().filter(|used| used[1] == worker).map(|used| used[2]).collect();
            counts.sort_unstable();
            let all: Vec<u64> = (1..=counts.len() as u64).collect();
            assert_eq!(counts, all, "the same resource in both maps: {kind}: {uses:?}");
        }
    }
}

#[test]
fn every_task_of_its_own_process_makes_a_resource_and_drops_it() {
    for (engines, kind) in [(0, "tasks"), (3, "on-tasks")] {
        let cluster = Cluster::start(engines);
        let uses = uses(&cluster, kind);
        assert!(uses.iter().all(|[_, worker, uses, _]| *worker < 2 && *uses == 1), "{kind}: {uses:?}");
        for what in ["made-", "dropped-"] {
            assert_eq!(signed(&cluster, what).values().sum::<usize>(), 18, "{kind}: {what}");
        }
        let workers: BTreeSet<u64> = uses.iter().map(|used| used[1]).collect();
        assert_eq!(workers.len(), 2, "{kind}: both take part: {uses:?}");
    }
}
