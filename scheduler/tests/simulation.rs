//! Ten thousand worlds in which everything goes wrong, and the proof that they find what is wrong in the core.

use phalanx_scheduler::Bug;
use phalanx_scheduler::sim::{Options, Summary, simulate};

/// Steps between two checks of all invariants.
const CHECK_EVERY: u64 = 4;

fn live_through(seeds: std::ops::Range<u64>, options: &Options) -> Summary {
    let mut all = Summary::default();
    for seed in seeds {
        let one = simulate(seed, options).unwrap_or_else(|failure| panic!("{failure}"));
        all.steps += one.steps;
        all.assigned += one.assigned;
        all.recalled += one.recalled;
        all.urgent += one.urgent;
        all.lost += one.lost;
        all.failed += one.failed;
        all.finished += one.finished;
        all.streamed += one.streamed;
    }
    all
}

#[test]
fn every_promise_is_kept_in_ten_thousand_worlds() {
    let options = Options { check_every: CHECK_EVERY, ..Options::default() };
    let all = live_through(0..10_000, &options);
    // A world in which nothing happens would prove nothing.
    assert!(all.assigned > 500_000 && all.recalled > 5_000 && all.lost > 30_000, "{all:?}");
    assert!(all.urgent > 5_000, "{all:?}");
    assert!(all.streamed > 20_000, "{all:?}");
    assert!(all.failed > 10_000 && all.finished > 20_000, "{all:?}");
}

/// Each of these worlds has found a bug once.
#[test]
fn what_was_found_once_stays_mended() {
    let options = Options { check_every: 1, ..Options::default() };
    for seed in [
        1_931, // a direct chunk waited behind a cancelled one, and nobody woke its engine
        5_871, // a cancelled direct chunk was counted into the window of balanced ones
    ] {
        live_through(seed..seed + 1, &options);
    }
}

#[test]
fn one_seed_gives_one_world() {
    let options = Options { trace: true, check_every: 1, bug: None };
    for seed in 0..50 {
        let twice = [simulate(seed, &options).unwrap().trace, simulate(seed, &options).unwrap().trace];
        assert!(twice[0] == twice[1], "seed {seed}");
        assert!(twice[0].as_ref().is_some_and(|trace| trace.lines().count() > 3), "seed {seed}");
    }
}

/// Each planted bug is found by the model alone: neither an invariant nor an assertion of the core counts here.
#[test]
fn planted_bugs_are_found() {
    for bug in Bug::ALL {
        let options = Options { bug: Some(bug), check_every: u64::MAX, trace: false };
        let is_found = |seed: &u64| match std::panic::catch_unwind(|| simulate(*seed, &options)) {
            Ok(Err(failure)) => !failure.what.contains("does not hold"),
            Ok(Ok(_)) | Err(_) => false,
        };
        assert!((0..300).any(|seed| is_found(&seed)), "{bug:?} lives through 300 worlds");
    }
}
