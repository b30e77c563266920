//! Runs against the exact averages over all 65 536 states of the 4×4 lattice.

use super::*;
use crate::kaufman;

/// Boltzmann averages of a 4×4 periodic lattice.
struct Exact {
    energy: f64,
    magnetisation: f64,
    specific_heat: f64,
    binder: f64,
    /// The mean acceptance of one proposed flip in equilibrium.
    acceptance: f64,
}

fn enumerate(temperature: f64) -> Exact {
    let (mut weights, mut e1, mut e2, mut m1, mut m2, mut m4, mut accepted) =
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for state in 0..1u32 << 16 {
        let spin = |y: u32, x: u32| if state >> (4 * (y % 4) + x % 4) & 1 == 1 { 1i32 } else { -1 };
        let (mut energy, mut magnetisation, mut accept) = (0, 0, 0.0);
        for y in 0..4 {
            for x in 0..4 {
                let around = spin(y + 1, x) + spin(y + 3, x) + spin(y, x + 1) + spin(y, x + 3);
                energy -= spin(y, x) * (spin(y + 1, x) + spin(y, x + 1));
                magnetisation += spin(y, x);
                accept += f64::min(1.0, (-2.0 * f64::from(spin(y, x) * around) / temperature).exp());
            }
        }
        let weight = (-f64::from(energy + 32) / temperature).exp();
        let (e, m) = (f64::from(energy) / 16.0, f64::from(magnetisation) / 16.0);
        weights += weight;
        e1 += weight * e;
        e2 += weight * e * e;
        m1 += weight * m.abs();
        m2 += weight * m * m;
        m4 += weight * m.powi(4);
        accepted += weight * accept / 16.0;
    }
    let energy = e1 / weights;
    Exact {
        energy,
        magnetisation: m1 / weights,
        specific_heat: 16.0 * (e2 / weights - energy * energy) / (temperature * temperature),
        binder: 1.0 - m4 * weights / (3.0 * m2 * m2),
        acceptance: accepted / weights,
    }
}

fn spec(temperature: f64, seed: u64) -> RunSpec {
    RunSpec { size: 4, temperature, seed, burn_in: 1000, sweeps: 320_000 }
}

#[test]
fn agrees_with_all_states_of_the_4x4_lattice() {
    for (temperature, seed) in [(1.2, 1), (2.0, 2), (2.269, 3), (3.0, 4), (5.0, 5)] {
        let exact = enumerate(temperature);
        let run = simulate(&spec(temperature, seed)).expect("a valid run");
        for (name, estimate, exact) in [
            ("energy", run.energy, exact.energy),
            ("magnetisation", run.magnetisation, exact.magnetisation),
            ("specific heat", run.specific_heat, exact.specific_heat),
            ("Binder cumulant", run.binder, exact.binder),
        ] {
            let off = estimate.deviation(exact).expect("a moving lattice");
            assert!(off.abs() < 3.5, "T = {temperature}: {name} {estimate:?} is {off:.1} sigma from {exact}");
            // The bars themselves are small, so that the comparison means something.
            assert!(estimate.error < 0.01 * exact.abs().max(0.5), "T = {temperature}: {name} {estimate:?}");
        }
        // In a sweep the white sites are proposed after the black ones have moved; the white update is then again in
        // equilibrium, so the acceptance of a sweep is that of a single proposal.
        assert!(
            (run.acceptance / exact.acceptance - 1.0).abs() < 0.02,
            "{} {}",
            run.acceptance,
            exact.acceptance
        );
    }
}

#[test]
fn kaufmans_finite_lattice_agrees_with_all_states() {
    for temperature in [0.8, 1.5, 2.269185314213022, 2.7, 6.0] {
        let (exact, kaufman) = (enumerate(temperature), kaufman::exact(4, temperature));
        assert!(
            (exact.energy - kaufman.energy).abs() < 1e-10,
            "T = {temperature}: {} {kaufman:?}",
            exact.energy
        );
        assert!(
            (exact.specific_heat - kaufman.specific_heat).abs() < 1e-9,
            "T = {temperature}: {} {kaufman:?}",
            exact.specific_heat
        );
    }
}

#[test]
fn error_bars_are_honest() {
    // The scatter of independent runs is what their bars claim.
    let exact = enumerate(2.269).energy;
    let runs = 100;
    let squares: f64 = (0..runs)
        .map(|seed| simulate(&RunSpec { sweeps: 12_800, ..spec(2.269, 1000 + seed) }).expect("a valid run"))
        .map(|run| run.energy.deviation(exact).expect("a moving lattice").powi(2))
        .sum();
    let mean_square = squares / runs as f64;
    // χ² of 100 degrees of freedom has a relative spread of 0.14 (0.16 with bars from 32 blocks).
    assert!((0.55..1.6).contains(&mean_square), "mean squared deviation {mean_square}");
}

#[test]
fn a_frozen_run_is_the_ground_state_without_errors() {
    let run = simulate(&RunSpec { sweeps: 320, ..spec(0.1, 1) }).expect("a valid run");
    for (estimate, exact) in [(run.energy, -2.0), (run.magnetisation, 1.0), (run.specific_heat, 0.0)] {
        assert_eq!((estimate.mean, estimate.error), (exact, 0.0));
    }
    assert_eq!((run.binder.mean, run.acceptance), (1.0 - 1.0 / 3.0, 0.0));
    assert!(run.autocorrelation_sweeps.is_finite());
}

#[test]
fn a_seed_repeats_a_run_bit_for_bit_and_another_does_not() {
    let spec = RunSpec { size: 32, temperature: 2.3, seed: 42, burn_in: 100, sweeps: 640 };
    let first = simulate(&spec).expect("a valid run");
    assert_eq!(first, simulate(&spec).expect("a valid run"));
    let other = simulate(&RunSpec { seed: 43, ..spec }).expect("a valid run");
    assert_ne!(first.energy.mean.to_bits(), other.energy.mean.to_bits());
    // A change of the generator, the order of the sites or the table would show here.
    insta::assert_snapshot!(format!("{} {}", first.energy.mean, first.acceptance));
}

#[test]
fn a_result_survives_its_journey() {
    let run = simulate(&RunSpec { sweeps: 640, ..spec(2.0, 7) }).expect("a valid run");
    let text = serde_json::to_string(&run).expect("a result is plain numbers");
    assert_eq!(run, serde_json::from_str::<RunResult>(&text).expect("its own text"));
}

#[test]
fn impossible_runs_are_refused_with_a_remedy() {
    let good = spec(2.0, 1);
    assert_eq!(simulate(&RunSpec { size: 33, ..good }), Err(RunError::Size(33)));
    assert_eq!(simulate(&RunSpec { temperature: 0.0, ..good }), Err(RunError::Temperature(0.0)));
    assert!(simulate(&RunSpec { temperature: f64::NAN, ..good }).is_err());
    for sweeps in [0, 31, 33, 1000] {
        assert_eq!(simulate(&RunSpec { sweeps, ..good }), Err(RunError::Sweeps(sweeps)));
    }
    insta::assert_snapshot!(RunError::Sweeps(1000));
}
