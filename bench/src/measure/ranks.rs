//! What ranks on engines need to talk to each other. Every rank times each operation by itself, between barriers; the slowest rank's mean
//! is what counts. `peers/openmpi_peer.py` does the same: the rounds of an operation use the same ranks and the same memory, which half a round
//! touches for the first time, for that can take longer than the operation.

use std::time::Instant;

use phalanx::comm::{ClusterRunner, CommError, Communicator, Op, run_spmd_with};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::catalogue::find;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::figures::Figures;

/// Sizes by their names in the keys, and how often each operation is repeated in a round.
const SIZES: [(&str, usize, usize); 3] = [("8b", 8, 1000), ("64k", 64 << 10, 200), ("16m", 16 << 20, 12)];
const RANKS: [usize; 2] = [2, 4];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// The rounds of one operation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Rounds {
    operation: Operation,
    bytes: usize,
    iterations: usize,
    rounds: usize,
}

/// Of each round the mean of the slowest rank, in seconds.
fn time(comm: &Communicator, round: &Rounds) -> Result<Vec<f64>, CommError> {
    let numbers = round.bytes.div_ceil(8);
    let (mut mine, mut counts) = (vec![1.0; numbers], Vec::new());
    let mut all = vec![0.0; if comm.is_root() { numbers * comm.size() } else { 0 }];
    counts.resize(comm.size(), numbers);
    let mut work = || match round.operation {
        Operation::Barrier => comm.barrier(),
        Operation::Broadcast => comm.broadcast_into(0, &mut mine),
        Operation::AllReduce => comm.all_reduce_into(&mut mine, Op::Sum),
        Operation::Gather => {
            comm.gatherv_into(0, &mine, comm.is_root().then_some((&mut all[..], &counts[..])))
        }
    };
    for _ in 0..round.iterations.div_ceil(2) {
        work()?;
    }
    let mut one_round = || {
        let mut spent = 0.0;
        for _ in 0..round.iterations {
            comm.barrier()?;
            let started = Instant::now();
            work()?;
            spent += started.elapsed().as_secs_f64();
        }
        Ok(comm.all_reduce(&[spent / round.iterations as f64], Op::Max)?[0])
    };
    (0..round.rounds).map(|_| one_round()).collect()
}

pub(super) fn measure(arguments: &Arguments, figures: &mut Figures) -> Result<(), Error> {
    let most = *RANKS.last().expect("there are some");
    let cluster = Cluster::start(most as u32)?;
    let runner = cluster.client().direct_view(..).ranks();
    for ranks in RANKS {
        one(&runner, ranks, ("", Operation::Barrier, 8, SIZES[0].2), arguments.rounds(), figures)?;
        for (size, bytes, iterations) in SIZES {
            for operation in [Operation::Broadcast, Operation::AllReduce, Operation::Gather] {
                one(&runner, ranks, (size, operation, bytes, iterations), arguments.rounds(), figures)?;
            }
        }
    }
    Ok(())
}

fn one(
    runner: &ClusterRunner,
    ranks: usize,
    (size, operation, bytes, iterations): (&str, Operation, usize, usize),
    rounds: usize,
    figures: &mut Figures,
) -> Result<(), Error> {
    let size = if size.is_empty() { String::new() } else { format!("{size}_") };
    let key = format!("comm_{}_{size}{ranks}_us", operation.name());
    let definition = find(&key).expect("every key is in the catalogue");
    let wanted = Rounds { operation, bytes, iterations, rounds };
    let ends = run_spmd_with(runner, ranks, time, &wanted).map_err(|e| Error::Ranks(e.to_string()))?;
    ends[0].iter().for_each(|seconds| figures.record(definition, seconds * 1e6));
    Ok(())
}
