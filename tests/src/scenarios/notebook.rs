//! The notebook: every call in it, with its numbers.

use ndarray::Array2;
use phalanx::{Auto, Chunksize, Client};

use super::{Latch, pass};

/// 5000 × 3 numbers whose sums are exact in any order.
fn scenarios() -> Array2<f64> {
    Array2::from_shape_fn((5000, 3), |(i, j)| ((i * 31 + j * 17) % 1024) as f64 / 64.0)
}

/// `c.ids`, `dview.map(mul, …)`, `dview.apply(mul, 5, 6)`, `map_sync`, `map_async`.
pub fn products(client: &Client) {
    assert_eq!(client.ids(), [0, 1, 2, 3]);
    let dview = client.direct_view(..);
    let pairs = [(5, 8), (6, 9), (7, 10), (8, 11)];
    assert_eq!(dview.map_sync(|(a, b): (i32, i32)| a * b, pairs).unwrap(), [40, 54, 70, 88]);
    assert_eq!(dview.map_async(|(a, b): (i32, i32)| a * b, pairs).get().unwrap(), [40, 54, 70, 88]);
    assert_eq!(dview.apply(|a: i64, b: i64| a * b, (5, 6)).get().unwrap(), [30, 30, 30, 30]);
    assert_eq!(dview.apply_sync(|a: i64, b: i64| a * b, (5, 6)).unwrap(), [30, 30, 30, 30]);
    let lview = client.load_balanced_view();
    assert_eq!(lview.map_sync(|(a, b): (i32, i32)| a * b, pairs, Auto).unwrap(), [40, 54, 70, 88]);
    assert_eq!(lview.apply(|a: i64, b: i64| a * b, (5, 6)).get().unwrap(), 30);
}

/// `dview['data'] = data`, and code on every engine that uses it.
pub fn names_on_the_engines(client: &Client) {
    let dview = client.direct_view(..);
    let data = vec![1.5, 2.5, 3.5];
    dview.push("data", &data).get().unwrap();
    assert_eq!(dview.pull::<Vec<f64>>("data").get().unwrap(), vec![data; 4]);
    let sums = dview.execute(|ns| ns.at::<Vec<f64>>("data").iter().sum::<f64>() + f64::from(ns.engine()));
    assert_eq!(sums.get().unwrap(), [7.5, 8.5, 9.5, 10.5]);
}

/// The table of 5000 sums: by scatter, a computation per engine and gather; and load-balanced at each chunk size.
pub fn scenarios_by_both_views(client: &Client) {
    let scenarios = scenarios();
    let expected: Vec<f64> = scenarios.rows().into_iter().map(|row| row.sum()).collect();
    let dview = client.direct_view(..);
    dview.scatter("scenarios", &scenarios).get().unwrap();
    let rows = dview.execute(|ns| {
        let rows = ns.at::<Array2<f64>>("scenarios").rows().into_iter();
        let sums: Vec<f64> = rows.map(|row| row.sum()).collect();
        let n = sums.len();
        ns.set("out", sums);
        n
    });
    assert_eq!(rows.get().unwrap(), [1250, 1250, 1250, 1250]);
    assert_eq!(dview.gather::<Vec<f64>>("out").get().unwrap(), expected);

    let lview = client.load_balanced_view();
    let rows: Vec<Vec<f64>> = scenarios.rows().into_iter().map(|row| row.to_vec()).collect();
    for (chunksize, tasks) in [(10.into(), Some(500)), (100.into(), Some(50)), (Chunksize::from(Auto), None)]
    {
        let by_rows = lview.map_rows(|row| row.sum(), &scenarios, chunksize);
        assert_eq!(by_rows.get().unwrap(), expected);
        assert_eq!(by_rows.progress().chunks, tasks);
        let by_items = lview.map_async(|row: Vec<f64>| row.iter().sum::<f64>(), rows.clone(), chunksize);
        assert_eq!(by_items.get().unwrap(), expected);
        assert!(by_items.wall_time() > std::time::Duration::ZERO);
    }
}

/// "Errors must show while the job runs."
pub fn an_error_shows_while_the_job_runs(client: &Client) {
    let latch = Latch::new();
    let out = client.load_balanced_view().with(latch.path()).map_async(
        |latch: &std::path::PathBuf, i: u32| {
            if i == 1 {
                panic!("one is not allowed");
            }
            pass(latch);
            i
        },
        0..2,
        1,
    );
    let first = out.as_completed().next().expect("there is news while the job runs");
    let error = first.1.expect_err("element 0 waits at the latch");
    assert_eq!((first.0, error.element), (1, 1));
    assert!(error.to_string().contains("one is not allowed"), "{error}");
    assert!(!out.ready());
    assert_eq!(out.failures().len(), 1);
    latch.open();
    assert_eq!(out.results()[0], Ok(0));
}

/// "Other work goes on meanwhile."
pub fn other_work_goes_on_meanwhile(client: &Client) {
    let latch = Latch::new();
    let long = client.load_balanced_view().with(latch.path()).map_async(
        |latch: &std::path::PathBuf, i: u32| {
            pass(latch);
            i
        },
        0..2,
        1,
    );
    let squares = client.load_balanced_view().map_sync(|x: u64| x * x, 0..1000, Auto).unwrap();
    assert!(squares.into_iter().eq((0..1000).map(|x| x * x)));
    assert!(!long.ready());
    latch.open();
    assert_eq!(long.get().unwrap(), [0, 1]);
}
