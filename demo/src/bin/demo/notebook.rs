//! The calls of a well-known notebook on parallel computing, with both views: products, and the sums of the rows of a
//! table of random scenarios. Whatever way they are computed, the sums must be the same to the last bit.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};
use phalanx::{Auto, Chunksize, Client, LoadBalancedView, SaveOptions};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use crate::failure::Failure;

const SAMPLES: usize = 5000;

fn mul((a, b): (i64, i64)) -> i64 {
    a * b
}

fn get_sum(row: ArrayView1<'_, f64>) -> f64 {
    row.sum()
}

/// Runs it; the files it has left, and what they are.
pub(crate) fn run(client: &Client, seed: u64, out: &Path) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    println!("\n── The notebook ──\n");
    println!("client.ids()                                 {:?}", client.ids());
    products(client)?;

    let scenarios = random_scenarios(seed);
    let here: Vec<f64> = scenarios.rows().into_iter().map(get_sum).collect();
    println!("\n{SAMPLES} scenarios of 3 parameters, uniform in [0, 1)");

    println!("\nDirectView: scatter, execute, gather");
    let direct = by_direct_view(client, &scenarios)?;
    print_head(&scenarios, &direct);
    same("the direct view's sums", &direct, "those computed here", &here)?;

    let lview = client.load_balanced_view();
    for chunksize in [Chunksize::from(10), Chunksize::from(100)] {
        let balanced = by_load_balanced_view(&lview, &scenarios, chunksize, None)?;
        same("the load-balanced view's sums", &balanced, "the direct view's", &direct)?;
    }
    let file = out.join("sums.h5");
    let balanced = by_load_balanced_view(&lview, &scenarios, Auto.into(), Some(&file))?;
    print_head(&scenarios, &balanced);
    same("the load-balanced view's sums", &balanced, "the direct view's", &direct)?;
    println!("both views give the same {SAMPLES} sums, bit for bit");
    Ok(vec![(file, "the scenarios and their sums")])
}

fn products(client: &Client) -> Result<(), Failure> {
    let dview = client.direct_view(..);
    let pairs = [(5, 8), (6, 9), (7, 10), (8, 11)];
    let out = dview.map_sync(mul, pairs)?;
    println!("dview.map(mul, [5, 6, 7, 8], [8, 9, 10, 11]) {out:?}");
    let expected: Vec<i64> = pairs.into_iter().map(mul).collect();
    if out != expected {
        return Err(Failure::Wrong(format!("the products are {out:?}, not {expected:?}")));
    }
    let out = dview.apply(|a: i64, b: i64| a * b, (5, 6)).get()?;
    println!("dview.apply(mul, 5, 6)                       {out:?}");
    if out != vec![30; client.ids().len()] {
        return Err(Failure::Wrong(format!("every engine's product of 5 and 6 is {out:?}")));
    }
    Ok(())
}

/// 53 random bits over 2⁵³ each, from a seed of their own: the study takes the other values of SplitMix64.
fn random_scenarios(seed: u64) -> Array2<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array2::from_shape_simple_fn((SAMPLES, 3), || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
}

fn by_direct_view(client: &Client, scenarios: &Array2<f64>) -> Result<Vec<f64>, Failure> {
    let dview = client.direct_view(..);
    dview.scatter("scenarios", scenarios).get()?;
    dview
        .execute(|ns| {
            let out: Vec<f64> = ns.at::<Array2<f64>>("scenarios").rows().into_iter().map(get_sum).collect();
            ns.set("out", out);
        })
        .get()?;
    Ok(dview.gather("out").get()?)
}

fn by_load_balanced_view(
    lview: &LoadBalancedView,
    scenarios: &Array2<f64>,
    chunksize: Chunksize,
    file: Option<&Path>,
) -> Result<Vec<f64>, Failure> {
    match chunksize {
        Chunksize::Auto => println!("\nLoadBalancedView: map_rows(get_sum, scenarios, Auto)"),
        Chunksize::Elements(n) => println!("\nLoadBalancedView: map_rows(get_sum, scenarios, {n})"),
    }
    let out = lview.map_rows(get_sum, scenarios, chunksize);
    out.wait_interactive()?;
    println!("the total calculation time is: {:?}", out.wall_time());
    if let Some(file) = file {
        out.save_with(file, &SaveOptions { overwrite: true, ..SaveOptions::default() })?;
    }
    Ok(out.get()?)
}

/// The first five rows, as the notebook shows them.
fn print_head(scenarios: &Array2<f64>, sums: &[f64]) {
    println!("       par1      par2      par3       sum");
    for (index, (row, sum)) in scenarios.rows().into_iter().zip(sums).take(5).enumerate() {
        println!("{index}  {:.6}  {:.6}  {:.6}  {sum:.6}", row[0], row[1], row[2]);
    }
}

fn same(what: &str, sums: &[f64], others: &str, other_sums: &[f64]) -> Result<(), Failure> {
    if sums.len() != other_sums.len() {
        let (n, m) = (sums.len(), other_sums.len());
        return Err(Failure::Wrong(format!("{what} are {n} and {others} are {m}")));
    }
    match sums.iter().zip(other_sums).position(|(a, b)| a.to_bits() != b.to_bits()) {
        None => Ok(()),
        Some(i) => {
            let (a, b) = (sums[i], other_sums[i]);
            Err(Failure::Wrong(format!("{what} differ from {others}: row {i} is {a:?} and {b:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_and_named() {
        assert!(same("a", &[1.0, 2.0], "b", &[1.0, 2.0]).is_ok());
        let failure = same("a", &[1.0, 2.0], "b", &[1.0, 2.0 + f64::EPSILON * 2.0]).unwrap_err();
        assert!(failure.to_string().contains("row 1"), "{failure}");
        assert!(same("a", &[1.0], "b", &[1.0, 2.0]).unwrap_err().to_string().contains("a are 1 and b are 2"));
        assert!(same("a", &[0.0], "b", &[-0.0]).is_err());
    }

    #[test]
    fn scenarios_follow_from_the_seed() {
        let scenarios = random_scenarios(7);
        assert_eq!(scenarios, random_scenarios(7));
        assert_ne!(scenarios, random_scenarios(8));
        assert!(scenarios.iter().all(|x| (0.0..1.0).contains(x)));
        let mean = scenarios.mean().unwrap();
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
