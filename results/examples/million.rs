//! How long saving a million elements takes: `cargo run --release -p phalanx-results --example million`.

use std::time::Instant;

use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo, SaveOptions};
use serde::Serialize;

const ELEMENTS: usize = 1_000_000;

#[derive(Serialize)]
struct Fit {
    mean: f64,
    deviation: f64,
    iterations: u32,
    converged: bool,
}

fn measure<T: Serialize>(what: &str, values: &[T], compression: Option<u8>) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let start_ns = 1_700_000_000_000_000_000;
    let records: Vec<ElementRecord> = (0..values.len() as u64)
        .map(|element| ElementRecord {
            engine: (element % 16) as u32,
            attempt: 1,
            started_ns: start_ns + element * 1009,
            completed_ns: start_ns + element * 1009 + element % 997,
            chunk: element / 1000,
        })
        .collect();
    let info = RunInfo::default();
    let results = ResultFile::new(&info, values.iter().map(ElementOutcome::Value), &records);
    let start = Instant::now();
    let options = SaveOptions { compression, ..Default::default() };
    let path = results.save(directory.path().join("results.h5"), &options).expect("room for the file");
    let seconds = start.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(path).expect("the file just saved").len();
    println!("{what:32} {compression:?}: {seconds:.3} s, {} MiB", bytes >> 20);
}

fn main() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let numbers: Vec<f64> = (0..ELEMENTS).map(|_| random()).collect();
    let fits: Vec<Fit> = numbers
        .iter()
        .map(|&mean| Fit { mean, deviation: 0.1, iterations: 7, converged: mean > 0.5 })
        .collect();
    let triples: Vec<[f64; 3]> = numbers.iter().map(|&x| [x, 2.0 * x, 1.0 - x]).collect();
    let ragged: Vec<Vec<f64>> = (0..ELEMENTS).map(|i| vec![0.5; i % 5]).collect();
    let labels: Vec<String> = (0..ELEMENTS).map(|i| format!("scenario {i}")).collect();
    for compression in [None, Some(1)] {
        measure("f64", &numbers, compression);
        measure("[f64; 3]", &triples, compression);
        measure("struct of four", &fits, compression);
        measure("ragged Vec<f64>", &ragged, compression);
        measure("String", &labels, compression);
    }
}
