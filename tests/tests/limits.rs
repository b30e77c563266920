//! Limits of time, blame for single elements, and priorities, with real processes.

use std::time::Duration;

use phalanx_tests::{Cluster, DEADLINE, Finished, Program, wait_until};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "limits", arguments)
}

#[test]
fn an_element_that_hangs_fails_alone_and_its_chunk_goes_on() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let finished = run(&cluster, &["overrun", gate.folder(), "40", "10", "17", "0"]);
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("error element 17 kind run limit: it ran for longer than its run limit of 2s"),
        "{errors:?}"
    );
    assert!(
        errors[0].contains("on engine ") && errors[0].contains("allow more with run_limit"),
        "{errors:?}"
    );
    assert_eq!((finished.line("good"), finished.line("tries")), ("good 39", "tries 1"));
    assert_eq!(finished.line("chunks"), "chunks 4 of Some(4)");
    cluster.wait_until_idle();
}

#[test]
fn an_element_that_hangs_is_tried_as_often_as_retries_allow() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let finished = run(&cluster, &["overrun", gate.folder(), "4", "2", "1", "2"]);
    assert_eq!((finished.line("good"), finished.line("tries")), ("good 3", "tries 3"));
    let finished = run(&cluster, &["recovers", cluster.gate("other").folder()]);
    assert_eq!(finished.line("lost"), "lost 1");
}

#[test]
fn a_direct_call_that_hangs_costs_its_engine_the_names_and_no_other() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["direct"]);
    let errors = finished.lines("error ");
    assert!(
        errors.len() == 1 && errors[0].starts_with("error element 1 kind run limit: it ran"),
        "{errors:?}"
    );
    assert_eq!(finished.line("both work"), "both work");
}

#[test]
fn an_element_that_ends_its_process_is_quarantined_alone() {
    let cluster = Cluster::start(2);
    for chunksize in ["10", "40"] {
        let finished = run(&cluster, &["poison", "40", chunksize, "17"]);
        let errors = finished.lines("error ");
        assert!(
            errors.len() == 1
                && errors[0].starts_with(
                    "error element 17 kind quarantined: it ended the process that ran it 3 times"
                ),
            "{errors:?}"
        );
        assert_eq!(finished.line("good"), "good 39");
    }
}

#[test]
fn a_job_that_cannot_begin_in_time_is_given_up_and_one_that_has_begun_is_not() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["queue", cluster.gate("gate").folder()]);
    assert!(
        finished.line("given up: ").contains("within its queue limit of 300ms"),
        "{}",
        finished.line("given up: ")
    );
    assert_eq!(finished.line("begun and done"), "begun and done");
}

#[test]
fn a_job_that_waits_on_an_engine_behind_another_has_not_begun() {
    let cluster = Cluster::start(1);
    let finished = run(&cluster, &["behind", cluster.gate("gate").folder()]);
    let text = "explained: nothing of it runs; 1 chunk queued behind other work on engine 0";
    assert_eq!(finished.line("explained: "), text);
    assert_eq!(
        finished.line("given up: "),
        "given up: the engines that can run it were busy with other work"
    );
    assert_eq!(finished.line("begun and done"), "begun and done");
}

#[test]
fn what_is_urgent_runs_before_what_was_there_first() {
    let cluster = Cluster::start(1);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "limits", &["priority", gate.folder()]);
    program.wait_for_line("submitted");
    wait_until("the urgent job is there, by its name", DEADLINE, || {
        cluster.status().jobs.iter().any(|job| job.label == "urgent")
    });
    gate.open();
    let finished = program.finish();
    let mut order = finished.lines("ran ");
    assert_eq!(order.len(), 20);
    order.dedup();
    assert_eq!(order, ["ran first", "ran urgent", "ran ordinary", "ran lazy"]);
}

/// On engines that are threads there is no process to end; the job goes on without the element all the same.
#[test]
fn an_element_that_hangs_on_a_thread_fails_alone_too() {
    let client = phalanx::Client::in_process(1).unwrap();
    let view = client.load_balanced_view().run_limit(Duration::from_millis(500));
    let out = view.map_async(
        |x: u64| {
            if x == 1 {
                // Longer than the job is waited for.
                std::thread::sleep(10 * DEADLINE);
            }
            x
        },
        0..4,
        4,
    );
    let results = out.results();
    assert_eq!(results[1].as_ref().unwrap_err().kind, phalanx::RemoteErrorKind::RunLimit);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
}

#[test]
fn a_limit_of_no_time_is_refused() {
    let client = phalanx::Client::in_process(1).unwrap();
    let lview = client.load_balanced_view();
    for (name, view) in [
        ("run", lview.clone().run_limit(Duration::ZERO)),
        ("queue", lview.clone().queue_limit(Duration::ZERO)),
    ] {
        let refused = view.apply(|| 1, ()).get().unwrap_err().to_string();
        assert!(refused.contains(&format!("a {name} limit of no time")), "{refused}");
    }
    let direct = client.direct_view(..).run_limit(Duration::ZERO).apply(|| 1, ()).get().unwrap_err();
    assert!(direct.to_string().contains("a run limit of no time"), "{direct}");
}
