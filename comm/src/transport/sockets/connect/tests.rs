//! Strangers, wrong ranks, wrong sizes, wrong programs.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::{Communicator, Op, conduct};

mod over_tcp;

/// Longer than any test should take.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(600);

struct Place {
    directory: tempfile::TempDir,
    session: Session,
}

impl Place {
    fn new(size: usize) -> Self {
        let session = Session { rank: 0, size, secret: Secret::new().unwrap(), program: [1; 32] };
        Self { directory: tempfile::tempdir().unwrap(), session }
    }

    fn path(&self, rank: usize) -> PathBuf {
        self.directory.path().join(format!("rank-{rank}"))
    }

    fn listener(&self, rank: usize) -> Listener {
        Listener::bind(&self.path(rank), None).unwrap()
    }

    fn session(&self, rank: usize) -> Session {
        Session { rank, ..self.session }
    }

    fn connect(&self, session: &Session, within: Duration) -> Result<Sockets, CommError> {
        let addresses: Vec<_> = (0..session.size).map(|rank| Address::local(self.path(rank))).collect();
        connect(session, &addresses, self.listener(session.rank), within)
    }
}

fn sum(sockets: Sockets) -> Result<Vec<usize>, CommError> {
    conduct(&Communicator::new(Box::new(sockets)), |comm| comm.all_reduce(&[comm.rank() + 1], Op::Sum))
}

#[test]
fn strangers_are_turned_away_while_ranks_come_in() {
    let place = Place::new(2);
    thread::scope(|scope| {
        let root = scope.spawn(|| place.connect(&place.session(0), LONG).and_then(sum));
        let mut strangers = Vec::new();
        // One that says nothing, one that says something else, one that knows the form but no secret.
        for words in [&b""[..], b"GET / HTTP/1.1\r\nHost: phalanx\r\n\r\n and so on, and so on, for as long as it takes to be a hello", b"PHXCOMM2"] {
            let mut stream = loop {
                match UnixStream::connect(place.path(0)) {
                    Ok(stream) => break stream,
                    Err(_) => thread::sleep(LOOK_EVERY),
                }
            };
            stream.write_all(words).unwrap();
            strangers.push(stream);
        }
        let mut liar = place.session(1);
        liar.secret = Secret::new().unwrap();
        let addresses = [Address::local(place.path(0)), Address::local(place.path(9))];
        let refused = connect(&liar, &addresses, place.listener(9), LONG).unwrap_err();
        assert!(refused.to_string().contains("rank 0: it does not know the session's secret"), "{refused}");
        assert_eq!(place.connect(&place.session(1), LONG).and_then(sum), Ok(vec![3]));
        assert_eq!(root.join().unwrap(), Ok(vec![3]));
        // The one that spoke another language was told nothing.
        assert_eq!(strangers[1].read(&mut [0; 100]).unwrap_or(0), 0);
    });
}

#[test]
fn a_rank_that_does_not_come_is_named() {
    let place = Place::new(3);
    let end = place.connect(&place.session(1), SHORT).unwrap_err();
    assert!(matches!(&end, CommError::NotConnected { rank: 1, missing, .. } if *missing == [0, 2]), "{end}");
    assert!(!place.path(1).exists(), "the socket is gone");
}

#[test]
fn another_size_or_program_is_an_error_on_both() {
    for other in [|s: &mut Session| s.size = 3, |s: &mut Session| s.program = [2; 32]] {
        let place = Place::new(2);
        let mut odd = place.session(1);
        other(&mut odd);
        let (a, b) = thread::scope(|scope| {
            let root = scope.spawn(|| place.connect(&place.session(0), LONG));
            let odd = place.connect(&odd, LONG).unwrap_err();
            (root.join().unwrap().unwrap_err(), odd)
        });
        assert!(matches!(a, CommError::OtherProgram { rank: 1, .. }), "{a}");
        assert!(matches!(b, CommError::OtherProgram { rank: 0, .. }), "{b}");
    }
}

#[test]
fn two_that_say_they_are_the_same_rank() {
    let place = Place::new(3);
    let end = thread::scope(|scope| {
        let root = scope.spawn(|| place.connect(&place.session(0), SHORT));
        for fake in [7, 8] {
            let addresses = [0, fake, 9].map(|rank| Address::local(place.path(rank)));
            let (listener, session) = (place.listener(fake), place.session(1));
            scope.spawn(move || connect(&session, &addresses, listener, SHORT).unwrap_err());
        }
        root.join().unwrap().unwrap_err()
    });
    assert!(matches!(&end, CommError::NotConnected { missing, .. } if *missing == [2]), "{end}");
}

#[test]
fn bad_arguments() {
    let place = Place::new(2);
    for (rank, size, addresses) in [(0, 0, 0), (2, 2, 2), (0, 2, 1), (0, RANKS_MAX + 1, RANKS_MAX + 1)] {
        let session = Session { size, ..place.session(rank) };
        let addresses = vec![Address::local(place.path(5)); addresses];
        let end = connect(&session, &addresses, place.listener(0), LONG).unwrap_err();
        assert!(matches!(end, CommError::Start(_)), "{end}");
    }
    assert!(Listener::bind(&place.path(0).join("not/there"), None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn whatever_a_stranger_says(words in prop::collection::vec(any::<u8>(), 0..300), magic: bool) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let place = Place::new(2);
        let identity = Identity { secret: place.session.secret, rank: 0, size: 2, program: [1; 32] };
        let said = if magic { [&b"PHXCOMM2"[..], &words].concat() } else { words };
        (&theirs).write_all(&said).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let mut ours = Stream::unix(ours).unwrap();
        prop_assert!(identity.receive(&mut ours, Instant::now() + LONG).is_err());
    }
}
