//! One program, whatever runs it: on one thread, on several, or on the engines of a cluster. Functions take a communicator and need
//! not know which.
//!
//! `cargo run --release --example communicator`, or with the name of a runner: `… communicator threads`

use phalanx::Client;
use phalanx::comm::{CommError, Communicator, Where, names, register, run_spmd, run_spmd_with};

/// The root's data is spread over the ranks; how much has each?
fn run_job(comm: &Communicator) -> Result<Option<Vec<usize>>, CommError> {
    let data = comm.is_root().then(|| (0..1000).map(f64::from).collect());
    let flag = comm.broadcast(0, comm.is_root().then(|| "woop".to_owned()))?; // from the root to all
    comm.print(Where::Others, format_args!("the flag is {flag}"));
    let part: Vec<f64> = comm.scatter(0, data)?;
    comm.gather(0, part.len())
}

/// The same with a function of each item: scattered, mapped and gathered in one call.
fn map_applier(comm: &Communicator, n: &u32) -> Result<Option<Vec<u32>>, CommError> {
    comm.map(0, comm.is_root().then(|| (0..*n).collect()), |x| 1 + x)
}

/// A larger program, of several steps.
struct SampleProgram {
    values: usize,
}

impl SampleProgram {
    fn initialize_data(&self) -> Vec<f64> {
        (0..self.values).map(|i| (i as f64 * 0.618_033_988_749_894_9).fract()).collect()
    }

    /// On every rank: the root has the data, the others come to help.
    fn eval_parallel(comm: &Communicator, data: Option<Vec<f64>>) -> Result<Option<Vec<f64>>, CommError> {
        let part = comm.scatter(0, data)?;
        let squares: Vec<f64> = part.iter().map(|x| x * x).collect();
        comm.gather_joined(0, squares)
    }

    fn run_par(comm: &Communicator, values: &usize) -> Result<Option<Vec<f64>>, CommError> {
        let program = Self { values: *values };
        let squares = Self::eval_parallel(comm, comm.is_root().then(|| program.initialize_data()))?;
        Ok(squares.map(|squares| squares.into_iter().map(f64::sqrt).collect()))
    }

    fn run(&self, runner: &str, size: usize) -> Result<Vec<f64>, CommError> {
        println!("running on {size} ranks of \"{runner}\"");
        let ends = run_spmd_with(runner, size, Self::run_par, &self.values)?;
        Ok(ends.into_iter().flatten().flatten().collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    phalanx::init();
    let client = Client::local(4)?;
    register(client.direct_view(..).ranks())?;

    // "mpi" is for programs that mpirun has started.
    let all = || names().into_iter().filter(|name| name != "mpi").collect();
    for runner in std::env::args().nth(1).map_or_else(all, |wanted| vec![wanted]) {
        let size = if runner == "serial" { 1 } else { 4 };
        println!("lengths {:?}", run_spmd(&runner, size, run_job)?);
        println!("mapped {:?}", run_spmd_with(&runner, size, map_applier, &10)?[0]);
        let values = SampleProgram { values: 10 }.run(&runner, size)?;
        println!("values {values:.4?}");
    }
    Ok(())
}
