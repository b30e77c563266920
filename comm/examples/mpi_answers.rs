//! The same answers with MPI as with threads: `mpirun -n 4 mpi_answers`. Built with the feature `mpi`; without it, threads are compared with themselves.

use phalanx_comm::{CommError, Communicator, Op, run_spmd_all};

fn program(comm: &Communicator) -> Result<Vec<f64>, CommError> {
    let (rank, size, mut answers) = (comm.rank(), comm.size(), Vec::new());
    for len in [1, 1000, 300_000] {
        let mine: Vec<f64> = (0..len).map(|i| ((rank * 31 + i * 7) % 101) as f64 / 7.0).collect();
        answers.push(comm.all_reduce(&mine, Op::Sum)?.iter().sum());
        answers.push(comm.reduce(size - 1, &mine, Op::Max)?.map_or(0.0, |all| all.iter().sum()));
        answers.push(comm.broadcast(size / 2, Some(mine.clone()))?[len / 2]);
        answers.push(comm.all_gatherv(&mine[rank.min(len)..])?.0.len() as f64);
        answers.extend(comm.gatherv(0, &mine)?.map(|(all, _)| all.iter().sum::<f64>()));
        let part = comm.scatter(0, Some(mine))?;
        answers.push(comm.exscan(&[part.len() as f64], Op::Sum)?.map_or(0.0, |before| before[0]));
        comm.barrier()?;
    }
    Ok(answers)
}

fn disagreeing(comm: &Communicator) -> Result<(), CommError> {
    if comm.rank() == 1 { comm.barrier() } else { comm.all_gather(1).map(drop) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let size: usize = std::env::var("OMPI_COMM_WORLD_SIZE").map_or(Ok(1), |n| n.parse())?;
    let rank = std::env::var("OMPI_COMM_WORLD_RANK").unwrap_or_default();
    let runner = if phalanx_comm::names().contains(&"mpi".to_owned()) { "mpi" } else { "threads" };
    let expected = run_spmd_all("threads", size, program)?;
    assert_eq!(run_spmd_all(runner, size, program)?, expected, "other answers than with threads");
    // A second run is not confused by the first.
    assert_eq!(run_spmd_all(runner, size, |comm| comm.all_gather(comm.rank()))?[0].len(), size);
    if size > 1 {
        let end = run_spmd_all(runner, size, disagreeing);
        assert!(matches!(end, Err(CommError::Mismatch { .. })), "{end:?}");
    }
    assert!(run_spmd_all("mpi", size + 1, program).is_err());
    println!("rank {rank} of {size} on {runner}: {} answers, all the same", expected[0].len());
    Ok(())
}
