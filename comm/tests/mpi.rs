//! Ranks under a real `mpirun`: `cargo test -p phalanx-comm --features mpi --test mpi`, with Open MPI.

#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

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

/// One rank: started by `mpirun`.
#[test]
#[ignore = "a rank of the other test"]
fn rank_main() {
    let Ok(size) = std::env::var("OMPI_COMM_WORLD_SIZE") else { return };
    let size: usize = size.parse().unwrap();
    let expected = run_spmd_all("threads", size, program).unwrap();
    assert_eq!(run_spmd_all("mpi", size, program).unwrap(), expected, "other answers than with threads");
    // A second run is not confused by the first.
    assert_eq!(run_spmd_all("mpi", size, |comm| comm.all_gather(comm.rank())).unwrap()[0].len(), size);
    if size > 1 {
        let end = run_spmd_all("mpi", size, disagreeing);
        assert!(matches!(end, Err(CommError::Mismatch { .. })), "{end:?}");
    }
    let end = run_spmd_all("mpi", size + 1, program);
    assert!(matches!(&end, Err(CommError::Start(why)) if why.contains("mpirun -n")), "{end:?}");
    eprintln!("all answers are the same");
}

#[test]
fn the_same_answers_under_mpirun() {
    for ranks in ["1", "3", "4"] {
        let run = Command::new("mpirun")
            .args(["--allow-run-as-root", "--oversubscribe", "-n", ranks])
            .arg(std::env::current_exe().unwrap())
            .args(["rank_main", "--exact", "--ignored", "--nocapture"])
            .output()
            .expect("mpirun is installed (openmpi-bin)");
        let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{said}{complained}");
        assert_eq!(
            complained.matches("all answers are the same").count().to_string(),
            ranks,
            "{said}{complained}"
        );
    }
}
