//! Ranks that are processes: this test's executable, started again for each rank.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use phalanx_comm::transport::sockets::{Address, Listener, Secret, Session, connect};
use phalanx_comm::{CommError, Communicator, Op, SharedArray, conduct, run_spmd_all, run_spmd_with};

/// Longer than anything here should take on the slowest machine.
const LONG: Duration = Duration::from_secs(60);

/// A program of every operation; the numbers are the same whatever it runs on.
fn everything(comm: &Communicator, scale: &f64) -> Result<Vec<f64>, CommError> {
    let (rank, size) = (comm.rank(), comm.size());
    let mut answers = Vec::new();
    for len in [1, 1000, 300_000] {
        let mine: Vec<f64> = (0..len).map(|i| scale * ((rank * 31 + i * 7) % 101) as f64 / 7.0).collect();
        answers.push(comm.all_reduce(&mine, Op::Sum)?.iter().sum());
        answers.push(comm.reduce(size - 1, &mine, Op::Max)?.map_or(0.0, |all| all.iter().sum()));
        answers.push(comm.broadcast(size / 2, Some(mine.clone()))?[len / 2]);
        answers.push(comm.all_gatherv(&mine[rank.min(len)..])?.0.len() as f64);
        answers.extend(comm.gatherv(0, &mine)?.map(|(all, _)| all.iter().sum::<f64>()));
        let part = comm.scatter(0, Some(mine))?;
        answers.push(comm.exscan(&[part.len() as f64], Op::Sum)?.map_or(0.0, |before| before[0]));
        comm.barrier()?;
    }
    answers
        .extend(comm.map(0, Some((0..10).collect()), |x: i32| f64::from(x) * scale)?.into_iter().flatten());
    Ok(answers)
}

/// What a rank does, by name.
fn program(name: &str, comm: &Communicator) -> Result<Vec<f64>, CommError> {
    let touch = |what: &str| std::fs::write(format!("{what}-{}", comm.rank()), "").map_err(CommError::start);
    match name {
        "everything" => everything(comm, &0.1),
        // Rank 1 is about to be killed, between two operations or in the middle of one.
        "victim" => {
            comm.barrier()?;
            touch("ready")?;
            if comm.rank() == 1 {
                std::thread::sleep(2 * LONG);
            }
            comm.barrier().map(|()| vec![])
        }
        "busy" => {
            let mut numbers = vec![0.0; 1 << 20];
            comm.barrier()?;
            touch("ready")?;
            loop {
                comm.broadcast_into(0, &mut numbers)?;
                comm.all_reduce_into(&mut numbers, Op::Max)?;
            }
        }
        "share" => {
            let mut shared = SharedArray::<f64>::new(comm, 100_000)?;
            for turn in 1..4 {
                shared.write(|at, part| {
                    part.iter_mut().enumerate().for_each(|(i, x)| *x = (at + i) as f64 * f64::from(turn));
                })?;
                let sum: f64 = shared.read()?.iter().sum();
                comm.all_gather(sum)?.iter().for_each(|theirs| assert_eq!(*theirs, sum));
            }
            Ok(vec![shared.read()?[99_999]])
        }
        // 16 MiB to all, and 16 MiB both ways at the same time.
        "large" => {
            let mine: Vec<f64> = (0..2 << 20).map(|i| ((comm.rank() + 1) * (i % 1009)) as f64).collect();
            let mut theirs = comm.all_reduce(&mine, Op::Sum)?;
            let sum = theirs.iter().sum();
            let (next, before) =
                ((comm.rank() + 1) % comm.size(), (comm.rank() + comm.size() - 1) % comm.size());
            comm.send_recv(next, &mine, before, &mut theirs, 0)?;
            assert!(
                theirs
                    .iter()
                    .zip(&mine)
                    .all(|(x, y)| x * (comm.rank() + 1) as f64 == y * (before + 1) as f64)
            );
            Ok(vec![sum])
        }
        // Rank 0 receives late, rank 1 is busy with something else as soon as its last word is written.
        "late" => {
            let mut all = vec![1.0; 1 << 20];
            for turn in 0..10 {
                let got = format!("got-{turn}");
                if comm.rank() == 0 {
                    std::thread::sleep(Duration::from_millis(10));
                    comm.recv_into(1, 0, &mut all)?;
                    std::fs::write(got, "").map_err(CommError::start)?;
                    continue;
                }
                comm.send_from(0, 0, &all)?;
                let until = Instant::now() + LONG / 2;
                while !Path::new(&got).exists() {
                    assert!(Instant::now() < until, "what was sent does not come");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            Ok(vec![])
        }
        "error" => match comm.rank() {
            1 => Err(CommError::start("no luck")),
            _ => comm.all_gather(1.0),
        },
        _ => unreachable!("{name}"),
    }
}

/// One rank: only called by [`start`], in a process of its own.
#[test]
#[ignore = "a rank of the other tests"]
fn rank_main() {
    if std::env::var_os("RANK_TEST_RANK").is_none() {
        return;
    }
    let var = |name: &str| std::env::var(format!("RANK_TEST_{name}")).unwrap();
    let (rank, size) = (var("RANK").parse().unwrap(), var("SIZE").parse().unwrap());
    std::env::set_current_dir(var("PLACE")).unwrap();
    let secret = Secret::from([var("SECRET").parse::<u8>().unwrap(); 32]);
    let interface = (var("WAY") == "tls").then_some([127, 0, 0, 1].into());
    let listener = Listener::bind(Path::new(&format!("socket-{rank}")), interface).unwrap();
    let addresses: Vec<_> = match interface {
        None => (0..size).map(|rank| Address::local(format!("socket-{rank}"))).collect(),
        Some(_) => tell_address(rank, size, listener.address()),
    };
    let session = Session { rank, size, secret, program: [3; 32] };
    let within = if secret == Secret::from([1; 32]) { LONG } else { Duration::from_secs(1) };
    let end = connect(&session, &addresses, listener, within).and_then(|sockets| {
        conduct(&Communicator::new(Box::new(sockets)), |comm| program(&var("PROGRAM"), comm))
    });
    publish(&format!("end-{rank}"), &end);
}

fn publish(name: &str, value: &(impl serde::Serialize + 'static)) {
    let mut bytes = Vec::new();
    phalanx_codec::encode(value, &mut bytes).unwrap();
    std::fs::write(format!("{name}.new"), bytes).unwrap();
    std::fs::rename(format!("{name}.new"), name).unwrap();
}

/// Tells the others this rank's address, and waits for theirs; all as if each were on a host of its own.
fn tell_address(rank: usize, size: usize, address: &Address) -> Vec<Address> {
    publish(&format!("address-{rank}"), address);
    let until = Instant::now() + LONG;
    let theirs = |rank: usize| loop {
        if let Ok(bytes) = std::fs::read(format!("address-{rank}")) {
            return phalanx_codec::decode::<Address>(&bytes).unwrap().over_tcp();
        }
        assert!(Instant::now() < until, "rank {rank} does not say where it is");
        std::thread::sleep(Duration::from_millis(2));
    };
    (0..size).map(theirs).collect()
}

struct Ranks {
    place: tempfile::TempDir,
    children: Vec<Child>,
}

impl Drop for Ranks {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(program: &str, secrets: &[u8]) -> Ranks {
    start_over("unix", program, secrets)
}

/// Ranks with Unix sockets between them, or TLS.
fn start_over(way: &str, program: &str, secrets: &[u8]) -> Ranks {
    let place = tempfile::tempdir().unwrap();
    let children = secrets.iter().enumerate().map(|(rank, secret)| {
        Command::new(std::env::current_exe().unwrap())
            .args(["rank_main", "--exact", "--ignored"])
            .env("RANK_TEST_RANK", rank.to_string())
            .env("RANK_TEST_SIZE", secrets.len().to_string())
            .env("RANK_TEST_PLACE", place.path())
            .env("RANK_TEST_SECRET", secret.to_string())
            .env("RANK_TEST_PROGRAM", program)
            .env("RANK_TEST_WAY", way)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    Ranks { children: children.collect(), place }
}

type End = Result<Vec<f64>, CommError>;

impl Ranks {
    fn until<T>(&self, what: &str, condition: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(start.elapsed() < LONG, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for a rank's file.
    fn file(&self, name: &str) -> Vec<u8> {
        let path = self.place.path().join(name);
        self.until(name, || std::fs::read(&path).ok())
    }

    fn end(&self, rank: usize) -> End {
        phalanx_codec::decode(&self.file(&format!("end-{rank}"))).unwrap()
    }

    fn has_ended(&self, rank: usize) -> bool {
        self.place.path().join(format!("end-{rank}")).exists()
    }

    fn signal(&self, rank: usize, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.children[rank]);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

#[test]
fn the_same_answers_on_threads_and_sockets() {
    for size in [1, 2, 3, 5] {
        let threads = run_spmd_with("threads", size, everything, &0.1).unwrap();
        for way in ["unix", "tls"] {
            let ranks = start_over(way, "everything", &vec![1; size]);
            for (rank, expected) in threads.iter().enumerate() {
                assert_eq!(ranks.end(rank).as_ref(), Ok(expected), "rank {rank} of {size} over {way}");
            }
        }
        if size == 1 {
            assert_eq!(run_spmd_with("serial", 1, everything, &0.1), Ok(threads));
        }
    }
}

#[test]
fn megabytes_all_at_once() {
    for way in ["unix", "tls"] {
        let ranks = start_over(way, "large", &[1; 3]);
        let expected: f64 = (0..2 << 20).map(|i| (6 * (i % 1009)) as f64).sum();
        for rank in 0..3 {
            assert_eq!(ranks.end(rank), Ok(vec![expected]), "rank {rank} over {way}");
        }
    }
}

#[test]
fn what_was_sent_comes_while_the_sender_does_something_else() {
    for way in ["unix", "tls"] {
        let ranks = start_over(way, "late", &[1; 2]);
        assert_eq!([ranks.end(0), ranks.end(1)], [Ok(vec![]), Ok(vec![])], "over {way}");
    }
}

#[test]
fn a_rank_that_returns_an_error() {
    for way in ["unix", "tls"] {
        let ranks = start_over(way, "error", &[1; 4]);
        for rank in 0..4 {
            assert_eq!(ranks.end(rank), Err(CommError::Remote { rank: 1, message: "no luck".into() }));
        }
    }
}

fn a_rank_is_killed(way: &str, program: &str) {
    let mut ranks = start_over(way, program, &[1; 4]);
    for rank in 0..4 {
        ranks.file(&format!("ready-{rank}"));
    }
    let start = Instant::now();
    ranks.children[1].kill().unwrap();
    for rank in [0, 2, 3] {
        let end = ranks.end(rank);
        assert!(matches!(end, Err(CommError::PeerLost { rank: 1, .. })), "rank {rank}: {end:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "seconds, not {:?}", start.elapsed());
    assert_eq!(ranks.children[1].wait().unwrap().signal(), Some(9));
    assert!(!ranks.has_ended(1));
}

#[test]
fn a_rank_killed_while_others_wait_for_it() {
    a_rank_is_killed("unix", "victim");
    a_rank_is_killed("tls", "victim");
}

#[test]
fn a_rank_killed_in_the_middle_of_megabytes() {
    a_rank_is_killed("unix", "busy");
    a_rank_is_killed("tls", "busy");
}

#[test]
fn a_frozen_rank_is_no_error_until_it_is_dead() {
    let ranks = start("busy", &[1; 3]);
    for rank in 0..3 {
        ranks.file(&format!("ready-{rank}"));
    }
    ranks.signal(2, rustix::process::Signal::STOP);
    // Longer than a rank waits before it asks what the others wait for.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        assert!(!ranks.has_ended(0) && !ranks.has_ended(1), "a frozen rank is merely late");
        std::thread::sleep(Duration::from_millis(20));
    }
    ranks.signal(2, rustix::process::Signal::KILL);
    for rank in [0, 1] {
        let end = ranks.end(rank);
        assert!(matches!(end, Err(CommError::PeerLost { rank: 2, .. })), "{end:?}");
    }
}

#[test]
fn a_wrong_secret_is_refused() {
    let ranks = start("everything", &[2, 3]);
    let Err(CommError::NotConnected { rank: 0, missing, message, .. }) = ranks.end(0) else { panic!() };
    assert_eq!(missing, [1]);
    assert!(
        message.contains("does not know the session's secret") || message.contains("nobody"),
        "{message}"
    );
    let end = ranks.end(1).unwrap_err();
    assert!(end.to_string().contains("does not know the session's secret"), "{end}");
}

#[test]
fn processes_share_an_array() {
    let ranks = start("share", &[1; 3]);
    for rank in 0..3 {
        assert_eq!(ranks.end(rank), Ok(vec![99_999.0 * 3.0]));
    }
}

#[test]
fn many_small_messages() {
    // More than the window of unasked messages, in many small ones: rank 0 sends all before rank 1 receives any.
    let end = run_spmd_all("threads", 2, |comm| {
        for i in 0..300_000_u64 {
            if comm.is_root() {
                comm.send(1, 0, &i)?;
            } else if comm.recv::<u64>(0, 0)? != i {
                return Ok(false);
            }
        }
        Ok::<_, CommError>(true)
    });
    assert_eq!(end, Ok(vec![true; 2]));
}
