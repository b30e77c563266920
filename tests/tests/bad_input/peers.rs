//! Peers of other versions, and peers that say what no honest one does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use phalanx_profile::Role;
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::{
    self, ClientHello, Refusal, Submit, client_event, client_message, node_command, submit,
};
use phalanx_proto::version::PROTOCOL_VERSION;
use phalanx_tests::{Cluster, DEADLINE};

use super::wire::{self, Session, Wire};
use super::{assert_it_works, assert_says};

fn goodbye(event: Option<client_event::Kind>) -> v1::Goodbye {
    match event {
        Some(client_event::Kind::Goodbye(bye)) => bye,
        other => panic!("the controller was to say goodbye, not {other:?}"),
    }
}

/// Both versions are named, and which of the two is to be upgraded.
#[test]
fn another_version() {
    let cluster = Cluster::start(4);
    let wire = Wire::connect(&wire::connection_file(&cluster, Role::Client));
    for (protocol, remedy) in [(PROTOCOL_VERSION + 1, "upgrade the controller"), (0, "upgrade the client")] {
        let bye = goodbye(wire.greet(wire::greeting(wire::peer(protocol))).unwrap().next());
        assert_eq!(bye.code(), Refusal::Version);
        assert_says(&bye.message, &["the client on elsewhere", &format!("protocol {protocol}"), remedy]);
    }
    for (protocol, remedy) in [(PROTOCOL_VERSION + 1, "upgrade the controller"), (0, "upgrade the engine")] {
        let Some(node_command::Kind::Goodbye(bye)) =
            wire.register(wire::registration(protocol)).unwrap().kind
        else {
            panic!("a node of protocol {protocol} was registered")
        };
        assert_eq!(bye.code(), Refusal::Version);
        assert_says(&bye.message, &["the engine on elsewhere", &format!("protocol {protocol}"), remedy]);
    }
    assert_it_works(&cluster);
}

fn submission(job: u64) -> Submit {
    Submit {
        job,
        id: Bytes::copy_from_slice(&u128::from(job).to_be_bytes()),
        elements: 4,
        stride: 8,
        plan: Some(submit::Plan::Balanced(v1::BalancedPlan { chunksize: 1, ..v1::BalancedPlan::default() })),
        ..Submit::default()
    }
}

/// Each costs the peer its session, with a word on what was wrong, and nobody else anything.
#[test]
fn messages_that_no_honest_client_sends() {
    use client_message::Kind;
    let cluster = Cluster::start(4);
    let wire = Wire::connect(&wire::connection_file(&cluster, Role::Client));
    let hello = wire::greeting(wire::peer(PROTOCOL_VERSION));
    let bad_greetings = [
        ClientHello { peer: None, ..hello.clone() },
        ClientHello { program: None, ..hello.clone() },
        ClientHello {
            program: Some(v1::Program { hash: Bytes::from_static(b"short"), ..Default::default() }),
            ..hello.clone()
        },
    ];
    for bad in bad_greetings {
        let bye = goodbye(wire.greet(bad.clone()).unwrap().next());
        assert_eq!(bye.code(), Refusal::Malformed, "{bad:?}");
        assert!(!bye.message.is_empty());
    }
    let segment = |bytes: usize| {
        Kind::Segment(v1::Segment { job: 1, lens: Bytes::new(), data: Bytes::from(vec![7; bytes]) })
    };
    let bad_talks = [
        vec![Kind::Hello(hello.clone())],
        vec![Kind::Submit(Submit { id: Bytes::from_static(b"x"), ..submission(1) })],
        vec![Kind::Submit(Submit { plan: None, ..submission(1) })],
        vec![Kind::Submit(submission(1)), segment(33)],
        vec![Kind::Submit(submission(1)), segment(MESSAGE_BYTES_MAX + 1)],
    ];
    for talk in bad_talks {
        let shown = format!("{:.200?}", talk.last());
        let mut session = Session::open(&wire, wire::program(b"some program", "some/program"));
        talk.into_iter().for_each(|kind| session.send(kind));
        let bye = loop {
            match session.next() {
                Some(client_event::Kind::Goodbye(bye)) => break bye,
                Some(_) => {}
                None => panic!("the session ended without a word: {shown}"),
            }
        };
        assert_eq!(bye.code(), Refusal::Malformed, "{shown}: {bye:?}");
    }
    assert_it_works(&cluster);
    cluster.wait_until_idle();
}

/// A job that is refused leaves the session alone.
#[test]
fn a_job_for_engines_that_do_not_exist() {
    let cluster = Cluster::start(4);
    let wire = Wire::connect(&wire::connection_file(&cluster, Role::Client));
    let mut session = Session::open(&wire, wire::program(b"some program", "some/program"));
    for (job, targets) in [(1, vec![99]), (2, vec![0, 77])] {
        let plan = Some(submit::Plan::Direct(v1::DirectPlan { targets: targets.clone() }));
        session.send(client_message::Kind::Submit(Submit {
            plan,
            elements: targets.len() as u64,
            stride: 0,
            ..submission(job)
        }));
        let refused = session.until(|event| match event {
            client_event::Kind::Refused(refused) => Some(refused),
            _ => None,
        });
        assert_eq!((refused.job, refused.code()), (job, Refusal::UnknownEngine));
        assert_says(&refused.message, &[&targets.last().unwrap().to_string()]);
    }
    assert_it_works(&cluster);
}

/// Bytes of every kind on both doors: each connection is closed, none is answered, the daemon goes on.
#[test]
fn garbage_on_the_sockets() {
    let cluster = Cluster::start(4);
    let address = wire::connection_file(&cluster, Role::Client).endpoints.tcp[0].clone();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let noise: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let huge_frame = [&preface[..], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], &noise[..]].concat();
    let hello_then_noise = [&[0x16, 3, 1, 0xff, 0xff][..], &noise[..]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    for bytes in [noise.clone(), huge_frame, hello_then_noise, http, preface[..10].to_vec(), Vec::new()] {
        let mut tcp = TcpStream::connect(&address).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        // The other side may close before it has read it all.
        let _ = tcp.write_all(&bytes);
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        assert_closed(&mut tcp);
        let mut unix = UnixStream::connect(cluster.socket()).unwrap();
        unix.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = unix.write_all(&bytes);
        let _ = unix.shutdown(std::net::Shutdown::Write);
        assert_closed(&mut unix);
    }
    // Peers that connect and say nothing keep nobody from being served.
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let silent_here: Vec<_> = (0..100).map(|_| UnixStream::connect(cluster.socket()).unwrap()).collect();
    assert_it_works(&cluster);
    drop((silent, silent_here));
}

/// What the other side says before it closes is at most its settings or an alert: no answer to a request.
fn assert_closed(stream: &mut impl Read) {
    let mut said = Vec::new();
    let read = stream.take(1 << 20).read_to_end(&mut said);
    let timed_out = read
        .is_err_and(|e| matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
    assert!(!timed_out, "the connection was not closed within {DEADLINE:?}; it said {} bytes", said.len());
    assert!(said.len() < 4096, "{} bytes came back", said.len());
}

/// An upload that nobody asked for is refused before its bytes are read.
#[test]
fn an_upload_that_nobody_asked_for() {
    let cluster = Cluster::start(4);
    let wire = Wire::connect(&wire::connection_file(&cluster, Role::Client));
    let bytes = b"nobody wants it".repeat(1000);
    let program = wire::program(&bytes, "unwanted");
    let session = Session::open(&wire, program.clone());
    let error = session.upload(&program, &bytes).unwrap_err();
    assert_says(&error, &["only when the controller asks"]);
    drop(session);
    assert_it_works(&cluster);
}
