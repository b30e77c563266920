//! The shipped settings, and every way to get them wrong.

use super::*;
use std::collections::BTreeSet;

const SHIPPED: &str = include_str!("../ising.toml");

fn shipped() -> Settings {
    Settings::parse(SHIPPED, "ising.toml").expect("the shipped settings")
}

/// The message for the shipped settings with one line replaced.
fn refused(line: &str, by: &str) -> String {
    let (changed, error) = (SHIPPED.replace(line, by), "a mistake");
    assert_ne!(changed, SHIPPED, "nothing replaced");
    Settings::parse(&changed, "ising.toml").expect_err(error).to_string()
}

#[test]
fn the_shipped_settings_are_the_study_described() {
    let settings = shipped();
    assert_eq!((settings.size, settings.count, settings.replicas), (32, 48, 4));
    assert_eq!(settings.runs().len(), 192);
}

#[test]
fn temperatures_rise_from_end_to_end_and_crowd_at_the_critical_one() {
    let temperatures = shipped().temperatures();
    assert_eq!((temperatures[0], temperatures[47]), (1.5, 3.5));
    let gaps: Vec<f64> = temperatures.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap > 0.0));
    let narrowest = gaps.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).expect("47 gaps").0;
    assert!((temperatures[narrowest] - CRITICAL_TEMPERATURE).abs() < 0.03);
    assert!(gaps[0] > 4.0 * gaps[narrowest] && gaps[46] > 4.0 * gaps[narrowest]);
}

#[test]
fn seeds_differ_between_runs_and_repeat_with_the_base_seed() {
    let settings = Settings { base_seed: 7, ..shipped() };
    let runs = settings.runs();
    assert_eq!(runs.iter().map(|run| run.seed).collect::<BTreeSet<_>>().len(), runs.len());
    assert_eq!(runs, settings.runs());
    assert_ne!(runs[0].seed, Settings { base_seed: 8, ..settings }.runs()[0].seed);
}

#[test]
fn a_seed_of_zero_is_drawn_and_any_other_kept() {
    let drawn = [shipped(), shipped()].map(|settings| settings.with_seed().expect("a random seed").base_seed);
    assert!(drawn[0] != 0 && drawn[0] != drawn[1] && drawn[0] <= i64::MAX as u64);
    let kept = Settings { base_seed: 5, ..shipped() };
    assert_eq!(kept.clone().with_seed().expect("nothing to draw"), kept);
}

#[test]
fn values_out_of_range_are_named_with_their_line_and_a_remedy() {
    let messages = [
        refused("size = 32", "size = 33"),
        refused("from = 1.5", "from = 0.0"),
        refused("from = 1.5", "from = nan"),
        refused("to = 3.5", "to = 1.5"),
        refused("to = 3.5", "to = inf"),
        refused("count = 48", "count = 1"),
        refused("dense_within = 0.15", "dense_within = 0"),
        refused("replicas = 4", "replicas = 0"),
        refused("burn_in = 10_000", "burn_in = 4_000_000_000"),
        refused("sweeps = 160_000", "sweeps = 160_001"),
        refused("sweeps = 160_000", "sweeps = 0"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn unknown_missing_and_mistyped_keys_are_named_with_their_line() {
    let messages = [
        refused("replicas = 4", "replicsa = 4"),
        refused("count = 48\n", ""),
        refused("size = 32", "size = \"large\""),
        refused("base_seed = 0", "base_seed = -1"),
        refused("[runs]", "[runs"),
        refused("[lattice]", "[latice]"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("absent.toml");
    let message = Settings::load(&path).expect_err("no such file").to_string();
    assert!(message.contains("absent.toml") && message.contains("cannot read"), "{message}");
}
