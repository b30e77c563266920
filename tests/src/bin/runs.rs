//! Runs that are recorded: `runs MODE FILE …` on a cluster of its own.
//!
//! - `steps FILE GATE ELEMENTS FREE`: a map whose elements beyond the first `FREE` wait at the gate; each signs there;
//! - `other-function`, `any-program`: the same with another function, or with whatever program;
//! - `twin FILE 2`, `twin FILE 3`: a map of one closure or another of the same function;
//! - `fast FILE ELEMENTS`: a map of many small elements;
//! - `noise FILE`: more than there is room for;
//! - `new`: a simulation that is saved to a new file; `failing FILE GATE`: one of which a piece fails at first;
//! - `simulate FILE`, `piece FILE N`: a simulation, and one piece of it alone, with the seeds in the file.

use std::path::Path;
use std::time::Duration;

use phalanx::simulation::{Outcome, Simulation, System};
use phalanx::{AsyncRun, Auto, Client, LoadBalancedWith, ResumableView};
use phalanx_tests::Gate;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Steps {
    gate: Gate,
    free: u64,
    scale: f64,
}

fn step(steps: &Steps, element: u64) -> f64 {
    if element < steps.free {
        steps.gate.sign(element);
    } else {
        steps.gate.pass(element);
    }
    element as f64 * steps.scale
}

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Client::local(2)?;
    let number = |text: &str| text.parse::<u64>().expect("a number");
    match arguments.as_slice() {
        [mode, file, gate, elements, free] => {
            let steps = Steps { gate: Gate::at(gate), free: number(free), scale: 0.5 };
            map_steps(&client, mode, file, steps, number(elements))
        }
        ["fast", file, elements] => {
            let view = client.load_balanced_view().resumable(file);
            told(&view.map_async(small, 0..number(elements), 10)?)
        }
        ["twin", file, "2"] => {
            told(&client.load_balanced_view().resumable(file).map_async(|x: f64| x * 2.0, [1.0, 2.0], 1)?)
        }
        ["twin", file, _] => {
            told(&client.load_balanced_view().resumable(file).map_async(|x: f64| x * 3.0, [1.0, 2.0], 1)?)
        }
        ["noise", file] => noise(&client, file),
        ["simulate", file] => {
            let outcome = chains().save_to(file).run(&client.load_balanced_view(), walk)?;
            told_of_simulation(outcome)
        }
        ["new"] => {
            let outcome = chains().save_new("data", "simulation-").run(&client.load_balanced_view(), walk)?;
            println!("file {}", outcome.file.expect("it was to be saved").display());
            Ok(())
        }
        ["failing", file, gate] => failing(&client, file, &Gate::at(gate)),
        ["piece", file, piece] => {
            let seeds = client.load_balanced_view();
            let recorded = chains().save_to(file).quiet().run(&seeds, walk)?;
            let alone = chains().seeds(&recorded.seeds).only(&[number(piece) as usize]);
            told_of_simulation(alone.quiet().run_serial(walk)?)
        }
        other => panic!("no such mode: {other:?}"),
    }
}

fn map_steps(client: &Client, mode: &str, file: &str, steps: Steps, elements: u64) -> phalanx::Result<()> {
    let view = |steps| client.load_balanced_view().with(steps).resumable(file);
    let view: ResumableView<LoadBalancedWith<Steps>> = match mode {
        "other-scale" => view(Steps { scale: 0.25, ..steps }),
        "any-program" => view(steps).any_program(),
        _ => view(steps),
    };
    let run = match mode {
        "other-function" => view.map_async(|s: &Steps, i: u64| s.scale + i as f64, 0..elements, 1)?,
        "other-element" => view.map_async(step, (0..elements).map(|i| if i == 3 { 77 } else { i }), 1)?,
        _ => view.map_async(step, 0..elements, 1)?,
    };
    told(&run)
}

fn told(run: &AsyncRun<f64>) -> phalanx::Result<()> {
    println!("resumed {}", run.resumed());
    run.wait_interactive()?;
    println!("values {:?}", run.get()?.iter().sum::<f64>());
    println!("saved {}", run.saved()?.display());
    Ok(())
}

fn small(element: u64) -> f64 {
    std::thread::sleep(Duration::from_micros(50));
    element as f64 * 0.5
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): numbers that do not compress.
fn noisy(i: u64) -> Vec<u64> {
    std::thread::sleep(Duration::from_millis(5));
    let mix = |i: u64| {
        let z = (i ^ (i >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    (0..1024).map(|k| mix(1024 * i + k)).collect()
}

fn noise(client: &Client, file: &str) -> phalanx::Result<()> {
    let run = client.load_balanced_view().resumable(file).map_async(noisy, 0..400u64, Auto)?;
    run.wait_interactive()?;
    println!("values {}", run.get()?.len());
    println!("unsaved {}", run.saved().expect_err("there is not that much room"));
    println!("left {:?}", files(file));
    Ok(())
}

fn files(beside: &str) -> Vec<String> {
    let folder = Path::new(beside).parent().expect("a folder");
    let entries = std::fs::read_dir(folder).expect("it is there").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A chain of so many sites.
struct Chain(u32);

impl System for Chain {
    type Parameters = u32;

    fn build(sites: &u32) -> Self {
        Self(*sites)
    }

    fn parameters(&self) -> u32 {
        self.0
    }
}

fn chains() -> Simulation<Chain, u32, u32> {
    Simulation::<Chain>::new(100)
        .with(1000)
        .parallel(6, |chain, pieces| (0..*pieces).map(|i| (Chain(chain.0 / (i + 1)), i)).collect())
}

fn walk(chain: Chain, start: u32, steps: &u32, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut at = f64::from(start);
    (0..*steps)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            at = (at + (state >> 33) as f64 / f64::from(u32::MAX)) % f64::from(chain.0);
            at
        })
        .collect()
}

/// The piece that starts at 3 panics until the gate is open; what is made of each result is a text.
fn failing(client: &Client, file: &str, gate: &Gate) -> phalanx::Result<()> {
    let pieces = |chain: Chain| (0..6).map(|i| (Chain(chain.0), i)).collect();
    let simulation = Simulation::<Chain>::new(10).with(gate.clone()).pieces(pieces).save_to(file);
    let simulate = |_: Chain, start: u32, gate: &Gate, _: u64| {
        gate.sign(start);
        assert!(start != 3 || gate.is_open(), "the chain is broken");
        start * start
    };
    let outcome =
        simulation.quiet().run_wrapped(&client.load_balanced_view(), simulate, |r| format!("<{r}>"))?;
    println!("resumed {}", outcome.resumed);
    for (piece, result) in outcome.results.iter().enumerate() {
        println!("{piece} {result:?}");
    }
    Ok(())
}

fn told_of_simulation(outcome: Outcome<Vec<f64>>) -> phalanx::Result<()> {
    println!("resumed {}", outcome.resumed);
    println!("seeds {:?}", outcome.seeds);
    println!("file {:?}", outcome.file);
    let bits = |values: Vec<f64>| values.iter().fold(0u64, |sum, x| sum.rotate_left(1) ^ x.to_bits());
    println!("bits {:?}", outcome.values()?.into_iter().map(bits).collect::<Vec<_>>());
    Ok(())
}
