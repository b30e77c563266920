//! Jobs that outlive their client, and processes that come for their results.

use phalanx_profile::{ConnectionFile, Role};
use phalanx_tests::{
    Cluster, DEADLINE, Finished, Gate, Network, Program, Signal, phalanx, signal, wait_for, wait_until,
};

fn run(cluster: &Cluster, arguments: &[&str]) -> Finished {
    Program::run(cluster, "kept", arguments)
}

fn id(line: &str) -> String {
    line.trim_start_matches("id ").to_owned()
}

/// A kept map of which the first `free` elements are done, and all others wait at the gate; and its id.
fn hold(cluster: &Cluster, gate: &Gate, n: u64, free: u64) -> (Program, String) {
    let arguments = ["hold", gate.folder(), &n.to_string(), &free.to_string()];
    let mut program = Program::start(cluster, "kept", &arguments);
    let id = id(&program.wait_for_line("id "));
    program.wait_for_line("free are done");
    (program, id)
}

/// What becomes of asking for a job, once it is what the test waits for.
fn error_when(cluster: &Cluster, id: &str, beginning: &str) -> String {
    let what = format!("asking for {id} gives {beginning:?}");
    wait_for(&what, DEADLINE, || {
        let finished = run(cluster, &["error", id]);
        finished.stdout.lines().find(|line| line.starts_with(beginning)).map(str::to_owned)
    })
}

#[test]
fn a_killed_clients_kept_job_goes_on_and_a_new_process_gets_every_value() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let (mut program, id) = hold(&cluster, &gate, 40, 4);
    program.kill();
    gate.open();
    cluster.wait_until_idle();
    for _ in 0..2 {
        let finished = run(&cluster, &["values", &id, "40"]);
        assert_eq!(finished.line("complete"), "complete 40");
        assert_eq!((finished.line("label"), finished.line("wall")), ("label held", "wall true"));
    }
    assert_eq!(gate.arrivals().len(), 40, "nothing was run twice");

    // The file has what is known here: values, and where and when they were computed; the elements stayed with who submitted them.
    let path = cluster.home().join("found.h5");
    run(&cluster, &["save", &id, path.to_str().unwrap()]);
    let seen =
        std::process::Command::new(phalanx_tests::binary("phalanx")).arg("results").arg(&path).output();
    let seen = String::from_utf8(seen.unwrap().stdout).unwrap();
    assert!(seen.contains("held") && seen.contains("40"), "{seen}");
}

#[test]
fn an_interrupted_client_leaves_its_work_running_and_it_can_be_picked_up_again() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let (program, id) = hold(&cluster, &gate, 8, 2);
    assert!(signal(program.pid(), Signal::INT));
    assert!(!program.wait().status.success());
    assert_eq!(cluster.status().jobs.len(), 1);
    gate.open();
    assert_eq!(run(&cluster, &["values", &id, "8"]).line("complete"), "complete 8");
}

#[test]
fn results_that_are_there_come_at_once_and_the_others_as_they_come() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let (mut program, id) = hold(&cluster, &gate, 12, 5);
    // One while its client is there, one that stays when that is gone.
    let arguments = ["partial", &id, gate.folder(), "12", "5"];
    let mut followers = [(); 2].map(|()| Program::start(&cluster, "kept", &arguments));
    for follower in &mut followers {
        assert_eq!(follower.wait_for_line("partial"), "partial 5");
    }
    program.kill();
    wait_until("its client is missed", DEADLINE, || cluster.status().clients == 2);
    gate.open();
    for follower in followers {
        assert_eq!(follower.finish().line("complete"), "complete 12");
    }
}

/// There is no engine yet, and when there is one the program that its functions are in is nowhere but at the controller.
#[test]
fn a_client_that_ends_right_after_its_call_leaves_the_job_and_its_program() {
    let mut cluster = Cluster::start(0);
    let left = id(run(&cluster, &["leave", "100"]).line("id "));
    let programs = std::fs::read_dir(cluster.profile_folder().join("programs")).unwrap();
    assert_eq!(programs.count(), 1, "the controller has its program");
    cluster.add_node(2);
    assert_eq!(run(&cluster, &["values", &left, "100"]).line("complete"), "complete 100");
}

#[test]
fn calls_on_engines_outlive_their_client_too() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "kept", &["engines", gate.folder()]);
    let id = id(&program.wait_for_line("id "));
    program.wait_for_line("kept");
    program.kill();
    wait_until("its client is missed", DEADLINE, || cluster.status().clients == 0);
    gate.open();
    assert_eq!(run(&cluster, &["numbers", &id]).line("numbers"), "numbers [10, 20]");
}

#[test]
fn failures_retries_and_large_values_are_kept_as_they_were() {
    let cluster = Cluster::start(2);
    let id = id(run(&cluster, &["failing"]).line("id "));
    let finished = run(&cluster, &["each", &id]);
    let errors = finished.lines("error ");
    assert_eq!(errors.len(), 2, "{errors:?}");
    let words: Vec<&str> = errors[0].splitn(5, ' ').collect();
    assert_eq!([words[1], words[4]], ["1", "1 is odd in its own way"]);
    // A chunk that was taken back from an engine that had not begun it was an attempt as well.
    assert!(words[3].parse::<u32>().is_ok_and(|attempt| attempt >= 2), "{errors:?}");
    assert_eq!((finished.line("failures"), finished.line("good")), ("failures 4", "good 4"));
}

#[test]
fn a_job_is_aborted_from_another_process() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let (mut program, id) = hold(&cluster, &gate, 20, 3);
    program.kill();
    run(&cluster, &["abort", &id]);
    cluster.wait_until_idle();
    let finished = run(&cluster, &["error", &id]);
    assert!(finished.line("later ").starts_with("later Aborted"), "{}", finished.stdout);
    assert_eq!(finished.line("values"), "values 3", "what was done is there");
}

#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    let mut cluster = Cluster::start(2);
    let error = |cluster: &Cluster, id: &str| run(cluster, &["error", id]).line("error ").to_owned();
    let unknown = error(&cluster, "01890a5d-ac96-774b-bcce-b302099a8057");
    assert!(unknown.starts_with("error ControllerRestarted"), "an id of 2023: {unknown}");
    let unknown = error(&cluster, "11890a5d-ac96-474b-bcce-b302099a8057");
    assert!(unknown.starts_with("error Unknown") && unknown.contains("keep()"), "{unknown}");
    assert!(error(&cluster, "held").starts_with("error BadJobId"));

    let gate = cluster.gate("gate");
    let mut program = Program::start(&cluster, "kept", &["unkept", gate.folder()]);
    let unasked = error(&cluster, &id(&program.wait_for_line("id ")));
    assert!(unasked.starts_with("error Unasked") && unasked.contains("keep()"), "{unasked}");
    program.kill();
    cluster.wait_until_idle();

    let kept = id(run(&cluster, &["leave", "10"]).line("id "));
    let finished = Program::start(&cluster, "kept", &["numbers", &kept]).wait();
    assert!(!finished.status.success());
    assert!(finished.stderr.contains("are of type u64, not i64"), "{}", finished.stderr);
    cluster.wait_until_idle();
    cluster.controller().kill();
    cluster.start_controller();
    let restarted = error(&cluster, &kept);
    assert!(
        restarted.starts_with("error ControllerRestarted") && restarted.contains("memory"),
        "{restarted}"
    );
}

#[test]
fn jobs_are_listed_and_purged() {
    let cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let done = id(run(&cluster, &["leave", "10"]).line("id "));
    cluster.wait_until_idle();
    let (_program, held) = hold(&cluster, &gate, 6, 2);
    let listed = run(&cluster, &["list"]);
    let jobs = listed.lines("job ");
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(jobs[0].starts_with(&format!("job {done} ")), "{jobs:?}");
    assert!(jobs[0].ends_with("Completed kept true left true done 10/10 type u64"), "{jobs:?}");
    assert_eq!(jobs[1], format!("job {held} held Running kept true left false done 2/6 type u64"));

    let refused = run(&cluster, &["purge", &held]);
    assert!(refused.line("refused").starts_with("refused Unfinished"), "{}", refused.stdout);
    assert_eq!(run(&cluster, &["purge", &done]).line("purged"), "purged 1");
    let purged = run(&cluster, &["error", &done]);
    assert!(purged.line("error").starts_with("error Purged"), "{}", purged.stdout);
    assert!(run(&cluster, &["purge", &done]).line("refused").starts_with("refused Purged"));
    assert_eq!(run(&cluster, &["purge"]).line("purged"), "purged 0", "what is under way stays");
    gate.open();
    cluster.wait_until_idle();
    assert_eq!(run(&cluster, &["purge"]).line("purged"), "purged 1");
    assert!(run(&cluster, &["list"]).lines("job ").is_empty());
}

#[test]
fn the_shell_lists_aborts_and_purges_what_a_program_left() {
    let cluster = Cluster::start(2);
    let shell = |arguments: &[&str]| phalanx(cluster.home(), arguments);
    let gate = cluster.gate("gate");
    let done = id(run(&cluster, &["leave", "10"]).line("id "));
    cluster.wait_until_idle();
    let (program, held) = hold(&cluster, &gate, 6, 2);
    let (code, text, _) = shell(&["jobs"]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((code, rows.len()), (Some(0), 2), "{text}");
    assert_eq!(rows[0][1..7], [&done, "completed", "kept", "10", "10", "0"]);
    assert_eq!((rows[0][10], rows[0][11]), ("left", "u64"));
    assert_eq!(rows[1][1..7], [&held, "running", "kept", "2", "6", "0"]);

    let end = |id: &str| id.rsplit('-').next().unwrap().to_owned();
    let (code, _, refused) = shell(&["purge", &end(&done), &end(&held)]);
    assert!(
        code == Some(1) && refused.contains("nothing was dropped") && refused.contains(&held),
        "{refused}"
    );
    let (code, _, unknown) = shell(&["purge", "nosuchjob"]);
    assert!(code == Some(1) && unknown.contains("phalanx jobs"), "{unknown}");
    let (code, text, _) = shell(&["purge", &end(&done)]);
    assert!(code == Some(0) && text.starts_with("dropped the results of 1 job: "), "{text}");
    let (code, _, again) = shell(&["purge", &done]);
    assert!(code == Some(1) && again.contains("purged"), "{again}");
    let (code, text, _) = shell(&["purge", "--all", "--json"]);
    assert!(code == Some(0) && text.contains("\"jobs\": 0"), "what is under way stays: {text}");
    let (code, _, refused) = shell(&["abort", "held", "nosuchjob"]);
    assert!(code == Some(1) && refused.contains("nosuchjob"), "{refused}");
    assert_eq!(cluster.status().jobs.len(), 1, "with a name that fits none, none is aborted");
    let (code, text, _) = shell(&["abort", "held"]);
    assert_eq!((code, text), (Some(0), format!("aborted job {held}, held\n")));
    let ended = program.wait();
    assert!(
        !ended.status.success() && ended.stderr.contains("aborted"),
        "its client is told: {}",
        ended.stderr
    );
    cluster.wait_until_idle();
    assert!(shell(&["jobs"]).1.contains(&format!("job\t{held}\taborted\tkept\t2\t6")));
    assert_eq!(shell(&["purge", "--all"]).0, Some(0));
    assert_eq!(shell(&["jobs"]).1, "");
}

#[test]
fn results_beyond_the_bound_are_dropped_the_oldest_first_and_it_is_said() {
    let cluster = Cluster::start_with(2, &["--kept-limit", "100K"]);
    let open = cluster.gate("open");
    open.open();
    let make = || {
        let id = id(run(&cluster, &["large", open.folder(), "4", "10000"]).line("id "));
        cluster.wait_until_idle();
        id
    };
    let made = [make(), make(), make()];
    let dropped = run(&cluster, &["error", &made[0]]);
    assert!(dropped.line("error").starts_with("error Dropped"), "{}", dropped.stdout);
    assert!(dropped.line("error").contains("102400 bytes") && dropped.line("error").contains("--kept-limit"));
    let listed = run(&cluster, &["list"]);
    assert_eq!(listed.lines("job ").len(), 2);
    assert!(made[1..].iter().all(|id| listed.stdout.contains(id.as_str())), "{}", listed.stdout);
}

#[test]
fn a_job_that_is_too_large_to_be_kept_goes_on_for_its_client_and_ends_without_one() {
    let cluster = Cluster::start_with(2, &["--kept-limit", "100K"]);
    let gate = cluster.gate("gate");
    let arguments = ["large", gate.folder(), "30", "10000"];
    let mut program = Program::start(&cluster, "kept", &arguments);
    let first = id(&program.wait_for_line("id "));
    let dropped = error_when(&cluster, &first, "error Dropped");
    assert!(dropped.contains("--kept-limit"), "{dropped}");
    gate.open();
    let finished = program.finish();
    assert_eq!(finished.line("all came"), "all came");
    assert!(finished.line("no more").starts_with("no more Dropped"), "{}", finished.stdout);

    let gate = cluster.gate("another");
    let mut program = Program::start(&cluster, "kept", &["large", gate.folder(), "30", "10000"]);
    let second = id(&program.wait_for_line("id "));
    error_when(&cluster, &second, "error Dropped");
    program.kill();
    cluster.wait_until_idle();
    assert!(!gate.is_open(), "nobody could have its results, so it was ended");
}

#[test]
fn results_grow_old() {
    // A little longer than a third of a second.
    let cluster = Cluster::start_with(2, &["--kept-hours", "0.0001"]);
    let id = id(run(&cluster, &["leave", "10"]).line("id "));
    let old = error_when(&cluster, &id, "error Dropped");
    assert!(old.contains("--kept-hours"), "{old}");
}

#[test]
fn a_controller_that_is_restarted_is_given_what_is_missing_of_a_kept_job() {
    let mut cluster = Cluster::start(2);
    let gate = cluster.gate("gate");
    let (program, id) = hold(&cluster, &gate, 10, 4);
    cluster.controller().kill();
    cluster.start_controller();
    cluster.wait_for_engines(2);
    wait_until("the job is there again", DEADLINE, || cluster.status().jobs.len() == 1);
    gate.open();
    assert_eq!(program.finish().line("complete"), "complete 10");
    // Another process has what came since, and is told of the rest.
    let finished = run(&cluster, &["error", &id]);
    assert!(finished.line("later").contains("only the client that submitted"), "{}", finished.stdout);
    assert_eq!(finished.line("values"), "values 6");
}

/// The controller goes on meanwhile; the client comes back and follows its own job.
#[test]
fn a_client_that_loses_its_connection_follows_its_kept_job_when_it_is_back() {
    let cluster = Cluster::start(2);
    let path = cluster.profile_folder().join(Role::Client.file_name());
    let mut file = ConnectionFile::load(path, Role::Client).expect("the controller has written it");
    let target = file.endpoints.tcp[0].clone();
    let elsewhere = cluster.home().join("client.json");
    let mut through = |network: &Network| {
        file.endpoints.socket = None;
        file.endpoints.tcp = vec![network.address()];
        let fresh = cluster.home().join("fresh.json");
        file.save(&fresh).expect("the test's folder can be written to");
        std::fs::rename(&fresh, &elsewhere).expect("it replaces the one before");
    };
    let network = Network::to(&target);
    through(&network);
    let gate = cluster.gate("gate");
    let arguments = ["hold", gate.folder(), "20", "6", elsewhere.to_str().unwrap()];
    let mut program = Program::start(&cluster, "kept", &arguments);
    program.wait_for_line("free are done");
    drop(network);
    wait_until("its session is over", DEADLINE, || cluster.status().clients == 0);
    assert_eq!(cluster.status().jobs.len(), 1, "the job is not");
    // What is done now, its client hears of later.
    gate.open();
    cluster.wait_until_idle();
    let network = Network::to(&target);
    through(&network);
    assert_eq!(program.finish().line("complete"), "complete 20");
    assert_eq!(gate.arrivals().len(), 20, "nothing was run twice");
}
