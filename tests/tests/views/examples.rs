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
fn mapper() {
    let out = example("mapper");
    assert!(out.contains("cycle 3: ") && out.contains("  worker 2: "), "{out}");
    let segments = |line: &str| line.split(' ').nth(4)?.parse::<u32>().ok();
    let counts = out.lines().filter(|line| line.starts_with("  worker ")).filter_map(segments);
    assert_eq!(counts.sum::<u32>(), 4 * 12, "each cycle's times are its own: {out}");
}
