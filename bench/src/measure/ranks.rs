//! What ranks on engines need to talk to each other. Every rank times each operation by itself, between barriers; the slowest rank's mean
//! is what counts. `peers/openmpi_peer.py` does the same. All rounds use the same ranks and the same memory, which half a round touches for the
//! first time, and every round has all operations, so that a slow moment of the machine does not fall on one of them alone.

use std::time::Instant;

use phalanx::comm::{CommError, Communicator, Op, run_spmd_with};

use crate::arguments::Arguments;
use crate::catalogue::find;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;

/// Sizes by their names in the keys, and how often each operation is repeated in a round.
const SIZES: [(&str, usize, usize); 3] = [("8b", 8, 1000), ("64k", 64 << 10, 200), ("16m", 16 << 20, 12)];
const RANKS: [usize; 2] = [2, 4];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Barrier,
    Broadcast,
    AllReduce,
    Gather,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Barrier => "barrier",
            Self::Broadcast => "broadcast",
            Self::AllReduce => "all_reduce",
            Self::Gather => "gather",
        }
    }
}

/// One operation on so many bytes.
#[derive(Debug, Clone, Copy)]
struct Case {
    operation: Operation,
    /// What it is called in the key.
    size: &'static str,
    bytes: usize,
    iterations: usize,
}

fn cases() -> Vec<Case> {
    let (_, bytes, iterations) = SIZES[0];
    let mut cases = vec![Case { operation: Operation::Barrier, size: "", bytes, iterations }];
    for (size, bytes, iterations) in SIZES {
        let each = [Operation::Broadcast, Operation::AllReduce, Operation::Gather];
        cases.extend(each.map(|operation| Case { operation, size, bytes, iterations }));
    }
    cases
}

/// Of each case and round the mean of the slowest rank, in seconds.
fn time(comm: &Communicator, rounds: &usize) -> Result<Vec<Vec<f64>>, CommError> {
    let most = SIZES.iter().map(|(_, bytes, _)| bytes / 8).max().unwrap_or_default();
    let mut mine = vec![1.0; most];
    let mut all = vec![0.0; if comm.is_root() { most * comm.size() } else { 0 }];
    let cases = cases();
    for case in &cases {
        one_round(comm, case, case.iterations.div_ceil(2), &mut mine, &mut all)?;
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..*rounds {
        for (case, times) in cases.iter().zip(&mut times) {
            times.push(one_round(comm, case, case.iterations, &mut mine, &mut all)?);
        }
    }
    Ok(times)
}

fn one_round(
    comm: &Communicator,
    case: &Case,
    iterations: usize,
    mine: &mut [f64],
    all: &mut [f64],
) -> Result<f64, CommError> {
    let numbers = case.bytes.div_ceil(8);
    let (mine, counts) = (&mut mine[..numbers], vec![numbers; comm.size()]);
    let mut spent = 0.0;
    for _ in 0..iterations {
        comm.barrier()?;
        let started = Instant::now();
        match case.operation {
            Operation::Barrier => comm.barrier(),
            Operation::Broadcast => comm.broadcast_into(0, mine),
            Operation::AllReduce => comm.all_reduce_into(mine, Op::Sum),
            Operation::Gather => {
                let place = comm.is_root().then(|| (&mut all[..numbers * counts.len()], &counts[..]));
                comm.gatherv_into(0, mine, place)
            }
        }?;
        spent += started.elapsed().as_secs_f64();
    }
    Ok(comm.all_reduce(&[spent / iterations as f64], Op::Max)?[0])
}

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let most = *RANKS.last().expect("there are some");
    let cluster = Cluster::start(most as u32)?;
    let runner = cluster.client().direct_view(..).ranks();
    for ranks in RANKS {
        let ends = run_spmd_with(&runner, ranks, time, &arguments.rounds())
            .map_err(|e| Error::Ranks(e.to_string()))?;
        for (case, times) in cases().iter().zip(&ends[0]) {
            let size = if case.size.is_empty() { String::new() } else { format!("{}_", case.size) };
            let key = format!("comm_{}_{size}{ranks}_us", case.operation.name());
            let definition = find(&key).expect("every key is in the catalogue");
            times.iter().for_each(|seconds| figures.record(definition, seconds * 1e6));
        }
    }
    Ok(())
}
