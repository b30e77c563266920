//! Every collective on 1 to 9 ranks, against what one rank would compute from all inputs.

#![allow(clippy::unwrap_used, reason = "a test")]

use ndarray::Array2;
use phalanx_comm::{CommError, Communicator, Op, run_spmd, run_spmd_all};
use proptest::prelude::*;

/// Lengths on all paths: nothing, along trees, inline, in segments, in halves.
const LENS: [usize; 8] = [0, 1, 3, 17, 600, 4_097, 9_001, 70_003];

/// The i-th number of a rank: sums of them depend on the order.
fn number(rank: usize, i: usize) -> f64 {
    ((rank * 7919 + i * 104_729) % 1_000_003) as f64 / 997.0 + 1e-9 * rank as f64
}

fn numbers(rank: usize, len: usize) -> Vec<f64> {
    (0..len).map(|i| number(rank, i)).collect()
}

/// The documented order of reductions.
fn reduced(size: usize, len: usize, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    (0..len)
        .map(|i| {
            let left = 1 << size.ilog2();
            let pairs = size - left;
            let mut values: Vec<f64> = (0..size).map(|rank| number(rank, i)).collect();
            let paired: Vec<f64> = (0..pairs).map(|p| f(values[2 * p], values[2 * p + 1])).collect();
            values.splice(..2 * pairs, paired);
            while values.len() > 1 {
                values = values.chunks(2).map(|two| f(two[0], two[1])).collect();
            }
            values[0]
        })
        .collect()
}

fn all<T: phalanx_comm::Value>(
    size: usize,
    program: impl Fn(&Communicator) -> Result<T, CommError> + Sync,
) -> Vec<T> {
    run_spmd_all("threads", size, &program).unwrap()
}

/// An argument of a collective at its root.
fn at<T>(comm: &Communicator, root: usize, value: impl FnOnce() -> T) -> Option<T> {
    (comm.rank() == root).then(value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn broadcast(size in 1usize..10, root in 0usize..9, len in prop::sample::select(&LENS[..])) {
        let root = root % size;
        let expected = numbers(root, len);
        for got in all(size, |comm| comm.broadcast(root, at(comm, root, || numbers(root, len)))) {
            prop_assert_eq!(&got, &expected);
        }
        let into = all(size, |comm| {
            let mut mine = numbers(comm.rank(), len);
            comm.broadcast_into(root, &mut mine).map(|()| mine)
        });
        prop_assert!(into.iter().all(|got| *got == expected));
    }

    #[test]
    fn scatter(size in 1usize..10, root in 0usize..9, len in prop::sample::select(&LENS[..]), lens in prop::collection::vec(prop::sample::select(&LENS[..]), 9)) {
        let root = root % size;
        let parts = all(size, |comm| comm.scatter(root, at(comm, root, || numbers(0, len))));
        let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
        let (q, r) = (len / size, len % size);
        let expected: Vec<usize> = (0..size).map(|rank| q + usize::from(rank < r)).collect();
        prop_assert_eq!(counts, expected);
        prop_assert_eq!(parts.concat(), numbers(0, len));

        let counts = lens[..size].to_vec();
        let total = counts.iter().sum();
        let texts = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let parts = all(size, |comm| comm.scatterv(root, at(comm, root, || (texts(total), counts.clone()))));
        prop_assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), counts.clone());
        prop_assert_eq!(parts.concat(), texts(total));

        let source = numbers(1, total);
        let parts = all(size, |comm| {
            let mut mine = vec![0.0; counts[comm.rank()]];
            comm.scatter_into(root, at(comm, root, || (&source[..], &counts[..])), &mut mine).map(|()| mine)
        });
        prop_assert_eq!(parts.concat(), source);
    }

    #[test]
    fn gather(size in 1usize..10, root in 0usize..9, lens in prop::collection::vec(prop::sample::select(&LENS[..]), 9)) {
        let root = root % size;
        let counts = lens[..size].to_vec();
        let expected: Vec<Vec<f64>> = (0..size).map(|rank| numbers(rank, counts[rank])).collect();

        let ends = all(size, |comm| comm.gather(root, numbers(comm.rank(), counts[comm.rank()])));
        for (rank, end) in ends.into_iter().enumerate() {
            prop_assert_eq!(end, (rank == root).then(|| expected.clone()));
        }
        let ends = all(size, |comm| comm.gatherv(root, &numbers(comm.rank(), counts[comm.rank()])));
        prop_assert_eq!(&ends[root], &Some((expected.concat(), counts.clone())));
        prop_assert_eq!(ends.iter().flatten().count(), 1);

        let ends = all(size, |comm| {
            let mut room = vec![0.0; counts.iter().sum()];
            let mine = numbers(comm.rank(), counts[comm.rank()]);
            let given = (comm.rank() == root).then_some((&mut room[..], &counts[..]));
            comm.gatherv_into(root, &mine, given).map(|()| room)
        });
        prop_assert_eq!(&ends[root], &expected.concat());

        let ends = all(size, |comm| comm.gather_joined(root, counts[..=comm.rank()].iter().map(|n| n.to_string()).collect::<Vec<_>>()));
        let texts = (0..size).flat_map(|rank| counts[..=rank].iter().map(|n| n.to_string()));
        prop_assert_eq!(&ends[root], &Some(texts.collect::<Vec<_>>()));
    }

    #[test]
    fn all_gather(size in 1usize..10, lens in prop::collection::vec(prop::sample::select(&LENS[..]), 9)) {
        let counts = lens[..size].to_vec();
        let expected: Vec<Vec<f64>> = (0..size).map(|rank| numbers(rank, counts[rank])).collect();
        for got in all(size, |comm| comm.all_gather(numbers(comm.rank(), counts[comm.rank()]))) {
            prop_assert_eq!(&got, &expected);
        }
        for got in all(size, |comm| comm.all_gatherv(&numbers(comm.rank(), counts[comm.rank()]))) {
            prop_assert_eq!(got, (expected.concat(), counts.clone()));
        }
        let len = counts[0];
        let expected: Vec<f64> = (0..size).flat_map(|rank| numbers(rank, len)).collect();
        let into = all(size, |comm| {
            let mut room = vec![0.0; len * size];
            comm.all_gather_into(&numbers(comm.rank(), len), &mut room).map(|()| room)
        });
        prop_assert!(into.iter().all(|got| *got == expected));
    }

    #[test]
    fn reductions_in_the_documented_order(size in 1usize..10, root in 0usize..9, len in prop::sample::select(&LENS[..])) {
        let root = root % size;
        let expected = reduced(size, len, |a, b| a + b);
        for got in all(size, |comm| comm.all_reduce(&numbers(comm.rank(), len), Op::Sum)) {
            prop_assert!(got == expected, "every bit");
        }
        let ends = all(size, |comm| comm.reduce(root, &numbers(comm.rank(), len), Op::Sum));
        prop_assert!(ends[root].as_ref() == Some(&expected));
        prop_assert_eq!(ends.iter().flatten().count(), 1);
        // Neither commutative nor associative: the order shows.
        let odd = |a: f64, b: f64| a * 0.5 - b;
        let expected = reduced(size, len, odd);
        for got in all(size, |comm| comm.all_reduce(&numbers(comm.rank(), len), Op::Custom(&odd))) {
            prop_assert!(got == expected);
        }
        let ends = all(size, |comm| comm.reduce(root, &numbers(comm.rank(), len), Op::Custom(&odd)));
        prop_assert!(ends[root].as_ref() == Some(&expected));
    }

    #[test]
    fn the_other_operators(size in 1usize..10, root in 0usize..9, len in prop::sample::select(&LENS[..])) {
        let number = |rank: usize, i: usize| (rank as i64 * 31 + i as i64 * 17) % 1009 - 500;
        let mine = |comm: &Communicator| (0..len).map(|i| number(comm.rank(), i)).collect::<Vec<_>>();
        let over = |ranks: usize, f: fn(i64, i64) -> i64| {
            (0..len).map(|i| (0..ranks).map(|r| number(r, i)).reduce(f).unwrap()).collect::<Vec<_>>()
        };
        for (op, f) in [(Op::<i64>::Sum, i64::wrapping_add as fn(i64, i64) -> i64), (Op::Prod, i64::wrapping_mul), (Op::Min, |a, b| a.min(b)), (Op::Max, |a, b| a.max(b))] {
            let code = format!("{op:?}");
            let op_of = |name: &str| match name { "sum" => Op::Sum, "prod" => Op::Prod, "min" => Op::Min, _ => Op::Max };
            let ends = all(size, |comm| {
                let (mine, op) = (mine(comm), op_of(&code));
                Ok((comm.all_reduce(&mine, op)?, comm.reduce(root % size, &mine, op)?, comm.exscan(&mine, op)?))
            });
            for (rank, (everywhere, somewhere, before)) in ends.into_iter().enumerate() {
                prop_assert_eq!(&everywhere, &over(size, f));
                prop_assert_eq!(somewhere, (rank == root % size).then(|| over(size, f)));
                prop_assert_eq!(before, (rank > 0).then(|| over(rank, f)));
            }
        }
    }

    #[test]
    fn functions_of_values_keep_the_order(size in 1usize..10, root in 0usize..9, repeat in prop::sample::select(&[1usize, 9_000][..])) {
        let root = root % size;
        let word = |rank: usize| rank.to_string().repeat(repeat);
        let whole: String = (0..size).map(word).collect();
        for got in all(size, |comm| comm.all_reduce_with(word(comm.rank()), |a, b| a + &b)) {
            prop_assert_eq!(&got, &whole);
        }
        let ends = all(size, |comm| comm.reduce_with(root, word(comm.rank()), |a, b| a + &b));
        prop_assert_eq!(&ends[root], &Some(whole));
        prop_assert_eq!(ends.iter().flatten().count(), 1);
    }

    #[test]
    fn a_mixture_of_everything(size in 1usize..10, steps in prop::collection::vec((0u8..8, 0usize..9, prop::sample::select(&LENS[..])), 1..20)) {
        // The same sum on every rank, whatever they did before; no rank waits for the others in between.
        let sums = all(size, |comm| {
            let mut sum = 0.0;
            for &(what, root, len) in &steps {
                let (root, mine) = (root % size, numbers(comm.rank(), len));
                sum += match what {
                    0 => { comm.barrier()?; 1.0 }
                    1 => comm.broadcast(root, at(comm, root, || numbers(root, len)))?.iter().sum::<f64>(),
                    2 => comm.all_reduce(&mine, Op::Max)?.iter().sum(),
                    3 => comm.all_gather(mine.len() as f64)?.iter().sum(),
                    4 => comm.all_gatherv(&mine)?.0.iter().sum(),
                    5 => { comm.gather(root, mine)?; 0.0 }
                    6 => { comm.reduce(root, &mine, Op::Sum)?; 0.0 }
                    _ => { comm.scatter(root, at(comm, root, || mine))?; 0.0 }
                };
            }
            Ok(sum)
        });
        prop_assert!(sums.iter().all(|sum| *sum == sums[0]), "{:?}", sums);
    }

    #[test]
    fn everybody_sends_to_everybody(size in 2usize..8, len in prop::sample::select(&LENS[..])) {
        let ends = all(size, |comm| {
            for to in (0..size).filter(|to| *to != comm.rank()) {
                comm.send(to, 5, &numbers(comm.rank() + to, len))?;
            }
            // In the opposite order.
            for from in (0..size).rev().filter(|from| *from != comm.rank()) {
                if comm.recv::<Vec<f64>>(from, 5)? != numbers(comm.rank() + from, len) {
                    return Ok(false);
                }
            }
            Ok(true)
        });
        prop_assert_eq!(ends, vec![true; size]);
    }
}

#[test]
fn sixteen_mebibytes_to_each_other() {
    let mib16 = 2 << 20;
    let ends = all(2, |comm| {
        let (mine, mut theirs) = (numbers(comm.rank(), mib16), vec![0.0; mib16]);
        comm.send_from(1 - comm.rank(), 0, &mine)?;
        comm.recv_into(1 - comm.rank(), 0, &mut theirs)?;
        Ok(theirs == numbers(1 - comm.rank(), mib16))
    });
    assert_eq!(ends, [true; 2]);
}

#[test]
fn more_than_the_window_to_a_receiver_that_comes_late() {
    // 150 MiB in messages of 5, then one of 80; the receiver first waits for somebody else, who waits until the sender is held up.
    let len = (5 << 20) / 8;
    let ends = all(3, |comm| {
        match comm.rank() {
            0 => {
                for i in 0..30 {
                    comm.send_from(1, i % 2, &vec![f64::from(i); len])?;
                    if i == 2 {
                        comm.send(2, 0, &())?;
                    }
                }
                comm.send_from(1, 7, &vec![0.5; 16 * len])?;
            }
            1 => {
                comm.recv::<()>(2, 0)?;
                let (mut numbers, mut large) = (vec![0.0; len], vec![0.0; 16 * len]);
                for i in 0..30 {
                    comm.recv_into(0, i % 2, &mut numbers)?;
                    if numbers[0] != f64::from(i) || numbers[len - 1] != f64::from(i) {
                        return Ok(false);
                    }
                }
                comm.recv_into(0, 7, &mut large)?;
                return Ok(large.iter().all(|x| *x == 0.5));
            }
            _ => comm.recv::<()>(0, 0).and_then(|()| comm.send(1, 0, &()))?,
        }
        Ok(true)
    });
    assert_eq!(ends, [true; 3]);
}

#[test]
fn arrays_are_joined_along_the_first_axis() {
    let whole = Array2::from_shape_fn((10, 3), |(i, j)| (i * 3 + j) as f32);
    let joined = run_spmd("threads", 4, |comm| {
        let counts = comm.block_counts(10);
        let start: usize = counts[..comm.rank()].iter().sum();
        let mine = whole.slice(ndarray::s![start..start + counts[comm.rank()], ..]).to_owned();
        comm.gather_joined(0, mine)
    });
    assert_eq!(joined, Ok(Some(whole.clone())));
    let uneven = run_spmd("threads", 2, |comm| comm.gather_joined(0, Array2::<f32>::zeros((1, comm.rank()))));
    assert!(uneven.unwrap_err().to_string().contains("all axes but the first must agree"));
}

#[test]
fn groups_of_groups() {
    let ends = all(8, |comm| {
        let half = [[0, 2, 4, 6], [7, 5, 3, 1]][comm.rank() % 2];
        let half = comm.subgroup(&half)?.unwrap();
        let pair = if half.rank() < 2 { [1, 0] } else { [2, 3] };
        let pair = half.subgroup(&pair)?.unwrap();
        // All three in turn, without waiting in between; and the same group made anew has its own count.
        let world = comm.all_gather(comm.rank())?;
        let in_pair = pair.all_gather(comm.rank())?;
        let again = comm.subgroup(&[0, 1])?;
        let again = again.map(|two| two.all_gather(two.rank())).transpose()?;
        Ok((world.len(), half.rank(), half.all_gather(comm.rank())?, in_pair, again))
    });
    assert_eq!(ends[0], (8, 0, vec![0, 2, 4, 6], vec![2, 0], Some(vec![0, 1])));
    assert_eq!(ends[3], (8, 2, vec![7, 5, 3, 1], vec![3, 1], None));
    assert_eq!(ends[5], (8, 1, vec![7, 5, 3, 1], vec![5, 7], None));
}

#[test]
fn every_number_type_is_reduced() {
    macro_rules! check {
        ($($t:ty),*) => { $(
            let end = run_spmd("threads", 3, |comm| comm.all_reduce(&[comm.rank() as $t, 2 as $t], Op::Sum));
            assert_eq!(end, Ok(vec![3 as $t, 6 as $t]));
        )* };
    }
    check!(f64, f32, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
}
