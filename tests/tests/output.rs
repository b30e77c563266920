//! What functions print comes back per chunk, while the job runs, and within bounds; with real processes.

use phalanx_tests::{Cluster, Finished, Program};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "output", arguments)
}

#[test]
fn every_chunks_output_is_its_own_and_here_with_its_result() {
    let cluster = Cluster::start(2);
    assert_eq!(run(&cluster, &["map"]).line("told apart"), "told apart");
    assert_eq!(run(&cluster, &["quick"]).line("told apart"), "told apart");
    assert_eq!(run(&cluster, &["late"]).line("in range"), "in range");
}

#[test]
fn output_is_read_and_followed_while_the_job_runs() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["pending", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("seen"), "seen while it ran");
}

#[test]
fn a_failure_is_followed_while_others_still_run() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["failures", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("seen"), "seen while it ran");
}

#[test]
fn what_a_worker_said_before_it_died_comes_back_for_each_attempt() {
    let cluster = Cluster::start(2);
    assert_eq!(run(&cluster, &["killed"]).line("3 attempts"), "3 attempts");
    assert_eq!(run(&cluster, &["overrun"]).line("heard"), "heard");
}

#[test]
fn what_each_attempt_of_an_element_said_is_kept_apart() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["retries", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("kept apart"), "kept apart");
}

#[test]
fn a_function_that_prints_without_end_is_bounded_and_can_be_aborted() {
    let cluster = Cluster::start(2);
    assert_eq!(run(&cluster, &["flood"]).line("aborted"), "aborted");
    cluster.wait_until_idle();
}

#[test]
fn a_line_of_ten_megabytes_is_cut_in_the_middle_and_counted() {
    let cluster = Cluster::start(1);
    assert_eq!(run(&cluster, &["long"]).line("bounded"), "bounded");
}

#[test]
fn children_and_threads_of_a_function_speak_for_the_chunk_that_runs() {
    let cluster = Cluster::start(1);
    assert_eq!(run(&cluster, &["children"]).line("heard"), "heard");
    assert_eq!(run(&cluster, &["background"]).line("put down"), "put down to what ran");
}

#[test]
fn every_engine_of_a_direct_view_speaks_for_itself() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["direct"]);
    assert_eq!(finished.line("one each"), "one each");
    assert_eq!(finished.lines("[engine "), ["[engine 0] got 7", "[engine 1] got 7"]);
}

#[test]
fn who_waits_for_a_job_sees_what_it_prints_once() {
    let cluster = Cluster::start(1);
    for scenario in ["interactive", "local"] {
        let finished = run(&cluster, &[scenario]);
        let mut lines: Vec<_> = finished.stdout.lines().filter(|line| line.contains("line of ")).collect();
        lines.sort_unstable();
        assert_eq!(lines, [0, 1, 2].map(|x| format!("[engine 0] line of {x}")), "{scenario}");
        let mut complaints: Vec<_> =
            finished.stderr.lines().filter(|line| line.contains("complaint of ")).collect();
        complaints.sort_unstable();
        assert_eq!(complaints, [0, 1, 2].map(|x| format!("[engine 0] complaint of {x}")), "{scenario}");
    }
}

/// And does not keep the program from becoming a worker: it is more than a pipe holds.
#[test]
fn what_a_program_prints_before_init_goes_to_the_daemons_log() {
    let mut cluster = Cluster::start(1);
    run(&cluster, &["children"]);
    let node = cluster.node(0);
    node.wait_for_log("before init: line 3999 of a worker");
    node.wait_for_log("a child of 3");
    assert!(node.log().contains("before init: line 0 of a worker"), "all of it");
}
