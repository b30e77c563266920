//! Computes values of every kind on a cluster and saves them: `results save FOLDER` writes a file per kind, and beside each what must
//! be in it, as JSON (`NAME.json`); `results too-large FILE` saves where there is no room for it.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use phalanx::{AsyncMapResult, Auto, ChunkInfo, Client};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A struct of everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fit {
    mean: f64,
    count: u32,
    name: String,
    weights: [f64; 3],
    best: Option<i64>,
}

fn main() {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let client = Client::local(4).unwrap_or_else(|e| panic!("{e}"));
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["save", folder] => save_all(&client, Path::new(folder)),
        ["too-large", file] => save_too_much(&client, Path::new(file)),
        other => panic!("no such mode: {other:?}"),
    }
}

/// What h5py must find: parameters, outcomes and, from the chunks, who ran each element and when.
#[derive(Serialize)]
struct Expected<'a, A, R> {
    parameters: &'a [A],
    /// The value given by `with`, if any.
    context: Option<Value>,
    values: Vec<Option<R>>,
    errors: Vec<String>,
    kinds: Vec<&'static str>,
    engines: Vec<u32>,
    attempts: Vec<u32>,
    chunks: Vec<u64>,
    started_ns: Vec<u64>,
    completed_ns: Vec<u64>,
    chunk_sizes: Vec<u64>,
    job: String,
    label: String,
    wall_seconds: f64,
}

fn save<A, R>(folder: &Path, name: &str, parameters: &[A], out: &AsyncMapResult<R>)
where
    A: Serialize,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    save_with(folder, name, None, parameters, out);
}

fn save_with<A, R>(
    folder: &Path,
    name: &str,
    context: Option<Value>,
    parameters: &[A],
    out: &AsyncMapResult<R>,
) where
    A: Serialize,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let results = out.results();
    let path = folder.join(format!("{name}.h5"));
    assert_eq!(out.save(&path).unwrap_or_else(|e| panic!("{e}")), path);
    let infos = out.chunks();
    // The attempt that settled an element: its error's, or the first that gave its chunk's values.
    let per_element = |i: usize| {
        let settled = results[i].as_ref().err().map(|e| e.attempt);
        let holds = |c: &&ChunkInfo| (c.element_first..c.element_first + c.elements).contains(&(i as u64));
        let mut tried =
            infos.iter().filter(holds).filter(|c| settled.is_none_or(|attempt| c.attempt == attempt));
        tried.next().expect("it was run")
    };
    let all = 0..results.len();
    let error = |e: &phalanx::RemoteError| (e.kind.as_str(), e.message.clone());
    let failures: Vec<_> = results.iter().map(|r| r.as_ref().err().map(error).unwrap_or_default()).collect();
    let expected = Expected {
        parameters,
        context,
        errors: failures.iter().map(|(_, message)| message.clone()).collect(),
        kinds: failures.iter().map(|(kind, _)| *kind).collect(),
        engines: all.clone().map(|i| per_element(i).engine).collect(),
        attempts: all.clone().map(|i| per_element(i).attempt).collect(),
        chunks: all.clone().map(|i| per_element(i).index).collect(),
        started_ns: all.clone().map(|i| per_element(i).started_ns).collect(),
        completed_ns: all.map(|i| per_element(i).completed_ns).collect(),
        chunk_sizes: infos
            .iter()
            .map(|c| (c.index, c.elements))
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect(),
        values: results.into_iter().map(Result::ok).collect(),
        job: out.id(),
        label: out.label().to_owned(),
        wall_seconds: out.wall_time().as_secs_f64(),
    };
    let json = serde_json::to_vec(&expected).expect("these have a JSON form");
    std::fs::write(folder.join(format!("{name}.json")), json).expect("the folder can be written to");
    println!("{name}");
}

fn fit(i: u32) -> Fit {
    let x = f64::from(i);
    Fit {
        mean: x / 3.0,
        count: i,
        name: format!("fit № {i}"),
        weights: [x, -x, 0.1],
        best: i.is_multiple_of(2).then(|| -i64::from(i)),
    }
}

fn save_all(client: &Client, folder: &Path) {
    let lview = client.load_balanced_view();
    let n: Vec<u32> = (0..23).collect();
    let x: Vec<f64> = (0..1000).map(|i| f64::from(i) / 7.0).collect();
    save(folder, "numbers", &x, &lview.map_async(f64::sqrt, x.clone(), 10));
    save(folder, "integers", &n, &lview.map_async(|i: u32| i64::from(i) - 10, n.clone(), Auto));
    let pairs: Vec<(i32, f64)> = (0..9).map(|i| (i, f64::from(i) / 3.0)).collect();
    save(
        folder,
        "tuples",
        &pairs,
        &lview.map_async(|(i, x): (i32, f64)| (f64::from(i) * x, i % 2 == 0), pairs.clone(), 2),
    );
    save(
        folder,
        "arrays",
        &n,
        &lview.map_async(|i: u32| [[f64::from(i), 1.0], [0.5, 1.0 / f64::from(i + 1)]], n.clone(), 5),
    );

    let rows = lview.map_async(
        |i: u32| Array2::from_shape_fn((2, 3), |(r, c)| i * 10 + (3 * r + c) as u32),
        n.clone(),
        5,
    );
    save(folder, "matrices", &n, &rows);
    save(
        folder,
        "ragged",
        &n,
        &lview.map_async(|i: u32| (0..i % 4).map(f64::from).collect::<Vec<f64>>(), n.clone(), 4),
    );
    save(folder, "texts", &n, &lview.map_async(|i: u32| "größer ".repeat(i as usize % 3), n.clone(), 4));
    save(folder, "structs", &n, &lview.map_async(fit, n.clone(), 3));
    save(folder, "direct", &n, &client.direct_view(..).map_async(|i: u32| i * i, n.clone()));
    let failing = lview.clone().retries(1).try_map_async(
        |i: u32| if i % 10 == 7 { Err(format!("{i} is no good")) } else { Ok(f64::from(i)) },
        n.clone(),
        6,
    );
    save(folder, "failed", &n, &failing);
    let shared = fit(5);
    let json = || Some(serde_json::to_value(&shared).expect("it has a JSON form"));
    let scaled = |shared: &Fit, i: u32| shared.weights[0] * f64::from(i);
    let out = lview.with(shared.clone()).map_async(scaled, n.clone(), 4);
    save_with(folder, "shared", json(), &n, &out);
    let out = client.direct_view(..).with(shared.clone()).map_async(scaled, n.clone());
    save_with(folder, "shared-direct", json(), &n, &out);
    let checked = |shared: &Fit, i: u32| i.checked_sub(shared.count).map(f64::from).ok_or("too small");
    let out = lview.with(shared.clone()).try_map_async(checked, n.clone(), 4);
    save_with(folder, "shared-failed", json(), &n, &out);
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): numbers that do not compress.
fn noise(i: u64) -> u64 {
    let z = (i ^ (i >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Four megabytes, and then a little, where there is room for one.
fn save_too_much(client: &Client, path: &Path) {
    let lview = client.load_balanced_view();
    let noise = lview.map_async(noise, 0..500_000, Auto);
    println!("{}", noise.save(path).expect_err("there is not that much room"));
    let folder = path.parent().expect("a folder");
    if std::fs::read_dir(folder).expect("the folder is there").next().is_none() {
        println!("nothing left behind");
    }
    lview.map_async(|x: f64| x, [1.0, 2.0], 1).save(path).expect("there is room for two numbers");
    println!("small one saved");
}
