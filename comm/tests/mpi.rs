//! Ranks under a real `mpirun`: `cargo test -p phalanx-comm --features mpi --test mpi`, with Open MPI.

#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

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

/// Large and small messages without end; the rank of the variable VICTIM is killed in the middle of them.
fn without_end(comm: &Communicator) -> Result<(), CommError> {
    let mut mine = vec![1.0; 300_000];
    comm.barrier()?;
    if comm.rank().to_string() == std::env::var("VICTIM").unwrap() {
        // At another moment each time: between two operations or within one.
        let run = u64::from(std::process::id()) % 40;
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(run));
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        });
    }
    loop {
        comm.all_reduce_into(&mut mine, Op::Max)?;
        comm.gatherv(0, &mine)?;
        comm.all_gather(comm.rank())?;
    }
}

/// One rank, of which one is killed.
#[test]
#[ignore = "a rank of another test"]
fn bereaved_rank_main() {
    let Ok(size) = std::env::var("OMPI_COMM_WORLD_SIZE") else { return };
    let size: usize = size.parse().unwrap();
    let end = run_spmd_all("mpi", size, without_end);
    let again = run_spmd_all("mpi", size, |comm| comm.barrier());
    assert_eq!(again, end, "a rank that is lost stays lost");
    // In one piece, for the ranks share what they say it on.
    std::io::stderr().write_all(format!("{}\n", end.unwrap_err()).as_bytes()).unwrap();
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

/// Runs a test of this file on so many ranks: what they said on standard error, and whether all was well.
fn mpirun(ranks: &str, options: &[&str], test: &str) -> (bool, String) {
    let run = Command::new("mpirun")
        .args(["--allow-run-as-root", "--oversubscribe", "-n", ranks])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .output()
        .expect("mpirun is installed (openmpi-bin)");
    (run.status.success(), String::from_utf8_lossy(&run.stderr).into_owned())
}

#[test]
fn the_same_answers_under_mpirun() {
    for ranks in ["1", "3", "4"] {
        let (well, said) = mpirun(ranks, &[], "rank_main");
        assert!(well, "{said}");
        assert_eq!(said.matches("all answers are the same").count().to_string(), ranks, "{said}");
    }
}

#[test]
fn a_rank_killed_under_mpirun_is_the_same_error_on_all_others() {
    for network in [&[][..], &["--mca", "btl", "tcp,self"]] {
        for victim in ["0", "1", "3", "1", "0"] {
            let victim_is = format!("VICTIM={victim}");
            let options = [&["--enable-recovery", "-x", &victim_is], network].concat();
            let (_, said) = mpirun("4", &options, "bereaved_rank_main");
            let error = format!("rank {victim} is lost: its process ended");
            assert_eq!(said.matches(&error).count(), 3, "{options:?}: {said}");
        }
    }
}
