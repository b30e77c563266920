//! How long collectives take over sockets, on this machine: `cargo run --release -p phalanx-comm --example latency`. With the argument `tls`
//! the ranks talk as if each were on a host of its own; with `--features mpi`, started by `mpirun -n 4`, through MPI.
//!
//! Each rank is a process of its own. Every operation starts after a barrier; what counts is the rank that needs longest; the table has the median.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use phalanx_comm::transport::sockets::{Address, Listener, Secret, Session, connect};
use phalanx_comm::{CommError, Communicator, Op, conduct};

const SIZES_BYTES: [usize; 3] = [8, 64 << 10, 16 << 20];
const OPERATIONS: [&str; 5] = ["barrier", "broadcast", "all_reduce", "gather", "send_recv"];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    #[cfg(feature = "mpi")]
    if let Ok(size) = std::env::var("OMPI_COMM_WORLD_SIZE") {
        return Ok(phalanx_comm::run_spmd("mpi", size.parse()?, measure).map(drop)?);
    }
    match std::env::var("LATENCY_RANK") {
        Ok(rank) => rank_main(rank.parse()?),
        Err(_) => [2, 4].into_iter().try_for_each(start),
    }
}

/// Starts the ranks and waits for them.
fn start(size: usize) -> Result<(), Failure> {
    let place = std::env::temp_dir().join(format!("phalanx-latency-{}-{size}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let secret: String = Secret::new()?.reveal().iter().map(|byte| format!("{byte:02x}")).collect();
    let ranks = (0..size).map(|rank| {
        let mut child = Command::new(std::env::current_exe()?)
            .env("LATENCY_RANK", rank.to_string())
            .env("LATENCY_SIZE", size.to_string())
            .env("LATENCY_PLACE", &place)
            .env("LATENCY_WAY", std::env::args().nth(1).unwrap_or_default())
            .stdin(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("no way to tell the secret")?.write_all(secret.as_bytes())?;
        Ok::<_, Failure>(child)
    });
    let ranks = ranks.collect::<Result<Vec<_>, _>>()?;
    for mut rank in ranks {
        rank.wait()?;
    }
    std::fs::remove_dir_all(place)?;
    Ok(())
}

fn rank_main(rank: usize) -> Result<(), Failure> {
    let size: usize = std::env::var("LATENCY_SIZE")?.parse()?;
    let place = std::env::var("LATENCY_PLACE")?;
    let path = |rank: usize| Path::new(&place).join(format!("rank-{rank}"));
    let secret = std::io::read_to_string(std::io::stdin())?;
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(secret.get(2 * i..2 * i + 2).ok_or("the secret is cut short")?, 16)?;
    }
    let session = Session { rank, size, secret: bytes.into(), program: [0; 32] };
    let interface = (std::env::var("LATENCY_WAY")? == "tls").then_some([127, 0, 0, 1].into());
    let listener = Listener::bind(&path(rank), interface)?;
    let addresses: Vec<_> = match interface {
        None => (0..size).map(|rank| Address::local(path(rank))).collect(),
        Some(_) => tell_address(Path::new(&place), rank, size, listener.address())?,
    };
    let sockets = connect(&session, &addresses, listener, Duration::from_secs(10))?;
    conduct(&Communicator::new(Box::new(sockets)), measure)?;
    Ok(())
}

/// Tells the others where this rank is, and waits until they have told.
fn tell_address(place: &Path, rank: usize, size: usize, address: &Address) -> Result<Vec<Address>, Failure> {
    let path = |rank: usize| place.join(format!("address-{rank}"));
    let mut bytes = Vec::new();
    phalanx_codec::encode(address, &mut bytes)?;
    std::fs::write(path(rank).with_extension("new"), bytes)?;
    std::fs::rename(path(rank).with_extension("new"), path(rank))?;
    let theirs = |rank: usize| loop {
        match std::fs::read(path(rank)) {
            Ok(bytes) => return Ok(phalanx_codec::decode::<Address>(&bytes)?.over_tcp()),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    (0..size).map(theirs).collect()
}

fn measure(comm: &Communicator) -> Result<(), CommError> {
    for operation in OPERATIONS {
        for bytes in SIZES_BYTES {
            if operation == "barrier" && bytes > 8 {
                continue;
            }
            let times = if bytes > 1 << 20 { 15 } else { 1000 };
            let mut mine = vec![1.0; bytes / 8];
            let mut all = vec![0.0; if comm.is_root() { bytes / 8 * comm.size() } else { 0 }];
            let counts = vec![bytes / 8; comm.size()];
            let mut taken = Vec::new();
            for _ in 0..times + times / 10 {
                comm.barrier()?;
                let start = Instant::now();
                match operation {
                    "barrier" => comm.barrier()?,
                    "broadcast" => comm.broadcast_into(0, &mut mine)?,
                    "all_reduce" => comm.all_reduce_into(&mut mine, Op::Max)?,
                    "gather" => {
                        comm.gatherv_into(0, &mine, comm.is_root().then_some((&mut all[..], &counts[..])))?;
                    }
                    _ => exchange(comm, &mut mine)?,
                }
                taken.push(start.elapsed().as_secs_f64());
            }
            // The first ones touch the memory for the first time.
            let mut taken = comm.all_reduce(&taken[times / 10..], Op::Max)?;
            taken.sort_by(f64::total_cmp);
            if comm.is_root() {
                let median = taken[taken.len() / 2];
                let rate = bytes as f64 / median / f64::from(1 << 20);
                println!(
                    "{} ranks  {operation:10}  {bytes:9} B  {:10.1} µs  {rate:8.1} MiB/s",
                    comm.size(),
                    median * 1e6
                );
            }
        }
    }
    Ok(())
}

/// Rank 0 sends, rank 1 sends back: a round trip.
fn exchange(comm: &Communicator, numbers: &mut [f64]) -> Result<(), CommError> {
    match comm.rank() {
        0 => comm.send_from(1, 0, numbers).and_then(|()| comm.recv_into(1, 0, numbers)),
        1 => comm.recv_into(0, 0, numbers).and_then(|()| comm.send_from(0, 0, numbers)),
        _ => Ok(()),
    }
}
