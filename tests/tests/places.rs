//! Jobs after jobs, and jobs that go to some engines only, with real processes.

use std::process::Command;

use phalanx_tests::{Cluster, Finished, Program, binary};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "places", arguments)
}

#[test]
fn jobs_run_after_others_that_have_succeeded() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["order", cluster.gate("gate").folder()]);
    let waits = finished.line("waits: ");
    assert!(waits.contains("2 jobs that it runs after are not over; before it: "), "{waits}");
    assert_eq!(finished.line("in order"), "in order");
    cluster.wait_until_idle();
}

#[test]
fn what_waits_for_a_job_that_failed_ends_at_once_and_what_cleans_up_runs() {
    let cluster = Cluster::start(2);
    let finished = run(&cluster, &["failures"]);
    for what in ["one: ", "two: "] {
        let text = finished.line(what);
        assert!(text.contains("a job that it was to run after did not succeed"), "{text}");
    }
    assert!(finished.line("never: ").contains("neither succeed nor fail"), "{}", finished.line("never: "));
    cluster.wait_until_idle();
}

#[test]
fn jobs_that_wait_for_others_outlive_the_controller() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "places", &["restart", gate.folder()]);
    program.wait_for_line("both wait");
    cluster.controller().kill();
    cluster.start_controller();
    cluster.wait_for_engines(2);
    gate.open();
    assert_eq!(program.finish().line("in order"), "in order");
}

#[test]
fn who_follows_goes_where_the_other_has_been() {
    let cluster = Cluster::start(4);
    let finished = run(&cluster, &["follow", cluster.gate("gate").folder()]);
    let text = finished.line("nowhere: ");
    assert!(text.contains("there is no engine on which all the jobs ran that it follows"), "{text}");
    let text = finished.line("gone: ");
    assert!(text.contains("the engines are gone on which the jobs ran that it follows"), "{text}");
}

#[test]
fn engines_have_tags_and_jobs_ask_for_them() {
    let mut cluster = Cluster::start(0);
    let tags = ["--tag", "gpu=0", "--slots", "0", "--tag", "gpu=1", "--slots", "1", "--tag", "memory=64"];
    cluster.add_node_saying(3, &tags);
    cluster.add_node(1);
    let finished = run(&cluster, &["tags"]);
    let refused = finished.line("refused: ");
    for part in ["no engine has what the job needs (memory>=100)", "gpu=0, gpu=1", "memory=64", "--tag"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(finished.line("bad: ").contains("nothing that an engine can have"), "{}", finished.line("bad: "));
    assert_eq!(finished.line("tags are heeded"), "tags are heeded");
}

#[test]
fn a_job_that_waits_for_its_engine_holds_up_no_other() {
    let mut cluster = Cluster::start(1);
    cluster.add_node_saying(1, &["--tag", "gpu"]);
    let finished = run(&cluster, &["mixed", cluster.gate("gate").folder()]);
    assert_eq!(finished.line("nobody is held up"), "nobody is held up");
}

#[test]
fn a_patient_job_waits_for_an_engine_that_has_what_it_needs() {
    let mut cluster = Cluster::start(1);
    let mut program = Program::start(&cluster, "places", &["patient"]);
    program.wait_for_line("waits");
    cluster.add_node_saying(1, &["--tag", "gpu=7"]);
    assert_eq!(program.finish().line("ran on "), "ran on [1]");
}

#[test]
fn a_job_bound_to_engines_that_are_lost_ends_with_them() {
    let mut cluster = Cluster::start(2);
    let node = cluster.add_node(2);
    let mut program = Program::start(&cluster, "places", &["bound", cluster.gate("gate").folder()]);
    program.wait_for_line("runs");
    cluster.node(node).kill();
    let finished = program.finish();
    let ended = finished.line("ended: ");
    assert!(ended.contains("the engines that it was bound to are gone"), "{ended}");
}

#[test]
fn engines_look_at_a_jobs_condition_by_themselves() {
    let cluster = Cluster::start(3);
    let finished = run(&cluster, &["condition"]);
    let nowhere = finished.line("nowhere: ");
    assert!(nowhere.contains("its condition is met on none of the 3 engines that were asked"), "{nowhere}");
    assert!(finished.line("panics: ").contains("no licence server"), "{}", finished.line("panics: "));
    assert_eq!(finished.line("conditions are heeded"), "conditions are heeded");
    cluster.wait_until_idle();
}

#[test]
fn it_is_explained_why_a_job_waits() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "places", &["explain", gate.folder()]);
    let behind = program.wait_for_line("behind: ");
    assert!(behind.contains("7 chunks wait: all 2 engines are busy"), "{behind}");
    let id = program.stdout().lines().next().unwrap_or_default().to_owned();
    let explain = |job: &str, options: &[&str]| {
        let arguments = [&["explain", job, "--profile", cluster.profile()], options].concat();
        Command::new(binary("phalanx")).args(arguments).env("PHALANX_HOME", cluster.home()).output().unwrap()
    };
    // The end of an id is what `status` shows, the beginning is what comes to mind.
    let ended = String::from_utf8(explain(&id[id.len() - 12..], &[]).stdout).unwrap();
    assert!(ended.contains(&id), "{ended}");
    let text = String::from_utf8(explain(&id[..20], &[]).stdout).unwrap();
    assert!(text.contains(&id) && text.contains("running\t0\t") && text.contains("running\t1\t"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&explain("behind", &["--json"]).stdout).unwrap();
    assert!(json["chunks_waiting"] == 7 && json["waiting"].as_str().unwrap().contains("busy"), "{json}");
    let unknown = explain("nothing", &[]);
    assert_eq!(unknown.status.code(), Some(1));
    let text = String::from_utf8(unknown.stderr).unwrap();
    assert!(
        text.contains("no job under way has the label \"nothing\", or an id that begins or ends with it (4 characters or more); 2 are under way"),
        "{text}"
    );
    gate.open();
    assert_eq!(program.finish().line("ended: "), "ended: it has ended");
}

#[test]
fn a_condition_knows_where_it_is() {
    let client = phalanx::Client::in_process(2).unwrap();
    let ranks = client.direct_view([1, 0]).execute(|ns| (ns.engine(), ns.rank(), ns.size())).get().unwrap();
    assert_eq!(ranks, [(1, 0, 2), (0, 1, 2)]);
    let lview = client.load_balanced_view().depend(|ns| (ns.rank(), ns.size()) == (0, 1));
    assert_eq!(lview.map_async(|x: u64| x, 0..8, 1).get().unwrap(), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_job_without_elements_ends_after_what_it_waits_for() {
    let client = phalanx::Client::in_process(1).unwrap();
    let lview = client.load_balanced_view();
    let first = lview.apply(|x: u64| (0..x).fold(0, u64::wrapping_add), (20_000_000,));
    let none = lview.clone().after(&first).map_async(|x: u64| x, Vec::new(), 1);
    assert!(none.get().unwrap().is_empty());
    assert!(first.ready(), "it ended before what it was to run after");
    let failed = lview.apply(|| -> u64 { panic!("no") }, ());
    let none = lview.clone().after(&failed).map_async(|x: u64| x, Vec::new(), 1);
    assert!(matches!(none.get(), Err(phalanx::Error::Impossible(_))));
}
