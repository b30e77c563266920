//! The client's examples work, and print what they claim.

use std::path::PathBuf;
use std::process::Command;

/// An example of the client, built beside this test.
fn example(name: &str) -> String {
    let own = std::env::current_exe().expect("the system knows this executable's path");
    let path: PathBuf = own.ancestors().nth(2).expect("target/PROFILE/deps").join("examples").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build -p phalanx --examples` first", path.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = Command::new(&path).current_dir(&folder).output().expect("the example starts");
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn first() {
    assert_eq!(example("first"), "[40, 54, 70, 88]\n[30, 30, 30, 30]\n[0, 1, 4, 9, 16]\n");
}

#[test]
fn pi() {
    let out = example("pi");
    let pi: f64 = out.rsplit("pi is about ").next().and_then(|s| s.trim().parse().ok()).expect(&out);
    assert!((pi - std::f64::consts::PI).abs() < 0.01, "{out}");
}

#[test]
fn stream() {
    let out = example("stream");
    assert!(out.starts_with("π ≈ 3.14") && out.contains(" batches"), "{out}");
}

#[test]
fn sweep() {
    let out = example("sweep");
    assert!(out.contains("101 settings, 1 failed") && out.contains("saved to"), "{out}");
}

#[test]
fn notebook() {
    let out = example("notebook");
    assert!(out.contains("[40, 54, 70, 88]") && out.contains("500/500 tasks finished after"), "{out}");
}

#[test]
fn resume() {
    let out = example("resume");
    assert!(out.contains("400 rates (0 from before)") && out.contains("saved to data/logistic.h5"), "{out}");
}

#[test]
fn simulation() {
    let out = example("simulation");
    let off: f64 = out
        .rsplit("ln p is at most ")
        .next()
        .and_then(|s| s.split(' ').next())
        .and_then(|s| s.parse().ok())
        .expect(&out);
    // Visits of neighbouring sites are correlated: of a hundred runs the largest error was 0.26, the median 0.09.
    assert!(off < 0.5 && out.contains("61 sites joined"), "{out}");
    assert!(out.contains("\"DoubleWell\"") && out.contains("data/double-well.h5"), "{out}");
}

#[test]
fn communicator() {
    let out = example("communicator");
    let lines = |beginning: &str| out.lines().filter(|line| line.starts_with(beginning)).collect::<Vec<_>>();
    assert_eq!(
        lines("running on"),
        [
            "running on 1 ranks of \"serial\"",
            "running on 4 ranks of \"threads\"",
            "running on 4 ranks of \"cluster\"",
        ]
    );
    assert_eq!(lines("mapped"), ["mapped Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])"; 3]);
    let values = lines("values");
    assert!(values.len() == 3 && values.iter().all(|line| *line == values[0]), "{values:?}");
    assert!(out.contains("[rank 3 of 4] the flag is woop"), "{out}");
}

#[test]
fn parameter_sweep() {
    let out = example("parameter_sweep");
    assert!(out.contains("19 shots on 4 workers, 5 of them without an apex"), "{out}");
    assert!(out.contains("the farthest: 627.2 m at 30°") && out.contains("[4, 4, 4, 4], 4 files"), "{out}");
}

#[test]
fn mapper() {
    let out = example("mapper");
    assert!(out.contains("cycle 3: ") && out.contains("  worker 2: "), "{out}");
    let segments = |line: &str| line.split(' ').nth(4)?.parse::<u32>().ok();
    let counts = out.lines().filter(|line| line.starts_with("  worker ")).filter_map(segments);
    assert_eq!(counts.sum::<u32>(), 4 * 12, "each cycle's times are its own: {out}");
}
