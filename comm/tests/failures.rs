//! Whatever goes wrong: an equal error on every rank, soon.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use phalanx_comm::{CommError, Communicator, Op, run_spmd_all};

/// Longer than any of these may take, on the slowest machine: more is a hang.
const HANG: Duration = Duration::from_secs(60);

/// Runs a program on threads; what every rank was told by its last operation, and by the runner.
fn ends<T: Send>(
    size: usize,
    program: impl Fn(&Communicator) -> Result<T, CommError> + Send + Sync + 'static,
) -> Vec<CommError> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let seen = Mutex::new(vec![None; size]);
        let end = run_spmd_all("threads", size, |comm| {
            let end = program(comm).map(|_| ());
            // As the runner does, but we want to know what each rank is told.
            let end = match end {
                Ok(()) => comm.finish(),
                Err(e) => Err(comm.fail(e)),
            };
            if let Err(error) = &end {
                assert_eq!(comm.barrier().as_ref(), Err(error), "broken for good");
            }
            seen.lock().unwrap()[comm.rank()] = end.clone().err();
            end
        });
        let mut seen = seen.into_inner().unwrap();
        seen.push(end.err());
        tell.send(seen).unwrap();
    });
    let seen = told.recv_timeout(HANG).expect("the ranks hang");
    seen.into_iter().map(|end| end.expect("every rank and the runner see an error")).collect()
}

fn same(ends: Vec<CommError>) -> CommError {
    assert!(ends.iter().all(|e| *e == ends[0]), "{ends:#?}");
    ends[0].clone()
}

#[test]
fn a_program_that_returns_an_error() {
    for size in [1, 2, 3, 6] {
        let end = same(ends(size, move |comm| match comm.rank() + 1 == size {
            true => Err(CommError::start("no data")),
            false => comm.all_reduce(&[1.0], Op::Sum),
        }));
        assert_eq!(end, CommError::Remote { rank: size - 1, message: "no data".into() });
    }
}

#[test]
fn a_program_that_panics() {
    let end = run_spmd_all("threads", 4, |comm| {
        assert_ne!(comm.rank(), 2, "odd");
        comm.broadcast(0, comm.is_root().then_some(1))
    });
    let Err(CommError::Remote { rank: 2, message }) = end else { panic!("{end:?}") };
    assert!(message.starts_with("it panicked: ") && message.contains("odd"), "{message}");
}

#[test]
fn an_operator_that_panics() {
    let end = run_spmd_all("threads", 4, |comm| {
        let op = |a: f64, b: f64| if comm.rank() == 2 { panic!("overflow") } else { a + b };
        comm.all_reduce(&vec![1.0; 100_000], Op::Custom(&op))
    });
    let Err(CommError::Remote { rank: 2, message }) = end else { panic!("{end:?}") };
    assert_eq!(message, "it panicked: overflow");
}

#[test]
fn a_rank_fails_while_megabytes_are_under_way() {
    let end = same(ends(4, |comm| {
        let mut numbers = vec![0.0; 4 << 20];
        for turn in 0..3 {
            if turn == 1 && comm.rank() == 3 {
                return Err(CommError::start("enough"));
            }
            comm.broadcast_into(0, &mut numbers)?;
        }
        Ok(())
    }));
    assert_eq!(end, CommError::Remote { rank: 3, message: "enough".into() });
}

#[test]
fn two_that_fail_at_once() {
    for _ in 0..20 {
        let end = same(ends(5, |comm| match comm.rank() {
            1 | 3 => Err::<(), _>(CommError::start(format_args!("rank {}", comm.rank()))),
            _ => comm.barrier(),
        }));
        let CommError::Remote { rank, message } = end else { panic!("{end}") };
        assert!(rank == 1 || rank == 3);
        assert_eq!(message, format!("rank {rank}"));
    }
}

#[test]
fn a_late_rank_agrees_with_what_the_others_settled() {
    let (end_of_others, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let end_of_others = Mutex::new(Some(end_of_others));
    let end = same(ends(3, move |comm| match comm.rank() {
        0 => Err(CommError::start("first")),
        1 => {
            let end = comm.barrier();
            drop(end_of_others.lock().unwrap().take());
            end
        }
        _ => {
            // Computes until the others are through.
            wait.lock().unwrap().recv().unwrap_err();
            Err(CommError::start("a reason of its own"))
        }
    }));
    assert_eq!(end, CommError::Remote { rank: 0, message: "first".into() });
}

#[test]
fn different_operations() {
    let end = same(ends(3, |comm| {
        for _ in 0..4 {
            comm.barrier()?;
        }
        if comm.rank() == 2 { comm.gather(0, 1.5).map(|_| ()) } else { comm.barrier() }
    }));
    let CommError::Mismatch { rank, call, other: 2, other_call, .. } = &end else { panic!("{end}") };
    assert!(*rank < 2);
    assert_eq!((call.as_str(), other_call.as_str()), ("barrier", "gather(root 0, f64)"));
    assert!(end.to_string().contains("as its 5th collective"), "{end}");
}

type Step = fn(&Communicator) -> Result<(), CommError>;

/// What the ranks call: the first is what rank 0 and 1 do, the second what rank 2 does.
const DISAGREEMENTS: [(Step, Step); 10] = [
    // Nobody would send to anybody that notices.
    (|c| c.gather(0, 1_u8).map(|_| ()), |c| c.broadcast(0, c.is_root().then_some(1_u8)).map(|_| ())),
    (|c| c.broadcast(2, Some(1_u8)).map(|_| ()), |c| c.broadcast(0, Some(1_u8)).map(|_| ())),
    (|c| c.scatter(0, Some(vec![1_u8])).map(|_| ()), |c| c.scatter(0, Some(vec![1_i8])).map(|_| ())),
    (|c| c.gather(0, 1_u8).map(|_| ()), |c| c.gather(1, 1_u8).map(|_| ())),
    (|c| c.all_reduce(&[1, 2], Op::Sum).map(|_| ()), |c| c.all_reduce(&[1, 2, 3], Op::Sum).map(|_| ())),
    (|c| c.all_reduce(&[1, 2], Op::Sum).map(|_| ()), |c| c.all_reduce(&[1, 2], Op::Max).map(|_| ())),
    (|c| c.reduce(0, &[1.0; 100_000], Op::Sum).map(|_| ()), |c| c.reduce(0, &[1.0; 3], Op::Sum).map(|_| ())),
    (|c| c.broadcast_into(1, &mut [0_u8; 9]), |c| c.broadcast_into(1, &mut [0_u8; 100_000])),
    (|c| c.exscan(&[1.0], Op::Sum).map(|_| ()), |c| c.exscan(&[1.0_f32], Op::Sum).map(|_| ())),
    (|c| c.all_gather(1).map(|_| ()), |c| c.all_gather("x".to_owned()).map(|_| ())),
];

#[test]
fn every_disagreement_is_a_mismatch_everywhere() {
    for (i, (most, odd)) in DISAGREEMENTS.into_iter().enumerate() {
        let end = same(ends(3, move |comm| {
            comm.barrier()?;
            if comm.rank() == 2 { odd(comm) } else { most(comm) }?;
            comm.barrier()
        }));
        assert!(matches!(end, CommError::Mismatch { other: 2, .. }), "disagreement {i}: {end}");
        assert!(end.to_string().contains("as its 2nd collective"), "disagreement {i}: {end}");
    }
}

#[test]
fn a_rank_that_ended_early() {
    let end = same(ends(3, |comm| if comm.rank() == 1 { Ok(()) } else { comm.barrier() }));
    let CommError::Ended { rank: 1, call, .. } = &end else { panic!("{end}") };
    assert_eq!(call, "barrier");
    // Nobody waits for it, but it should have taken part.
    let end = same(ends(2, |comm| if comm.is_root() { Ok(()) } else { comm.gather(0, 1).map(|_| ()) }));
    assert!(matches!(end, CommError::Ended { rank: 0, waiting: 1, .. }), "{end}");
}

#[test]
fn receives_in_a_circle() {
    for size in [2, 3, 5] {
        let end = same(ends(size, move |comm| comm.recv::<u8>((comm.rank() + 1) % size, 9)));
        let CommError::Deadlock { circle } = &end else { panic!("{end}") };
        assert!(circle.starts_with("rank 0 for rank 1 in message(tag 9"), "{circle}");
        assert_eq!(circle.matches(" for ").count(), size);
    }
}

#[test]
fn a_circle_of_a_message_and_a_barrier() {
    let end = same(ends(3, |comm| match comm.rank() {
        0 => comm.recv::<u8>(1, 3).map(|_| ()),
        _ => comm.barrier(),
    }));
    assert!(matches!(&end, CommError::Deadlock { circle } if circle.contains("barrier")), "{end}");
}

#[test]
fn groups_that_are_not_the_same() {
    let end = same(ends(2, |comm| {
        let order = if comm.is_root() { [0, 1] } else { [1, 0] };
        comm.subgroup(&order)?.map_or(Ok(()), |group| group.barrier())
    }));
    assert!(matches!(end, CommError::Deadlock { .. }), "{end}");
    // A failure in a group is one of all, also of those who are not in it.
    let end = same(ends(4, |comm| {
        match comm.subgroup(&[2, 3])? {
            Some(pair) if pair.is_root() => pair.gather(1, 1.0).map(drop),
            Some(pair) => pair.gather(1, 1_u8).map(drop),
            None => comm.barrier(),
        }?;
        comm.barrier()
    }));
    assert!(
        matches!(&end, CommError::Mismatch { rank: 2, other: 3, place, .. } if place.ends_with("of a subgroup")),
        "{end}"
    );
}

#[test]
fn a_tag_that_nobody_sends() {
    let end = same(ends(2, |comm| {
        comm.send(1 - comm.rank(), 1, &vec![0_u8; 100])?;
        comm.recv::<Vec<u8>>(1 - comm.rank(), 2)
    }));
    assert!(matches!(end, CommError::Deadlock { .. }), "{end}");
}

#[test]
fn sends_beyond_what_is_held() {
    // Each would take the other's only after its own is out.
    let end = same(ends(2, |comm| {
        comm.send_from(1 - comm.rank(), 0, &vec![0.0; 20 << 20])?;
        comm.recv_into(1 - comm.rank(), 0, &mut vec![0.0; 20 << 20])
    }));
    assert!(matches!(end, CommError::Deadlock { .. }), "{end}");
    // The one that is waited for is behind what is not.
    let end = same(ends(2, |comm| {
        if comm.is_root() {
            comm.send_from(1, 0, &vec![0.0; 20 << 20])?;
            comm.send(1, 1, &1)
        } else {
            comm.recv::<i32>(0, 1).map(|_| ())
        }
    }));
    assert!(matches!(end, CommError::Overflow { rank: 1, from: 0, .. }), "{end}");
}

#[test]
fn who_computes_is_merely_late() {
    // Longer than a rank waits before it asks the others.
    let late = Duration::from_millis(2500);
    let end = run_spmd_all("threads", 3, |comm| {
        if comm.rank() == 1 {
            let until = Instant::now() + late;
            while Instant::now() < until {
                std::thread::sleep(until - Instant::now());
            }
        }
        comm.barrier()?;
        if comm.rank() < 2 {
            comm.all_gather(comm.rank()).map(|_| ())
        } else {
            comm.all_gather(7_usize).map(|_| ())
        }?;
        comm.all_gather(comm.rank())
    });
    assert_eq!(end, Ok(vec![vec![0, 1, 2]; 3]));
}

#[test]
fn messages_of_another_type_or_length() {
    let end = same(ends(2, |comm| match comm.rank() {
        0 => comm.send(1, 4, &1.5),
        _ => comm.recv::<u64>(0, 4).map(|_| ()),
    }));
    assert!(matches!(&end, CommError::Mismatch { call, .. } if call == "message(tag 4, f64)"), "{end}");
    let end = same(ends(3, |comm| {
        let (mine, mut room) = (vec![1_u16; comm.rank()], [0; 4]);
        comm.gatherv_into(0, &mine, comm.is_root().then_some((&mut room[..], &[0, 1, 3][..])))
    }));
    let expected = CommError::Length {
        rank: 2,
        to: 0,
        call: "gatherv_into(root 0, u16)".into(),
        expected_bytes: 6,
        got_bytes: 4,
    };
    assert_eq!(end, expected);
}

#[test]
fn arguments_that_make_no_sense() {
    let steps: [(Step, &str); 11] = [
        (|c| c.broadcast(3, Some(1)).map(|_| ()), "there is no rank 3 among 3"),
        (|c| c.broadcast(usize::MAX, Some(1)).map(|_| ()), "there is no rank"),
        (|c| c.broadcast::<u8>(0, None).map(|_| ()), "the root gave no value"),
        (|c| c.scatter::<u8>(0, None).map(|_| ()), "the root gave no items"),
        (|c| c.scatterv(0, Some((vec![1, 2, 3], vec![1, 1, 2]))).map(|_| ()), "sum to 4, but there are 3"),
        (|c| c.scatterv(0, Some((vec![1, 2, 3], vec![1, 2]))).map(|_| ()), "2 counts for 3 ranks"),
        (
            |c| c.scatterv(0, Some((vec![1], vec![usize::MAX, 2, 0]))).map(|_| ()),
            "sum to more than there can be",
        ),
        (|c| c.send(c.rank(), 0, &1), "sends nothing to itself"),
        (|c| c.recv::<u8>(99, 0).map(|_| ()), "there is no rank 99 among 3"),
        (|c| c.all_gather_into(&[1, 2], &mut [0; 5]), "room for 5 numbers, where 3 ranks give 2 each"),
        (|c| c.subgroup(&[0, 1, 0]).map(|_| ()), "rank 0 is there twice"),
    ];
    for (step, says) in steps {
        let end = same(ends(3, move |comm| step(comm).and_then(|()| comm.barrier())));
        // Which of them is heard of first depends on the moment.
        assert!(matches!(end, CommError::Invalid { .. }), "{end}");
        assert!(end.to_string().contains(says), "{end}");
    }
}

#[test]
fn a_value_that_cannot_be_encoded() {
    #[derive(Debug)]
    struct Odd;
    impl serde::Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("too odd"))
        }
    }
    impl<'de> serde::Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let end = same(ends(3, |comm| comm.gather(1, Odd)));
    assert!(
        matches!(&end, CommError::Value { rank: 0 | 2, message, .. } if message.contains("too odd")),
        "{end}"
    );
}
