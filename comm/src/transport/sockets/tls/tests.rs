//! A TLS stream is a socket like any other: nothing is lost, nothing is told too early, nothing waits unseen.

use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rustix::event::{PollFd, Timespec, poll};
use rustix::net::sockopt;

use super::*;
use crate::transport::sockets::stream::Stream;

const LONG: Duration = Duration::from_secs(60);

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    // Little room on the way: both ends often have to wait.
    for socket in [&one, &other] {
        sockopt::set_socket_send_buffer_size(socket, 32 << 10).unwrap();
        sockopt::set_socket_recv_buffer_size(socket, 32 << 10).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    (one, other)
}

fn pair() -> (Tls, Tls) {
    let (one, other) = sockets();
    let (fingerprint, config) = certificate::make().unwrap();
    let mut one = Tls::connecting(one, fingerprint).unwrap();
    let mut other = Tls::accepting(other, &config).unwrap();
    let deadline = Instant::now() + LONG;
    thread::scope(|scope| {
        scope.spawn(|| other.shake_hands(deadline).unwrap());
        one.shake_hands(deadline).unwrap();
    });
    assert_eq!(one.binding().unwrap(), other.binding().unwrap());
    (one, other)
}

fn would_block<T>(end: &io::Result<T>) -> bool {
    end.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

/// Whether there is something to read, or soon will be, by what one can wait for.
fn is_ready(tls: &mut Tls) -> bool {
    let soon = Timespec { tv_sec: 5, tv_nsec: 0 };
    tls.has_read_ahead() || poll(&mut [PollFd::new(&*tls, PollFlags::IN)], Some(&soon)).unwrap() > 0
}

#[test]
fn what_is_written_to_the_end_needs_the_writer_no_more() {
    let (mut writer, mut reader) = pair();
    let all: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut written, mut got, mut room) = (0, Vec::new(), vec![0; 100_000]);
    let mut waits = 0;
    while written < all.len() {
        let (head, tail) = all[written..].split_at((all.len() - written).min(64));
        match writer.write(&[IoSlice::new(head), IoSlice::new(tail)]) {
            Ok(n) => written += n,
            end if would_block(&end) => {
                waits += 1;
                if let Ok(n) = reader.read(&mut room) {
                    got.extend_from_slice(&room[..n]);
                }
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(waits > 0, "there was always room");
    assert!(!writer.connection.wants_write());
    while got.len() < all.len() {
        assert!(is_ready(&mut reader), "{} of {} came", got.len(), all.len());
        match reader.read(&mut room) {
            Ok(n) => got.extend_from_slice(&room[..n]),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert!(got == all);
    assert!(would_block(&reader.read(&mut room)));
    assert!(!reader.has_read_ahead());
}

#[test]
fn what_left_the_system_is_seen() {
    let (mut writer, mut reader) = pair();
    assert_eq!(writer.write(&[IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"d")]).unwrap(), 4);
    assert_eq!(writer.write(&[IoSlice::new(b"")]).unwrap(), 0);
    assert!(is_ready(&mut reader));
    let mut byte = [0];
    for expected in *b"abcd" {
        assert!(is_ready(&mut reader));
        assert_eq!(reader.read(&mut byte).unwrap(), 1);
        assert_eq!(byte[0], expected);
    }
    assert!(!reader.has_read_ahead() && would_block(&reader.read(&mut byte)));
    assert_eq!(reader.read(&mut []).unwrap(), 0);
}

#[test]
fn nobody_sleeps_over_what_left_the_system() {
    use crate::transport::{Interest, Transport};
    let (mut writer, reader) = pair();
    let mut sockets = super::super::Sockets::new(0, vec![None, Some(Stream::Tls(Box::new(reader)))]);
    let interests = [Interest::default(), Interest { read: true, write: false }];
    assert_eq!(writer.write(&[IoSlice::new(b"ab")]).unwrap(), 2);
    let start = Instant::now();
    for expected in *b"ab" {
        let mut byte = [0];
        loop {
            sockets.wait(&interests, LONG).unwrap();
            match sockets.read(1, &mut byte) {
                Ok(n) => break assert_eq!((n, byte[0]), (1, expected)),
                end => assert!(would_block(&end)),
            }
        }
    }
    assert!(start.elapsed() < LONG / 2);
    // Nothing is left: one sleeps.
    sockets.wait(&interests, Duration::from_millis(30)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn announced_or_not_the_end_is_an_end() {
    for announced in [true, false] {
        let (mut writer, mut reader) = pair();
        assert_eq!(writer.write(&[IoSlice::new(b"last words")]).unwrap(), 10);
        if announced {
            writer.connection.send_close_notify();
            writer.flush().unwrap();
        } else {
            writer.socket.shutdown(Shutdown::Both).unwrap();
        }
        let mut words = [0; 100];
        for expected in [10, 0, 0] {
            assert!(is_ready(&mut reader));
            assert_eq!(reader.read(&mut words).unwrap(), expected, "announced: {announced}");
        }
    }
}

#[test]
fn what_was_changed_on_the_way_is_an_error_after_what_was_not() {
    let (mut writer, mut reader) = pair();
    assert_eq!(writer.write(&[IoSlice::new(b"good")]).unwrap(), 4);
    // A record of the right form.
    send(&writer.socket, &[IoSlice::new(&[&b"\x17\x03\x03\x00\x20"[..], &[7; 32]].concat())]).unwrap();
    let mut words = [0; 100];
    let mut got = 0;
    let error = loop {
        assert!(is_ready(&mut reader), "the error is not seen");
        match reader.read(&mut words) {
            Ok(n @ 1..) => got += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            end => break end,
        }
    };
    assert_eq!(got, 4);
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(reader.read(&mut words).unwrap_err().kind(), io::ErrorKind::InvalidData, "for good");
}

#[test]
fn new_keys_on_the_way() {
    let (mut one, mut other) = pair();
    let mut words = [0; 100];
    for _ in 0..3 {
        one.connection.refresh_traffic_keys().unwrap();
        for (from, to) in [(true, b"there"), (false, b"again")] {
            let (from, into) = if from { (&mut one, &mut other) } else { (&mut other, &mut one) };
            assert_eq!(from.write(&[IoSlice::new(to)]).unwrap(), 5);
            while would_block(&into.read(&mut words)) {
                thread::yield_now();
            }
            assert_eq!(&words[..5], to);
        }
    }
}

#[test]
fn a_stranger_that_dribbles_has_until_the_deadline() {
    let (mut stranger, socket) = sockets();
    let (_, config) = certificate::make().unwrap();
    let mut tls = Tls::accepting(socket, &config).unwrap();
    let start = Instant::now();
    let end = thread::scope(|scope| {
        let end = scope.spawn(|| tls.shake_hands(start + Duration::from_millis(500)));
        stranger.write_all(b"\x16\x03\x01\x40\x00").unwrap();
        while !end.is_finished() {
            let _ = stranger.write(&[1]);
            thread::sleep(Duration::from_millis(5));
        }
        end.join().unwrap()
    });
    assert!(matches!(end, Err(HandshakeError::Io(e)) if e.kind() == io::ErrorKind::TimedOut));
    assert!(start.elapsed() < LONG);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn pieces_of_any_size(
        writes in prop::collection::vec(0usize..300_000, 1..8),
        reads in prop::collection::vec(1usize..70_000, 1..8),
    ) {
        let (mut writer, mut reader) = pair();
        let total: usize = writes.iter().sum();
        let all: Vec<u8> = (0..total).map(|i| (i / 3 % 251) as u8).collect();
        let (mut at, mut got, mut turn) = (0, Vec::new(), 0);
        let mut ends = writes.iter().scan(0, |end, n| { *end += n; Some(*end) });
        let mut end = ends.next();
        while got.len() < total {
            turn += 1;
            if at == end.unwrap_or(total) {
                end = ends.next();
            }
            if at < total {
                match writer.write(&[IoSlice::new(&all[at..end.unwrap_or(total)])]) {
                    Ok(n) => at += n,
                    end => prop_assert!(would_block(&end)),
                }
            }
            let mut room = vec![0; reads[turn % reads.len()]];
            match reader.read(&mut room) {
                Ok(n) => got.extend_from_slice(&room[..n]),
                end => prop_assert!(would_block(&end)),
            }
        }
        prop_assert!(got == all);
    }

    #[test]
    fn whatever_a_stranger_says(words in prop::collection::vec(any::<u8>(), 0..300), kind in 0usize..3) {
        let (stranger, socket) = sockets();
        let (_, config) = certificate::make().unwrap();
        let length = (words.len() as u16).to_be_bytes();
        let handshake = [0x16, 3, 1, length[0], length[1]];
        let hello = [&handshake[..], &[1, 0, length[0], length[1].saturating_sub(4)]].concat();
        let said = [[&[][..], &handshake[..], &hello[..]][kind], &words[..]].concat();
        send(&stranger, &[IoSlice::new(&said)]).unwrap();
        stranger.shutdown(Shutdown::Write).unwrap();
        let mut stream = Stream::accepting(socket, &config).unwrap();
        prop_assert!(stream.secure(Instant::now() + LONG).is_err());
    }
}
