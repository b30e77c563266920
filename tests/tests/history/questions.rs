//! Filters, bounds, and what cannot be asked.

use phalanx_tests::Cluster;

use super::{asked, phalanx, run, states};

#[test]
fn filters_of_the_library_and_of_the_command_find_the_same() {
    let cluster = Cluster::start(2);
    run(&cluster, &["kinds", cluster.gate("gate").folder()]);
    let finished = run(&cluster, &["filters"]);
    for line in [
        "all 5",
        "limited 2",
        "failed 1",
        "states 2",
        "label 4",
        "pattern 2",
        "within 5",
        "before 1",
        "host 0",
        "job 1",
    ] {
        assert!(finished.lines(line).contains(&line), "{line} in\n{}", finished.stdout);
    }
    let engines: u64 = finished.line("engines ").trim_start_matches("engines ").parse().unwrap();
    assert!((4..=8).contains(&engines), "the direct call was on both, the jobs on one or both: {engines}");

    let labels = |arguments: &[&str]| -> Vec<String> {
        states(&asked(cluster.home(), arguments)).into_iter().map(|(label, _)| label).collect()
    };
    assert_eq!(labels(&["--failed"]), ["kind::bad"]);
    assert_eq!(labels(&["--state", "aborted,expired"]), ["kind::expired", "kind::aborted"]);
    assert_eq!(labels(&["--label", "kind::g*"]), ["kind::good"]);
    assert_eq!(labels(&["--since", "1h", "--label", "kind::"]).len(), 4);
    assert_eq!(labels(&["--until", "1h"]).len(), 0);
    assert_eq!(labels(&["--engine", "99"]).len(), 0);
    let limited = asked(cluster.home(), &["--limit", "2"]);
    assert_eq!((states(&limited).len(), &limited["more"]), (2, &true.into()));

    let (code, plain, _) = phalanx(cluster.home(), &[]);
    assert_eq!(code, Some(0));
    assert!(plain.lines().count() == 5 && plain.lines().all(|l| l.starts_with("job\t")), "{plain}");
}

/// The reason of every attempt stays.
#[test]
fn every_attempt_that_was_lost_is_there_with_its_reason() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["poison"]);
    let lost = finished.lines("row lost ");
    assert!(lost.len() >= 2, "{}", finished.stdout);
    assert!(
        lost.iter().all(|row| row.contains("worker lost: engine ") && row.contains("was killed by SIGABRT")),
        "{lost:?}"
    );
    let given_up = finished.lines("row failed ");
    assert!(
        given_up.len() == 1
            && given_up[0].contains("of element 3 on ")
            && given_up[0].contains("quarantined: it ended the process"),
        "{}",
        finished.stdout
    );
    assert_eq!(finished.line("ok "), "ok 7");
    let job = &asked(cluster.home(), &[])["jobs"][0];
    assert_eq!((&job["state"], &job["elements_failed"]), (&"failed".into(), &1.into()), "{job}");
    assert!(job["attempts_lost"].as_u64() >= Some(2), "{job}");
}

#[test]
fn the_bound_of_rows_holds() {
    let cluster = Cluster::start_with(1, &["--history-rows-limit", "100"]);
    run(&cluster, &["calls", "300"]);
    let found = states(&asked(cluster.home(), &["--limit", "1000"]));
    // A job and its one report are two rows.
    assert!((40..=50).contains(&found.len()), "{}", found.len());
    assert_eq!(found[0].0, "call 299");
    // A job that is larger than all keeps its latest rows, and says how many it lost.
    let finished = run(&cluster, &["rows", "500"]);
    let id = finished.line("rows ").trim_start_matches("rows ");
    let answer = asked(cluster.home(), &["--job", id]);
    let (rows, job) = (answer["chunks"].as_array().unwrap(), &answer["jobs"][0]);
    assert!(rows.len() < 100, "{}", rows.len());
    assert_eq!(rows.len() as u64 + job["rows_pruned"].as_u64().unwrap(), 500, "{job}");
    assert_eq!(asked(cluster.home(), &[])["jobs"].as_array().unwrap().len(), 1, "the others had to go");
}

#[test]
fn what_cannot_be_asked_or_answered_is_one_clear_error() {
    let cluster = Cluster::start(0);
    let refused = run(&cluster, &["refused"]);
    let lines = refused.lines("refused: ");
    assert!(lines[0].contains("a limit of 0 is not possible; ask for 1 to"), "{lines:?}");
    assert!(lines[1].contains("is no job's id; give the id, or at least 4 hexadecimal digits"), "{lines:?}");
    assert!(lines[2].contains("the history holds no job \"01890a5d-"), "{lines:?}");

    let fails = |arguments: &[&str], code: i32, part: &str| {
        let (found, out, err) = phalanx(cluster.home(), arguments);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    };
    fails(&["--limit", "0"], 1, "a limit of 0 is not possible");
    fails(&["--limit=-1"], 2, "invalid value '-1'");
    fails(&["--since", "yesterday"], 2, "not a time, such as 90s");
    fails(&["--since", "2026-11-02", "--until", "2026-11-01"], 1, "`until` comes first");
    fails(&["--state", "finished"], 2, "is no state of a job; there are running, completed");
    fails(&["--label", &"*a".repeat(20)], 1, "a label is looked for with at most");
    fails(&["--job", "zzzz"], 1, "is no job's id");
    fails(&["--job", "abcdef"], 1, "the history holds no job \"abcdef\"");
    fails(&["--job", "abcdef", "--state", "failed"], 2, "cannot be used with");
    fails(&["--profile", "nobody"], 11, "nobody");
}

#[test]
fn a_controller_that_keeps_none_says_so() {
    let cluster = Cluster::start_with(1, &["--no-history"]);
    run(&cluster, &["calls", "3"]);
    let (code, _, err) = phalanx(cluster.home(), &[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("keeps no history of jobs: it was started with --no-history"), "{err}");
    assert!(!cluster.profile_folder().join("history.sqlite").exists());
}
