//! Users' functions panic, fail, and bring down the process they run in.

use phalanx_tests::{Cluster, Program};

use crate::check_everywhere;

#[test]
fn an_element_that_always_ends_its_worker_is_quarantined_and_the_rest_completes() {
    let cluster = Cluster::start(2);
    let finished = Program::run(&cluster, "faults", &["poison", "20", "7"]);
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("error element 7 ") && errors[0].contains("kind quarantined"),
        "{}",
        errors[0]
    );
    // How often, on which engines, and how it ended.
    assert!(errors[0].contains("3 times, on engines ") && errors[0].contains("SIGABRT"), "{}", errors[0]);
    assert_eq!(finished.line("good"), "good 19");
    assert!(finished.line("lost").trim_start_matches("lost ").parse::<u64>().unwrap() >= 2);
    check_everywhere(&cluster);
}

#[test]
fn a_poisoned_element_ends_as_often_as_the_controller_is_told() {
    let cluster = Cluster::start_with(1, &["--crash-limit", "1"]);
    let finished = Program::run(&cluster, "faults", &["poison", "5", "4"]);
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("1 times, on engines 0"), "{}", errors[0]);
    assert_eq!(finished.line("good"), "good 4");
}

#[test]
fn an_element_that_panics_fails_alone() {
    let cluster = Cluster::start(2);
    let finished = Program::run(&cluster, "faults", &["panic", "20", "5", "7"]);
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("error element 7 ") && errors[0].contains("kind panic"), "{}", errors[0]);
    assert!(errors[0].contains("element 7 is broken"), "{}", errors[0]);
    assert_eq!(finished.line("good"), "good 19");
    assert_eq!(finished.line("lost"), "lost 0", "a panic does not end its worker");
    check_everywhere(&cluster);
}

#[test]
fn an_element_that_fails_is_tried_again() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let finished = Program::run(&cluster, "faults", &["retry", gate.folder(), "20", "7"]);
    assert_eq!(finished.line("complete"), "complete 20");
    let tries = finished.lines("try ");
    assert_eq!(tries.len(), 2, "{tries:?}");
    assert!(tries[0].starts_with("try 1 ") && tries[0].ends_with("failed 1"), "{tries:?}");
    assert!(tries[1].starts_with("try 2 ") && tries[1].ends_with("failed 0"), "{tries:?}");
    let others = gate.arrivals().iter().filter(|arrival| arrival.tag != "7").count();
    assert_eq!(others, 19, "only the element that failed is tried again");
    check_everywhere(&cluster);
}

#[test]
fn an_element_that_fails_is_tried_again_on_an_engine_that_is_free() {
    let cluster = Cluster::start(2);
    for round in 0..5 {
        let gate = cluster.gate(&format!("gate{round}"));
        let finished = Program::run(&cluster, "faults", &["retry", gate.folder(), "1", "0"]);
        let engine = |line: &&str| line.split(' ').nth(3).unwrap().to_owned();
        let tries: Vec<String> = finished.lines("try ").iter().map(engine).collect();
        assert_eq!(tries.len(), 2, "{}", finished.stdout);
        assert_ne!(tries[0], tries[1], "the other engine had nothing to do: {}", finished.stdout);
    }
}
