//! `phalanx status` while jobs run: what it says is what is so.

use phalanx_tests::{Cluster, DEADLINE, Program, wait_for};
use serde_json::Value;

fn status(cluster: &Cluster, options: &[&str]) -> String {
    let mut arguments = vec!["status", "--profile", cluster.profile()];
    arguments.extend(options);
    Program::run(cluster, "phalanx", &arguments).stdout
}

/// The status, once it has settled to this.
#[track_caller]
fn settled(cluster: &Cluster, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, DEADLINE, || {
        let status = serde_json::from_str(&status(cluster, &["--json"])).expect("it is JSON");
        Some(status).filter(&so)
    })
}

fn sum(engines: &Value, key: &str) -> u64 {
    engines.as_array().expect("a list").iter().map(|e| e[key].as_u64().expect("a number")).sum()
}

#[test]
fn jobs_and_their_progress_are_shown() {
    let cluster = Cluster::start(2);
    let idle = settled(&cluster, "nothing runs", |_| true);
    assert_eq!((idle["jobs"].as_array().unwrap().len(), &idle["clients"]), (0, &0.into()));

    let gate = cluster.gate("gate");
    let program = Program::start(&cluster, "faults", &["map", gate.folder(), "40", "10"]);
    gate.wait_for_arrivals(12);
    let busy = settled(&cluster, "ten elements are done", |s| s["jobs"][0]["elements_done"] == 10);
    let job = &busy["jobs"][0];
    assert_eq!(busy["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&job["view"], &job["elements"], &job["percent"]),
        (&"balanced".into(), &40.into(), &25.0.into())
    );
    assert_eq!((&job["elements_failed"], &busy["clients"]), (&0.into(), &1.into()));
    assert!(job["label"].as_str().unwrap().contains("faults::map"), "{job}");
    let engines = &busy["engines"];
    assert_eq!(
        engines.as_array().unwrap().iter().map(|e| e["id"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(sum(engines, "chunks_completed"), 10);
    assert!(sum(engines, "chunks_assigned") >= 2);
    assert_eq!(job["chunks_assigned"], sum(engines, "chunks_assigned"));
    // The same, for people and scripts.
    let text = status(&cluster, &[]);
    let line = text.lines().find(|line| line.starts_with("job\t")).unwrap();
    assert!(line.contains("\tbalanced\t10\t40\t0\t25.0\t"), "{line}");

    gate.open();
    program.finish();
    settled(&cluster, "the job is gone", |s| s["jobs"].as_array().is_some_and(Vec::is_empty));
    let done = settled(&cluster, "all are counted", |s| sum(&s["engines"], "chunks_completed") == 40);
    assert_eq!(sum(&done["engines"], "chunks_assigned"), 0);
}
