//! Lives through simulated worlds: `simulate --seed 7 --trace` shows one, `simulate --from 0 --count 10000` many.

use std::process::ExitCode;

use phalanx_scheduler::sim::{Options, simulate};

fn main() -> ExitCode {
    let (mut from, mut count, mut trace, mut every) = (0, 1_000, false, 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        match arg.as_str() {
            "--seed" => (from, count) = (number(), 1),
            "--from" => from = number(),
            "--count" => count = number(),
            "--every" => every = number(),
            "--trace" => trace = true,
            other => {
                eprintln!("{other}? simulate [--seed N [--trace]] [--from N] [--count N] [--every STEPS]");
                return ExitCode::from(2);
            }
        }
    }
    let options = Options { trace, check_every: every, bug: None };
    let (mut steps, mut assigned, mut recalled, mut lost, mut failed) = (0, 0, 0, 0, 0);
    for seed in from..from + count {
        match simulate(seed, &options) {
            Ok(summary) => {
                print!("{}", summary.trace.unwrap_or_default());
                steps += summary.steps;
                assigned += summary.assigned;
                recalled += summary.recalled;
                lost += summary.lost;
                failed += summary.failed;
            }
            Err(failure) => {
                println!("{}{failure}", failure.trace.as_deref().unwrap_or_default());
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{count} worlds, {steps} steps, {assigned} chunks assigned, {recalled} recalled, {lost} lost, {failed} failed: every promise was kept"
    );
    ExitCode::SUCCESS
}
