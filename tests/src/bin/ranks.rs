//! Programs of several ranks, on engines: `ranks same SIZE` runs each on threads and on a cluster and compares; `ranks fail KIND FOLDER`
//! has a rank of four fail in some way, and every rank that learns of it writes the error that it got to `FOLDER/error-RANK`.

use std::path::PathBuf;

use phalanx::Client;
use phalanx::comm::{
    ClientServerRunner, CommError, Communicator, Op, Sweep, register, run_spmd, run_spmd_all, run_spmd_with,
};
use phalanx_tests::Gate;
use serde::{Deserialize, Serialize};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    phalanx::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A cluster of its own, or that of a profile.
    let client = match std::env::var("PHALANX_PROFILE") {
        Ok(profile) => Client::connect(&profile)?,
        Err(_) => Client::local(4)?,
    };
    register(client.direct_view(..).ranks())?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["same", size] => same(size.parse()?),
        ["fail", kind, folder] => {
            let failure = Failure { kind: (*kind).to_owned(), gate: Gate::at(folder) };
            println!("end {:?}", run_spmd_with("cluster", 4, fail, &failure));
            // The engines are of use afterwards.
            println!("again {:?}", run_spmd("cluster", 4, |comm| comm.all_reduce(&[comm.rank()], Op::Sum)));
        }
        ["refused"] => refused(&client),
        other => panic!("no such mode: {other:?}"),
    }
    Ok(())
}

/// The same program gives the same values, by rank, on threads and on engines; with one rank, also serially.
macro_rules! compared {
    ($size:expr, $($program:path),*) => { $(
        let on = |runner: &str| run_spmd_all(runner, $size, $program).unwrap_or_else(|e| panic!("{runner}: {e}"));
        let (threads, cluster) = (on("threads"), on("cluster"));
        assert_eq!(threads, cluster, "{}", stringify!($program));
        if $size == 1 {
            assert_eq!(on("serial"), cluster, "{}", stringify!($program));
        }
        println!("same {}", stringify!($program));
    )* };
}

fn same(size: usize) {
    compared!(
        size,
        lengths,
        sample_program,
        reductions,
        rings,
        everybody,
        groups,
        large,
        sweep,
        client_server
    );
}

/// The document's: 1000 numbers over all ranks.
fn lengths(comm: &Communicator) -> Result<Option<Vec<usize>>, CommError> {
    let data = comm.is_root().then(|| (0..1000).map(f64::from).collect());
    let flag: String = comm.broadcast(0, comm.is_root().then(|| "woop".to_owned()))?;
    assert_eq!(flag, "woop");
    let part: Vec<f64> = comm.scatter(0, data)?;
    comm.gather(0, part.len())
}

/// The document's: scatter, square, gather, square root.
fn sample_program(comm: &Communicator) -> Result<Option<Vec<f64>>, CommError> {
    let data = comm.is_root().then(|| (0..10).map(|i| f64::from(i * 37 % 11) / 16.0).collect());
    let part: Vec<f64> = comm.scatter(0, data)?;
    let squares = comm.gather_joined(0, part.iter().map(|x| x * x).collect::<Vec<f64>>())?;
    Ok(squares.map(|squares| squares.into_iter().map(f64::sqrt).collect()))
}

type Reductions = (Vec<f64>, Option<Vec<f64>>, Option<Vec<u64>>, f64);

/// Sums of numbers whose order matters to the last bit.
fn reductions(comm: &Communicator) -> Result<Reductions, CommError> {
    let mine: Vec<f64> = (0..1000).map(|i| 1.0 / f64::from(1 + i + 1000 * comm.rank() as i32)).collect();
    let all = comm.all_reduce(&mine, Op::Sum)?;
    let largest = comm.reduce(comm.size() - 1, &mine, Op::Max)?;
    let before = comm.exscan(&[comm.rank() as u64 + 1], Op::Prod)?;
    Ok((all, largest, before, comm.all_reduce_with(mine[0], f64::min)?))
}

fn rings(comm: &Communicator) -> Result<Vec<u32>, CommError> {
    let (rank, size) = (comm.rank(), comm.size());
    let mut seen = vec![rank as u32];
    for _ in 1..size {
        let mut got = [0];
        let last = [seen[seen.len() - 1]];
        comm.send_recv((rank + 1) % size, &last, (rank + size - 1) % size, &mut got, 3)?;
        seen.push(got[0]);
    }
    comm.barrier()?;
    Ok(seen)
}

type Everybody = (Vec<String>, Vec<u8>, Vec<usize>);

fn everybody(comm: &Communicator) -> Result<Everybody, CommError> {
    let names = comm.all_gather(format!("rank {}", comm.rank()))?;
    let (joined, counts) = comm.all_gatherv(&vec![comm.rank() as u8; comm.rank()])?;
    Ok((names, joined, counts))
}

/// Groups of groups, renumbered.
fn groups(comm: &Communicator) -> Result<Option<Vec<usize>>, CommError> {
    let odd: Vec<usize> = (0..comm.size()).rev().filter(|rank| rank % 2 == comm.size() % 2).collect();
    let Some(group) = comm.subgroup(&odd)? else { return Ok(None) };
    let all = group.all_gather(comm.rank())?;
    group.barrier()?;
    Ok(Some(all))
}

/// Sixteen MiB from everybody to everybody.
fn large(comm: &Communicator) -> Result<Vec<f64>, CommError> {
    let mut numbers: Vec<f64> = (0..1 << 21).map(|i| f64::from(i) * (comm.rank() + 1) as f64).collect();
    comm.all_reduce_into(&mut numbers, Op::Sum)?;
    comm.broadcast_into(comm.size() - 1, &mut numbers)?;
    let all = comm.gatherv(0, &numbers[..1000])?;
    Ok(vec![numbers[7], numbers[(1 << 21) - 1], all.map_or(0.0, |(all, _)| all.iter().sum())])
}

/// The sweep manager's facts.
fn sweep(comm: &Communicator) -> Result<(Vec<i64>, usize), CommError> {
    let build = |base: &i64| Ok::<_, CommError>([*base, -1]);
    let execute = |p: &i64, built: &mut [i64; 2]| Ok::<_, CommError>((built[0] + p) * built[1]);
    let sweep = Sweep::scatter(comm, build, &100, execute, comm.is_root().then(|| (1..=5).collect()))?;
    let all = sweep.gather()?;
    Ok((all.iter().flat_map(|local| local.results.clone()).collect(), all.len()))
}

fn client_server(comm: &Communicator) -> Result<Option<usize>, CommError> {
    let client = |comm: &Communicator| (1..comm.size()).map(|rank| comm.recv::<usize>(rank, 0)).sum();
    let server = |comm: &Communicator| comm.send(0, 0, &(comm.rank() * 10));
    ClientServerRunner::new(client, server).run(comm)
}

/// How a rank fails.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Failure {
    kind: String,
    gate: Gate,
}

fn fail(comm: &Communicator, failure: &Failure) -> Result<(), String> {
    let outcome = fails(comm, failure);
    if let Err(error) = &outcome {
        let path = PathBuf::from(failure.gate.folder()).join(format!("error-{}", comm.rank()));
        std::fs::write(path, error).expect("the folder can be written to");
    }
    outcome
}

fn fails(comm: &Communicator, failure: &Failure) -> Result<(), String> {
    let said = |e: CommError| format!("{e:?}");
    comm.barrier().map_err(said)?;
    match (failure.kind.as_str(), comm.rank()) {
        ("error", 2) => Err("no such file".to_owned()),
        ("panic", 1) => panic!("out of range"),
        // Who is not the root has done its part of a gather when it has sent; so it goes on to something that it waits for.
        ("mismatch", 3) => comm.gather(0, 1).and_then(|_| comm.barrier()).map_err(said),
        ("ended", 1) => Ok(()),
        ("killed", rank) => {
            // All are here; then the test kills one of them, or the last that comes is killed by itself.
            failure.gate.sign(rank);
            comm.all_reduce(&[rank], Op::Sum).map_err(said)?;
            if rank == 2 {
                failure.gate.pass("2-waits");
            }
            comm.barrier().map_err(said)
        }
        _ => comm.barrier().map_err(said),
    }
}

/// What is refused before anything runs.
fn refused(client: &Client) {
    println!("too many: {}", run_spmd("cluster", 5, |comm| comm.barrier()).expect_err("there are four"));
    println!("none: {}", run_spmd("cluster", 0, |comm| comm.barrier()).expect_err("none is none"));
    let captured = std::env::args().count();
    let end = run_spmd("cluster", 2, |comm| comm.broadcast(0, Some(captured)));
    println!("captures: {}", end.expect_err("the engines have no such value"));
    let some = client.direct_view([1, 3]).ranks();
    println!(
        "some: {:?}",
        run_spmd_all(&some, 2, |comm| comm.all_gather(std::process::id())).map(|v| v.len())
    );
}
