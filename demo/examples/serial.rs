//! The whole study on one core: the settings' runs one after the other, a table and a picture.
//!
//! `cargo run --release -p phalanx-demo --example serial -- FOLDER [SETTINGS]`

use phalanx_demo::ising::simulate;
use phalanx_demo::plot;
use phalanx_demo::point::combine;
use phalanx_demo::settings::Settings;
use phalanx_demo::table::Table;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments
        .next()
        .ok_or("name the folder to write to, and the settings unless you want those of the demo")?;
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("ising.toml");
    let settings = Settings::load(&arguments.next().unwrap_or(default))?.with_seed()?;

    let runs = settings.runs();
    let start = Instant::now();
    let results = runs.iter().map(simulate).collect::<Result<Vec<_>, _>>()?;
    println!(
        "{} runs in {:.1} s, base seed {}",
        runs.len(),
        start.elapsed().as_secs_f64(),
        settings.base_seed
    );

    let points = combine(&results);
    let table = Table::new(&points).to_string();
    print!("{table}");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("ising.txt"), table)?;
    plot::save(&points, &folder.join("ising.png"))?;
    println!("written: ising.txt and ising.png in {}", folder.display());
    Ok(())
}
