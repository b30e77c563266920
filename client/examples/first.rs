//! The first calls: every engine at once, then wherever there is room.
//!
//! `cargo run --release --example first`

use phalanx::{Auto, Client};

fn main() -> phalanx::Result<()> {
    phalanx::init(); // the first line of main: engines run this very program
    let client = Client::local(4)?;

    let dview = client.direct_view(..);
    println!("{:?}", dview.map_sync(|(a, b)| a * b, [(5, 8), (6, 9), (7, 10), (8, 11)])?);
    println!("{:?}", dview.apply(|a: i64, b: i64| a * b, (5, 6)).get()?);

    let lview = client.load_balanced_view();
    println!("{:?}", lview.map_sync(|x: u64| x * x, 0..5, Auto)?);
    Ok(())
}
