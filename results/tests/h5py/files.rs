//! Whole files, and the holes that failed elements leave in them.

use std::collections::BTreeMap;

use ndarray::Array2;
use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo, SaveOptions};
use serde::Serialize;

use crate::expectation::Expectation;

#[derive(Serialize)]
struct Fit {
    mean: f64,
    label: String,
    high: Option<i64>,
    weights: Vec<f32>,
    pair: (u8, &'static str),
}

fn fit(mean: f64, high: Option<i64>, weights: &[f32]) -> Fit {
    Fit { mean, label: format!("fit {mean}"), high, weights: weights.to_vec(), pair: (mean as u8, "p") }
}

#[derive(Serialize)]
enum Step {
    Converged,
    Moved(f64),
}

#[test]
fn no_elements_are_an_empty_file() {
    Expectation::of_values::<f64>(&[]).fixed::<f64>("values", &[0], &[]).check();
}

fn failed<V>() -> ElementOutcome<'static, V> {
    ElementOutcome::Failed { kind: "panic", message: "no" }
}

#[test]
fn failed_elements_leave_holes_in_every_kind_of_value() {
    let (one, two) = (fit(1.0, Some(9), &[0.5]), fit(2.0, None, &[0.25, 0.125]));
    Expectation::of_outcomes(&[
        failed(),
        ElementOutcome::Value(&one),
        ElementOutcome::Missing,
        ElementOutcome::Value(&two),
    ])
    .fixed("values/mean", &[4], &[f64::NAN, 1.0, f64::NAN, 2.0])
    .text("values/label", &[4], &["", "fit 1", "", "fit 2"])
    .fixed("values/high", &[4], &[0i64, 9, 0, 0])
    .fixed("values/high.is_some", &[4], &[false, true, false, false])
    .ragged("values/weights", &[4], &[vec![], vec![0.5f32], vec![], vec![0.25, 0.125]])
    .fixed("values/pair/0", &[4], &[0u8, 1, 0, 2])
    .text("values/pair/1", &[4], &["", "p", "", "p"])
    .check();
    let (a, b) = ([[1u8, 2]], [[3u8, 4]]);
    Expectation::of_outcomes(&[ElementOutcome::Value(&a), failed(), ElementOutcome::Value(&b)])
        .fixed("values", &[3, 1, 2], &[1u8, 2, 0, 0, 3, 4])
        .check();
    Expectation::of_outcomes(&[failed(), ElementOutcome::Value(&Step::Converged)])
        .enumeration("values", &[2], &["(absent)", "Converged"])
        .check();
    Expectation::of_outcomes(&[failed(), ElementOutcome::Value(&Step::Moved(0.5))])
        .enumeration("values/variant", &[2], &["(absent)", "Moved"])
        .fixed("values/data/Moved/rows", &[1], &[1u64])
        .fixed("values/data/Moved/value", &[1], &[0.5])
        .check();
    Expectation::of_outcomes(&[failed(), ElementOutcome::Value(&u128::MAX)])
        .json("values", &[None, Some(&u128::MAX.to_string())])
        .check();
    Expectation::of_outcomes::<u8>(&[failed(), ElementOutcome::Missing])
        .fixed("values", &[2], &[f64::NAN; 2])
        .attribute("values", "encoding", "absent")
        .check();
}

#[test]
fn a_whole_file_has_its_records_parameters_and_run() {
    let info = RunInfo {
        job: "0199-job".into(),
        label: "demo::get_sum".into(),
        program: "b3".repeat(32),
        submitted_ns: 1_700_000_000_000_000_001,
        received_ns: 1_700_000_009_000_000_002,
        wall_seconds: 9.000_000_001,
        chunk_sizes: vec![2, 1],
        hosts: BTreeMap::from([(0, "node-a".into()), (3, "node-b".into())]),
        phalanx_version: "9.8.7".into(),
    };
    let record = |engine, attempt, started_ns, completed_ns, chunk| ElementRecord {
        engine,
        attempt,
        started_ns,
        completed_ns,
        chunk,
        ran_with: 2,
    };
    let start = 1_700_000_000_000_000_000;
    let records = [
        record(0, 1, start, start + 1, 0),
        record(3, 2, start + 5, start + 500_000_005, 0),
        record(3, 1, 0, 0, 1),
    ];
    let outcomes = [
        ElementOutcome::Value(2.5),
        ElementOutcome::Failed { kind: "panic", message: "index out of bounds\0!" },
        ElementOutcome::Missing,
    ];
    let parameters = [("a", 1u8), ("b", 2), ("c", 3)];
    let context = (Array2::<f64>::ones((2, 2)), "shared");
    let expectation = Expectation::new(&["values", "parameters", "context", "elements", "chunks", "engines"]);
    let path = ResultFile::new(&info, outcomes, &records)
        .with_parameters(&parameters)
        .with_context(&context)
        .save(expectation.path(), &SaveOptions::default())
        .unwrap();
    assert_eq!(path, expectation.path());
    expectation
        .fixed("values", &[3], &[2.5, f64::NAN, f64::NAN])
        .text("parameters/0", &[3], &["a", "b", "c"])
        .fixed("parameters/1", &[3], &[1u8, 2, 3])
        .fixed("context/0", &[2, 2], &[1.0; 4])
        .text("context/1", &[], &["shared"])
        .fixed("elements/engine", &[3], &[0u32, 3, 3])
        .fixed("elements/attempt", &[3], &[1u32, 2, 1])
        .fixed("elements/chunk", &[3], &[0u64, 0, 1])
        .fixed("elements/started_ns", &[3], &[start, start + 5, 0])
        .fixed("elements/completed_ns", &[3], &[start + 1, start + 500_000_005, 0])
        .fixed("elements/ran_with", &[3], &[2u32; 3])
        .fixed("elements/seconds", &[3], &[0.5e-9, 0.25, f64::NAN])
        .enumeration("elements/status", &[3], &["ok", "failed", "missing"])
        .text("elements/error_kind", &[3], &["", "panic", ""])
        .text("elements/error", &[3], &["", "index out of bounds\u{fffd}!", ""])
        .fixed("chunks/size", &[2], &[2u64, 1])
        .fixed("engines/id", &[2], &[0u32, 3])
        .text("engines/host", &[2], &["node-a", "node-b"])
        .attribute("/", "format", "phalanx-results")
        .attribute("/", "format_version", 1)
        .attribute("/", "elements", 3)
        .attribute("/", "job", "0199-job")
        .attribute("/", "label", "demo::get_sum")
        .attribute("/", "program", "b3".repeat(32))
        .attribute("/", "phalanx_version", "9.8.7")
        .attribute("/", "submitted_ns", 1_700_000_000_000_000_001u64)
        .attribute("/", "received_ns", 1_700_000_009_000_000_002u64)
        .attribute("/", "wall_seconds", 9.000_000_001)
        .check();
}
