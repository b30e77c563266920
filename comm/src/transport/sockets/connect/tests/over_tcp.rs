//! Ranks of several hosts: what goes between them is hidden, and nobody else gets in.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

use super::*;
use crate::transport::sockets::certificate;

fn listeners(place: &Place) -> Vec<Listener> {
    let interface = Some(Ipv4Addr::LOCALHOST.into());
    (0..place.session.size).map(|rank| Listener::bind(&place.path(rank), interface).unwrap()).collect()
}

/// As if each were on a host of its own.
fn far(listeners: &[Listener]) -> Vec<Address> {
    listeners.iter().map(|listener| listener.address().clone().over_tcp()).collect()
}

fn tcp(address: &Address) -> SocketAddr {
    address.tcp.unwrap().at
}

/// All ranks at once, each with its own idea of where the others are.
fn run<T: Send>(
    place: &Place,
    listeners: Vec<Listener>,
    within: Duration,
    addresses: impl Fn(usize) -> Vec<Address> + Sync,
    program: impl Fn(&Communicator) -> Result<T, CommError> + Sync,
) -> Vec<Result<T, CommError>> {
    thread::scope(|scope| {
        let ranks = listeners.into_iter().enumerate().map(|(rank, listener)| {
            let (session, addresses, program) = (place.session(rank), &addresses, &program);
            scope.spawn(move || {
                let sockets = connect(&session, &addresses(rank), listener, within)?;
                assert!(sockets.streams.iter().flatten().all(|s| matches!(s, Stream::Tls(_))));
                conduct(&Communicator::new(Box::new(sockets)), program)
            })
        });
        let ranks: Vec<_> = ranks.collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn sum_of_many(comm: &Communicator) -> Result<f64, CommError> {
    Ok(comm.all_reduce(&vec![comm.rank() as f64; 1 << 18], Op::Sum)?.iter().sum())
}

#[test]
fn the_same_program() {
    let place = Place::new(3);
    let listeners = listeners(&place);
    let addresses = far(&listeners);
    for end in run(&place, listeners, LONG, |_| addresses.clone(), sum_of_many) {
        assert_eq!(end, Ok(3.0 * f64::from(1 << 18)));
    }
}

#[test]
fn another_certificate_is_refused() {
    let place = Place::new(2);
    let listeners = listeners(&place);
    let mut addresses = far(&listeners);
    addresses[0].tcp.as_mut().unwrap().certificate.0[31] ^= 1;
    let ends = run(&place, listeners, 5 * SHORT, |_| addresses.clone(), sum_of_many);
    let message = ends[1].as_ref().unwrap_err().to_string();
    assert!(message.contains("rank 0: it does not have the certificate that its address names"), "{message}");
    assert!(matches!(&ends[0], Err(CommError::NotConnected { missing, .. }) if *missing == [1]), "{ends:?}");
}

#[test]
fn strangers_at_the_port_are_turned_away_while_ranks_come_in() {
    let place = Place::new(2);
    let listeners = listeners(&place);
    let addresses = far(&listeners);
    // One that says nothing, one that speaks plainly, one that knows how TLS begins, and what a rank would say without it.
    let words = [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x40\x00\x01\x00",
        &[b"PHXCOMM2", &[0; 76][..]].concat(),
    ];
    let mut strangers = words.map(|words| {
        let mut stranger = TcpStream::connect(tcp(&addresses[0])).unwrap();
        stranger.write_all(words).unwrap();
        stranger
    });
    // One that speaks TLS, and knows the form, but no secret.
    let stranger = TcpStream::connect(tcp(&addresses[0])).unwrap();
    let known = addresses[0].tcp.unwrap().certificate;
    let liar = Identity { secret: Secret::new().unwrap(), rank: 1, size: 2, program: [1; 32] };
    let liar = thread::spawn(move || {
        let mut stranger = Stream::connecting(stranger, known).unwrap();
        liar.greet(&mut stranger, 0, Instant::now() + LONG).unwrap_err().to_string()
    });
    for end in run(&place, listeners, LONG, |_| addresses.clone(), sum_of_many) {
        assert_eq!(end, Ok(f64::from(1 << 18)));
    }
    assert!(liar.join().unwrap().contains("does not know the session's secret"));
    for plain in [1, 3] {
        let mut answer = Vec::new();
        let _ = strangers[plain].read_to_end(&mut answer);
        // Nothing but the alert of TLS.
        assert!(answer.is_empty() || (answer[0] == 0x15 && answer.len() == 7), "{answer:?}");
    }
}

/// Between two ranks; gives what went through, both ways.
fn relay(to: SocketAddr) -> (SocketAddr, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let (mut seen, mut piece) = (Vec::new(), vec![0; 1 << 16]);
            while let Ok(n @ 1..) = from.read(&mut piece) {
                seen.extend_from_slice(&piece[..n]);
                if to.write_all(&piece[..n]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
            seen
        })
    };
    let running = thread::spawn(move || {
        let (here, _) = listener.accept().unwrap();
        let there = TcpStream::connect(to).unwrap();
        let back = copy(there.try_clone().unwrap(), here.try_clone().unwrap());
        let seen = copy(here, there).join().unwrap();
        [seen, back.join().unwrap()].concat()
    });
    (at, running)
}

#[test]
fn who_listens_on_the_way_learns_nothing() {
    const WORDS: &[u8] = b"a result that nobody else should know; ";
    let place = Place::new(2);
    let listeners = listeners(&place);
    let mut addresses = far(&listeners);
    let (at, seen) = relay(tcp(&addresses[0]));
    addresses[0].tcp.as_mut().unwrap().at = at;
    let all = WORDS.repeat(10_000);
    let exchange = |comm: &Communicator| {
        let mut theirs = vec![0_u8; all.len()];
        let other = 1 - comm.rank();
        comm.send_recv(other, &all, other, &mut theirs, 0)?;
        Ok(theirs == all)
    };
    let ends = run(&place, listeners, LONG, |_| addresses.clone(), exchange);
    assert_eq!(ends, [Ok(true), Ok(true)]);
    let seen = seen.join().unwrap();
    assert!(seen.len() > 2 * all.len(), "all of it went that way");
    for known in [&WORDS[..16], &b"PHXCOMM"[..], &place.session.secret.reveal()[..8]] {
        assert!(!seen.windows(known.len()).any(|piece| piece == known), "{known:?} can be read");
    }
}

/// Somebody with a TLS connection to each of two ranks, who passes on what they say.
fn man_in_the_middle(to: &Address) -> (Address, thread::JoinHandle<usize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (fingerprint, config) = certificate::make().unwrap();
    let (real, mut fake) = (to.clone(), to.clone());
    let tcp = fake.tcp.as_mut().unwrap();
    (tcp.at, tcp.certificate) = (listener.local_addr().unwrap(), fingerprint);
    let running = thread::spawn(move || {
        let deadline = Instant::now() + LONG;
        let mut here = Stream::accepting(listener.accept().unwrap().0, &config).unwrap();
        here.secure(deadline).unwrap();
        let mut there = real.open(LONG).unwrap();
        there.secure(deadline).unwrap();
        let (mut passed, mut piece) = (0, [0; 1000]);
        loop {
            for turn in [true, false] {
                let (from, to) = if turn { (&mut here, &mut there) } else { (&mut there, &mut here) };
                match from.read(&mut piece) {
                    Ok(n @ 1..) if to.send_all(&piece[..n], deadline).is_ok() => passed += n,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK_EVERY),
                    _ => return passed,
                }
            }
        }
    });
    (fake, running)
}

#[test]
fn a_proof_is_good_for_one_connection_only() {
    let place = Place::new(2);
    let listeners = listeners(&place);
    let addresses = far(&listeners);
    // Rank 1 even believes that this is rank 0's certificate.
    let (fake, running) = man_in_the_middle(&addresses[0]);
    let believed = [vec![addresses[0].clone(), addresses[1].clone()], vec![fake, addresses[1].clone()]];
    let ends = run(&place, listeners, 5 * SHORT, |rank| believed[rank].clone(), sum_of_many);
    let message = ends[1].as_ref().unwrap_err().to_string();
    assert!(message.contains("rank 0: it does not know the session's secret"), "{message}");
    assert!(matches!(ends[0], Err(CommError::NotConnected { .. })), "{ends:?}");
    assert!(running.join().unwrap() > 84 + 68, "the hello and the answer were passed on");
}
