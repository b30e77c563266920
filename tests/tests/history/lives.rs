//! Controllers come and go; what was noted stays.

use std::time::Duration;

use phalanx_tests::{Cluster, DEADLINE, Program, Signal, wait_until};

use super::{asked, run, states};

/// What `history kinds` leaves behind, the newest first.
fn expect_all_kinds(found: &[(String, String)]) {
    let state = |label: &str| {
        let known: Vec<_> =
            found.iter().filter(|(l, _)| l == label).map(|(_, state)| state.as_str()).collect();
        known.join(" ")
    };
    for (label, expected) in [
        ("kind::good", "completed"),
        ("kind::bad", "failed"),
        ("kind::aborted", "aborted"),
        ("kind::expired", "expired"),
    ] {
        assert_eq!(state(label), expected, "{label} in {found:?}");
    }
    assert_eq!(found.len(), 5);
}

#[test]
fn jobs_are_listed_after_the_controller_was_killed_and_by_its_successor() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let finished = run(&cluster, &["kinds", gate.folder()]);
    let bad = finished.line("bad ").trim_start_matches("bad ").to_owned();
    let answer = asked(cluster.home(), &[]);
    assert_eq!((&answer["running"], &answer["dropped"]), (&true.into(), &0.into()));
    expect_all_kinds(&states(&answer));

    cluster.controller().kill();
    let left = asked(cluster.home(), &[]);
    assert_eq!(left["running"], false);
    assert_eq!(left["jobs"], answer["jobs"], "without a controller the file is read");
    let rows = asked(cluster.home(), &["--job", &bad[24..], "--failed"]);
    assert_eq!(rows["jobs"][0]["id"], bad);
    assert_eq!(rows["chunks"].as_array().unwrap().len(), 1);
    assert_eq!((&rows["chunks"][0]["element_first"], &rows["chunks"][0]["elements"]), (&5.into(), &5.into()));
    assert!(rows["chunks"][0]["message"].as_str().unwrap().contains("seven is bad"), "{rows}");

    cluster.start_controller();
    assert_eq!(asked(cluster.home(), &[])["jobs"], answer["jobs"]);
    let listed = run(&cluster, &["list"]);
    assert_eq!(listed.lines("job ").len(), 5);
    assert!(listed.line("job kind::bad ").starts_with("job kind::bad failed: 19 done, 1 failed of 20: "));
}

/// Nobody asks before it ends, so the last notes must go to the file with its end.
#[test]
fn a_controller_that_is_stopped_writes_what_it_has() {
    let mut cluster = Cluster::start(2);
    run(&cluster, &["kinds", cluster.gate("gate").folder()]);
    cluster.controller().signal(Signal::TERM);
    assert!(cluster.controller().wait(DEADLINE).success());
    let left: Vec<_> = std::fs::read_dir(cluster.profile_folder()).unwrap().flatten().collect();
    let log = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("history.sqlite-");
    assert!(!left.iter().any(log), "its log is merged into the file: {left:?}");
    expect_all_kinds(&states(&asked(cluster.home(), &[])));
    cluster.start_controller();
    assert_eq!(run(&cluster, &["list"]).lines("job ").len(), 5);
}

#[test]
fn a_job_that_goes_on_with_the_next_controller_is_one_job() {
    let mut cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "history", &["held", gate.folder(), "4"]);
    gate.wait_for_arrivals(1);
    wait_until("four elements are noted", DEADLINE, || {
        asked(cluster.home(), &[])["jobs"][0]["elements_done"] == 4
    });
    assert_eq!(states(&asked(cluster.home(), &[])), [("held".to_owned(), "running".to_owned())]);
    assert_eq!(
        asked(cluster.home(), &["--state", "running", "--since", "1h"])["jobs"][0]["elements_done"],
        4
    );

    cluster.controller().kill();
    let left = asked(cluster.home(), &[]);
    assert_eq!(states(&left), [("held".to_owned(), "interrupted".to_owned())]);
    assert_eq!(left["jobs"][0]["elements_done"], 4);
    cluster.start_controller();
    gate.open();
    program.wait_for_line("done");
    let answer = asked(cluster.home(), &[]);
    assert_eq!(states(&answer), [("held".to_owned(), "completed".to_owned())]);
    let job = &answer["jobs"][0];
    assert_eq!((&job["elements_done"], &job["elements_failed"]), (&10.into(), &0.into()), "{job}");
    assert!(job["submitted_ns"].as_u64() == left["jobs"][0]["submitted_ns"].as_u64(), "{job}");
}

#[test]
fn a_job_whose_client_was_killed_says_so() {
    let cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "history", &["held", gate.folder(), "0"]);
    gate.wait_for_arrivals(1);
    program.kill();
    wait_until("it is noted", DEADLINE, || {
        states(&asked(cluster.home(), &[])) == [("held".to_owned(), "client-lost".to_owned())]
    });
    gate.open();
    cluster.wait_until_idle();
}

/// A cluster inside a program has a history too, while it lasts.
#[test]
fn a_local_cluster_has_a_history() {
    let client = phalanx::Client::in_process(2).unwrap();
    let out = client.load_balanced_view().map_async(|x: u64| x, 0..1_000, 1);
    out.get().unwrap();
    let jobs = client.history(phalanx::HistoryQuery::new().within(Duration::from_secs(3_600))).unwrap();
    assert_eq!((jobs.len(), jobs[0].id.clone(), jobs[0].chunks), (1, out.id(), 1_000));
    let rows = client.chunk_history(out.id()).unwrap();
    assert_eq!(rows.iter().map(|row| row.elements).sum::<u64>(), 1_000);
    assert!(rows.len() < 1_000, "neighbouring chunks share a row: {}", rows.len());
}
