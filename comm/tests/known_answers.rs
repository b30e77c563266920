//! The answers that the source systems' documents give, on every runner.

#![allow(clippy::unwrap_used, reason = "a test")]

use phalanx_comm::{
    CommError, Communicator, LocalResults, Op, Sweep, conduct, lookup, run_spmd, run_spmd_all, run_spmd_with,
};

fn lengths(comm: &Communicator) -> Result<Option<Vec<usize>>, CommError> {
    let data = comm.is_root().then(|| (0..1000).map(f64::from).collect());
    let flag: String = comm.broadcast(0, comm.is_root().then(|| "woop".to_owned()))?;
    assert_eq!(flag, "woop");
    let data: Vec<f64> = comm.scatter(0, data)?;
    comm.gather(0, data.len())
}

#[test]
fn a_thousand_numbers_over_fifteen_ranks() {
    let expected = [vec![67; 10], vec![66; 5]].concat();
    assert_eq!(run_spmd("threads", 15, lengths), Ok(Some(expected)));
    assert_eq!(run_spmd("serial", 15, lengths), Ok(Some(vec![1000])));
}

#[test]
fn one_more_each() {
    for (runner, size) in [("serial", 1), ("threads", 1), ("threads", 4), ("threads", 12)] {
        let mapped = run_spmd(runner, size, |comm| {
            comm.map(0, comm.is_root().then(|| (0..10).collect()), |x: i64| 1 + x)
        });
        assert_eq!(mapped, Ok(Some((1..=10).collect())), "{runner} {size}");
    }
}

/// The document's class: what it needs goes in as an argument.
mod sample_program {
    use super::*;

    fn eval_parallel(comm: &Communicator, data: Option<Vec<f64>>) -> Result<Option<Vec<f64>>, CommError> {
        let data: Vec<f64> = comm.scatter(0, data)?;
        comm.gather_joined(0, data.iter().map(|x| x * x).collect())
    }

    #[allow(clippy::ptr_arg, reason = "the argument's type is the vector, which travels")]
    pub(crate) fn run_par(comm: &Communicator, values: &Vec<f64>) -> Result<Option<Vec<f64>>, CommError> {
        let squares = eval_parallel(comm, comm.is_root().then(|| values.clone()))?;
        Ok(squares.map(|squares| squares.into_iter().map(f64::sqrt).collect()))
    }
}

#[test]
fn the_sample_program() {
    let values: Vec<f64> = (0..10).map(|i| f64::from(i * 37 % 11) / 16.0).collect();
    for (runner, size) in [("serial", 1), ("threads", 3), ("threads", 9)] {
        let ends = run_spmd_with(runner, size, sample_program::run_par, &values).unwrap();
        assert_eq!(ends[0].as_ref(), Some(&values));
        assert!(ends[1..].iter().all(Option::is_none));
    }
}

fn sweep(runner: &str, size: usize, base: i64, count: i64) -> Vec<LocalResults<i64, i64>> {
    let all = run_spmd_all(runner, size, |comm| {
        let mut builds = 0;
        let build = |base: &i64| {
            builds += 1;
            Ok::<_, CommError>([*base, -1])
        };
        let parameters = comm.is_root().then(|| (1..=count).collect());
        let execute = |p: &i64, built: &mut [i64; 2]| Ok((built[0] + p) * built[1]);
        let sweep = Sweep::scatter(comm, build, &base, execute, parameters)?;
        let all = sweep.gather()?;
        let local = sweep.results_from_local_tree(&all);
        assert_eq!(local.len(), builds, "built once, where there is something to do");
        assert_eq!(local.len(), usize::from((comm.rank() as i64) < count));
        Ok::<_, CommError>(all)
    });
    let all = all.unwrap();
    assert!(all.iter().all(|a| *a == all[0]), "the same on every rank");
    all.into_iter().next().unwrap()
}

#[test]
fn sweeps() {
    let flat =
        |all: &[LocalResults<i64, i64>]| all.iter().flat_map(|l| l.results.clone()).collect::<Vec<_>>();
    assert_eq!(flat(&sweep("serial", 1, 10, 4)), [-11, -12, -13, -14]);
    assert_eq!(flat(&sweep("threads", 3, 100, 4)), [-101, -102, -103, -104]);
    for (workers, expected) in [(1, 1), (4, 4), (8, 5)] {
        let all = sweep("threads", workers, 100, 5);
        assert_eq!(all.len(), expected);
        assert_eq!(flat(&all), [-101, -102, -103, -104, -105]);
        let at: Vec<_> = all.iter().map(|l| (l.index, l.worker)).collect();
        if workers == 4 {
            assert_eq!(at, [(0, 0), (2, 1), (3, 2), (4, 3)]);
        }
    }
    assert_eq!(sweep("threads", 3, 100, 0), []);
}

#[test]
fn a_sweep_whose_sample_fails_says_which() {
    let end = run_spmd("threads", 3, |comm| {
        let execute = |p: &u32, _: &mut ()| if *p == 7 { Err("diverged") } else { Ok(*p) };
        let sweep = Sweep::scatter(comm, |_: &()| Ok(()), &(), execute, Some((0..9).collect()))?;
        sweep.gather().map(|all| all.len())
    });
    assert_eq!(end, Err(CommError::Remote { rank: 2, message: "do_execute of sample 7: diverged".into() }));
}

#[test]
fn the_manager_s_other_facts() {
    assert_eq!(
        run_spmd("serial", 1, |comm| comm.all_gather("test_data".to_owned())),
        Ok(vec!["test_data".to_owned()])
    );
    let arrays = run_spmd("threads", 2, |comm| {
        let mine: &[i32] = if comm.is_root() { &[1] } else { &[2, 3] };
        comm.gatherv(0, mine)
    });
    assert_eq!(arrays, Ok(Some((vec![1, 2, 3], vec![1, 2]))));
    let cases = run_spmd("threads", 2, |comm| comm.gatherv(0, &[comm.rank(); 2]));
    assert_eq!(cases, Ok(Some((vec![0, 0, 1, 1], vec![2, 2]))));
    let sum = run_spmd_all("threads", 3, |comm| comm.all_reduce(&[1.0, 2.0], Op::Sum));
    assert_eq!(sum, Ok(vec![vec![3.0, 6.0]; 3]));
}

#[test]
fn programs_that_capture_nothing_can_run_elsewhere() {
    struct Elsewhere;
    impl phalanx_comm::Runner for Elsewhere {
        fn name(&self) -> &str {
            "elsewhere"
        }
        fn run(&self, _: usize, program: &phalanx_comm::Program<'_>) -> Result<Vec<Vec<u8>>, CommError> {
            let remote = program.remote().ok_or_else(|| CommError::start("it captures something"))?;
            // Only the address and the bytes, as another process would have them.
            let comm = Communicator::new(Box::new(phalanx_comm::transport::Serial));
            conduct(&comm, |comm| (remote.entry)(comm, remote.argument)).map(|value| vec![value])
        }
    }
    let elsewhere: &dyn phalanx_comm::Runner = &Elsewhere;
    assert_eq!(run_spmd(elsewhere, 1, lengths), Ok(Some(vec![1000])));
    assert_eq!(run_spmd_with(elsewhere, 1, sample_program::run_par, &vec![2.0]), Ok(vec![Some(vec![2.0])]));
    let captured = 5;
    let end = run_spmd(elsewhere, 1, |_| Ok::<_, CommError>(captured));
    assert_eq!(end, Err(CommError::start("it captures something")));
}

#[test]
fn an_unknown_runner_is_an_error_that_lists_the_known() {
    let error = lookup("cluser").err().unwrap().to_string();
    assert!(error.contains("serial, threads"), "{error}");
    assert!(run_spmd("cluser", 2, |comm| comm.barrier()).is_err());
    assert!(matches!(run_spmd("threads", 0, |comm| comm.barrier()), Err(CommError::Start(_))));
}
