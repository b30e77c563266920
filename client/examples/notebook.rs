//! A walk through both views on a local cluster: products, sums of rows, and a table.
//!
//! `cargo run --release --example notebook`

use ndarray::Array2;
use phalanx::{Auto, Client};

fn main() -> phalanx::Result<()> {
    phalanx::init();
    let client = Client::local(4)?;
    println!("{:?}", client.ids());

    let dview = client.direct_view(..);
    println!("{:?}", dview.map_sync(|(a, b)| a * b, [(5, 8), (6, 9), (7, 10), (8, 11)])?);
    println!("{:?}", dview.apply(|a: i64, b: i64| a * b, (5, 6)).get()?);

    let scenarios = Array2::from_shape_fn((5000, 3), |(i, j)| ((i * 31 + j * 17) % 1000) as f64 / 1000.0);
    dview.scatter("scenarios", &scenarios).get()?;
    dview
        .execute(|ns| {
            let rows = ns
                .at::<Array2<f64>>("scenarios")
                .rows()
                .into_iter()
                .map(|row| row.sum())
                .collect::<Vec<f64>>();
            ns.set("out", rows);
        })
        .get()?;
    let by_direct_view: Vec<f64> = dview.gather("out").get()?;

    let lview = client.load_balanced_view();
    for chunksize in [10.into(), 100.into(), phalanx::Chunksize::from(Auto)] {
        let out = lview.map_rows(|row| row.sum(), &scenarios, chunksize);
        out.wait_interactive()?;
        println!("the total calculation time is: {:?}", out.wall_time());
        assert_eq!(out.get()?, by_direct_view);
    }
    Ok(())
}
