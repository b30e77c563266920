//! What every report looks like, from fixed data.

use super::human::Human;
use super::json::Json;
use super::plain::Plain;
use super::*;
use crate::explained::Held;
use crate::jobs::{AbortedJob, KnownJob};
use crate::list::State;
use crate::snapshot::{ControllerInfo, Engine, Job};

fn snapshot() -> Snapshot {
    let engine = |id, host: &str, node_pid| Engine {
        id,
        host: host.to_owned(),
        node_pid,
        chunks_assigned: 2,
        chunks_completed: 1_234_567 * u64::from(id),
        last_beat_ms: Some(412),
        draining: false,
    };
    let job = |label: &str, elements, elements_done, elements_failed, percent, view| Job {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        label: label.to_owned(),
        client: 7,
        view,
        elements,
        elements_done,
        elements_failed,
        percent,
        chunks_assigned: 8,
        age_ms: 252_000,
    };
    Snapshot {
        profile: "nbserver".to_owned(),
        controller: ControllerInfo {
            pid: 4711,
            host: "head".to_owned(),
            version: "0.1.0".to_owned(),
            uptime_ms: 7_500_000,
        },
        clients: 1,
        payload_bytes: 64 << 20,
        engines: vec![
            engine(0, "head", 4712),
            engine(1, "head", 4712),
            Engine { last_beat_ms: None, draining: true, ..engine(12, "a-node-with-a-long-name", 99) },
        ],
        jobs: vec![
            job("sweep::get_sum", 10_000_000, 3_333_333, 12, 33.3, "balanced"),
            job(
                "an_evil\x1b[2Jname_of_a_function_that::goes_on::and_on::{{closure}}",
                3,
                0,
                0,
                0.0,
                "direct",
            ),
        ],
    }
}

fn idle() -> Snapshot {
    Snapshot { engines: vec![], jobs: vec![], clients: 0, payload_bytes: 0, ..snapshot() }
}

fn profiles() -> Vec<Listed> {
    let listed = |profile: &str, state| Listed {
        profile: profile.to_owned(),
        path: format!("/home/ada/.phalanx/{profile}"),
        state,
    };
    vec![
        listed("default", State::Stopped),
        listed(
            "nbserver",
            State::Running { pid: 4711, host: "head".to_owned(), version: "0.1.0".to_owned() },
        ),
        listed("old", State::Unusable { reason: "it is open to other users".to_owned() }),
        listed("starting", State::Locked),
    ]
}

fn started(profile: &str, engines: u32) -> Started {
    Started { profile: profile.to_owned(), engines, controller_pid: 4711, engine_pid: 4712 }
}

fn stopped() -> Stopped {
    Stopped {
        profile: "nbserver".to_owned(),
        controller_pid: Some(4711),
        engine_pids: vec![4712, 4713],
        killed_pids: vec![4713],
    }
}

/// Everything, in one way of saying it.
fn all(report: &dyn Report) -> String {
    let part = |name: &str, text: String| format!("== {name}\n{text}");
    [
        part("status", report.status(&snapshot())),
        part("status, idle", report.status(&idle())),
        part("list", report.profiles(&profiles())),
        part("list, empty", report.profiles(&[])),
        part("start", report.started(&started("nbserver", 4))),
        part("start, default", report.started(&started("default", 1))),
        part("stop", report.stopped(&stopped())),
    ]
    .join("\n")
}

#[test]
fn for_people() {
    insta::assert_snapshot!("human", all(&Human { bold: false }));
}

#[test]
fn only_headings_are_bold() {
    let text = Human { bold: true }.status(&snapshot());
    let plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "");
    assert_eq!(plain, Human { bold: false }.status(&snapshot()));
    assert_eq!(text.matches("\x1b[1m").count(), 2);
    assert!(!plain.contains('\x1b'), "a name reached the terminal with its escapes: {plain}");
}

#[test]
fn for_line_tools() {
    insta::assert_snapshot!("plain", all(&Plain));
    let text = Plain.status(&snapshot());
    let fields = |kind: &str| -> Vec<usize> {
        text.lines().filter(|l| l.starts_with(kind)).map(|l| l.split('\t').count()).collect()
    };
    assert_eq!((fields("controller"), fields("engine"), fields("job")), (vec![8], vec![8; 3], vec![11; 2]));
}

#[test]
fn for_programs() {
    let text = all(&Json);
    for document in text.split("== ").skip(1) {
        let (_, json) = document.split_once('\n').unwrap();
        serde_json::from_str::<serde_json::Value>(json).unwrap();
    }
    insta::assert_snapshot!("json", text);
}

fn summary() -> FileSummary {
    let share = |session, engine, elements| phalanx_results::EngineShare {
        session,
        engine,
        host: "head".to_owned(),
        elements,
        seconds: 0.0125 * elements as f64,
    };
    let dataset = |path: &str, dtype: &str, shape: &[usize]| phalanx_results::DatasetSummary {
        path: path.to_owned(),
        dtype: dtype.to_owned(),
        shape: shape.to_vec(),
    };
    FileSummary {
        path: "data/sweep.h5".into(),
        bytes: 81_920,
        is_run: true,
        label: "sweep::simulate".to_owned(),
        program: "0123456789abcdef".to_owned(),
        phalanx_version: "0.1.0".to_owned(),
        jobs: vec!["01890a5d-ac96-774b-bcce-b302099a8057".to_owned(); 2],
        submitted_ns: 1_795_286_368_000_000_000,
        received_ns: 1_795_286_401_500_000_000,
        wall_seconds: 32.5,
        elements: 500,
        done: 340,
        failed: 3,
        missing: 157,
        shared_parameters: Some(r#"{"steps":1000,"system":{"Ising":{"side":8}}}"#.to_owned()),
        failures: vec![phalanx_results::Failure {
            element: 17,
            kind: "panic".to_owned(),
            message: "the lattice\x1b[2J is empty\nand more".to_owned(),
        }],
        timings: Some(phalanx_results::Timings { total: 4.25, min: 0.000_05, median: 0.012, max: 1.5 }),
        engines: vec![share(0, 0, 200), share(0, 1, 143)],
        datasets: vec![
            dataset("/parameters", "float64", &[500]),
            dataset("/values/energy", "float64", &[343, 10]),
        ],
    }
}

#[test]
fn results() {
    insta::assert_snapshot!("results_human", Human { bold: false }.results(&summary()));
    insta::assert_snapshot!("results_plain", Plain.results(&summary()));
    insta::assert_snapshot!("results_json", Json.results(&summary()));
    let complete = FileSummary { done: 500, failed: 0, missing: 0, ..summary() };
    let text = Human { bold: false }.results(&complete);
    assert!(
        text.starts_with("data/sweep.h5: a run, complete: 500 of 500 elements done (80.0 KiB)"),
        "{text}"
    );
    assert!(!text.contains("goes on"), "{text}");
}

#[test]
fn why_a_job_waits() {
    let held =
        |engine, chunks, behind| Held { engine, chunk: 7 * u64::from(engine), attempt: 1, chunks, behind };
    let explained = Explained {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        label: "survey\x1b[2J".to_owned(),
        elements: 1000,
        elements_done: 420,
        elements_failed: 3,
        running: vec![held(0, 1, 0), held(12, 4, 2)],
        chunks_queued: 3,
        chunks_waiting: 57,
        waiting: Some("all 2 engines that will do are busy".to_owned()),
        after: vec!["01890a5d-ac96-774b-bcce-000000000001".to_owned()],
    };
    insta::assert_snapshot!("explained_human", Human { bold: false }.explained(&explained));
    insta::assert_snapshot!("explained_plain", Plain.explained(&explained));
    insta::assert_snapshot!("explained_json", Json.explained(&explained));
}

fn past_job(label: &str, state: phalanx_history::JobState, message: &str) -> phalanx_history::JobRecord {
    let failed = u64::from(!message.is_empty());
    phalanx_history::JobRecord {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        label: label.to_owned(),
        state,
        client_host: "head".to_owned(),
        client_pid: 4711,
        direct: false,
        submitted_ns: 1_795_286_368_000_000_000,
        ended_ns: (state != phalanx_history::JobState::Running).then_some(1_795_286_369_250_000_000),
        elements: 500,
        elements_done: 500 - failed,
        elements_failed: failed,
        chunks: 50,
        attempts_lost: 2,
        rows_pruned: 0,
        message: message.to_owned(),
    }
}

fn past() -> Past {
    use phalanx_history::JobState::{Completed, Failed, Running};
    Past {
        profile: "nbserver".to_owned(),
        running: true,
        jobs: vec![
            past_job("sweep::simulate", Running, ""),
            past_job("sweep::simulate", Failed, "the lattice\x1b[2J is empty\nand more"),
            phalanx_history::JobRecord { direct: true, ..past_job("main::get_sum", Completed, "") },
        ],
        chunks: None,
        more: true,
        dropped: 12,
        trouble: Some("history.sqlite cannot be written: disk is full".to_owned()),
    }
}

fn past_chunks() -> Past {
    use phalanx_history::{ChunkRecord, ChunkStatus};
    let chunk = |chunk_first, chunks, status, message: &str| ChunkRecord {
        job: past().jobs[1].id.clone(),
        chunk_first,
        chunks,
        element_first: 10 * chunk_first,
        elements: 10 * u64::from(chunks),
        elements_failed: u64::from(status == ChunkStatus::Failed),
        engine: 3,
        host: "node7".to_owned(),
        attempt: 2,
        status,
        started_ns: (status != ChunkStatus::Lost).then_some(1_795_286_368_000_000_000),
        ended_ns: 1_795_286_368_004_200_000,
        kind: if message.is_empty() { String::new() } else { "panic".to_owned() },
        message: message.to_owned(),
    };
    Past {
        jobs: vec![phalanx_history::JobRecord { rows_pruned: 7, ..past().jobs[1].clone() }],
        chunks: Some(vec![
            chunk(0, 16, ChunkStatus::Ok, ""),
            chunk(16, 1, ChunkStatus::Failed, "the lattice is empty"),
            chunk(17, 1, ChunkStatus::Lost, &"signal 11 ".repeat(20)),
        ]),
        more: false,
        dropped: 0,
        trouble: None,
        ..past()
    }
}

#[test]
fn history() {
    for (name, past) in [("history", past()), ("history_of_a_job", past_chunks())] {
        insta::assert_snapshot!(format!("{name}_human"), Human { bold: false }.history(&past));
        insta::assert_snapshot!(format!("{name}_plain"), Plain.history(&past));
        insta::assert_snapshot!(format!("{name}_json"), Json.history(&past));
    }
    let none = Past { jobs: vec![], more: false, dropped: 0, trouble: None, ..past() };
    assert_eq!(Human { bold: false }.history(&none), "profile nbserver: no jobs in its history fit\n");
    let text = Plain.history(&past()) + &Plain.history(&past_chunks());
    assert!(text.lines().all(|line| line.split('\t').count() == 15), "{text}");
}

#[test]
fn what_is_known_and_kept() {
    let running = KnownJob {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        label: "sweep::simulate".to_owned(),
        state: "running",
        kept: false,
        client_left: false,
        elements: 1000,
        elements_done: 420,
        elements_failed: 0,
        age_ms: 252_000,
        ended_ms: None,
        kept_bytes: 0,
        result_type: String::new(),
    };
    let failed = KnownJob {
        id: "01890a5d-ac96-774b-bcce-000000000001".to_owned(),
        label: "survey\x1b[2J".to_owned(),
        state: "failed",
        kept: true,
        client_left: true,
        elements_done: 997,
        elements_failed: 3,
        ended_ms: Some(7_200_000),
        kept_bytes: 64 << 20,
        result_type: "alloc::vec::Vec<f64>".to_owned(),
        ..running.clone()
    };
    let jobs = Jobs { profile: "nbserver".to_owned(), jobs: vec![failed, running] };
    insta::assert_snapshot!("jobs_human", Human { bold: false }.jobs(&jobs));
    insta::assert_snapshot!("jobs_plain", Plain.jobs(&jobs));
    insta::assert_snapshot!("jobs_json", Json.jobs(&jobs));
    let none = Jobs { jobs: vec![], ..jobs };
    assert_eq!(Human { bold: false }.jobs(&none), "profile nbserver: nothing runs, and nothing is kept\n");
    assert_eq!(Plain.jobs(&none), "");
    let job = AbortedJob {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        label: "survey\x1b[2J".to_owned(),
    };
    let aborted = Aborted { profile: "nbserver".to_owned(), jobs: vec![job] };
    insta::assert_snapshot!("aborted_human", Human { bold: false }.aborted(&aborted));
    insta::assert_snapshot!("aborted_json", Json.aborted(&aborted));
    let purged = Purged { profile: "nbserver".to_owned(), jobs: 2, bytes: 65 << 20 };
    assert_eq!(Human { bold: false }.purged(&purged), "dropped the results of 2 jobs: 65.0 MiB\n");
    insta::assert_snapshot!("purged_json", Json.purged(&purged));
}
