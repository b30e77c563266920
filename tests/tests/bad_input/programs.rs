//! Programs that a node cannot run, told by a client that forges them.

use bytes::Bytes;
use phalanx_profile::Role;
use phalanx_proto::v1::{
    self, ChunkFailed, FailureKind, Program, Submit, client_event, client_message, submit,
};
use phalanx_tests::Cluster;

use super::wire::{self, Session, Wire};
use super::{assert_it_works, assert_says};

/// Submits one call on engine 0 of a program with these bytes, uploads them when asked, and gives the call's failure.
fn call(cluster: &Cluster, program: &Program, bytes: &[u8]) -> ChunkFailed {
    let wire = Wire::connect(&wire::connection_file(cluster, Role::Client));
    let mut session = Session::open(&wire, program.clone());
    session.send(client_message::Kind::Submit(Submit {
        job: 1,
        id: Bytes::from_static(&[9; 16]),
        label: "forged".to_owned(),
        elements: 1,
        plan: Some(submit::Plan::Direct(v1::DirectPlan { targets: vec![0] })),
        ..Submit::default()
    }));
    loop {
        match session.next().expect("the session goes on") {
            client_event::Kind::NeedProgram(need) => {
                assert_eq!(need.hash, program.hash);
                // What is wrong with it may show here already; the call then fails.
                let _ = session.upload(program, bytes);
            }
            client_event::Kind::Failed(failed) => return failed,
            client_event::Kind::Finished(_) | client_event::Kind::Goodbye(_) => {
                panic!("the call did not fail")
            }
            _ => {}
        }
    }
}

fn check(bytes: &[u8], change: impl FnOnce(&mut Program), says: &[&str]) {
    let cluster = Cluster::start(4);
    let mut program = wire::program(bytes, "/home/me/forged");
    change(&mut program);
    let failed = call(&cluster, &program, bytes);
    assert_eq!((failed.engine, failed.kind()), (0, FailureKind::Program), "{failed:?}");
    assert_says(&failed.message, says);
    cluster.wait_until_idle();
    assert_it_works(&cluster);
}

/// This executable, an honest ELF file.
fn own_bytes() -> Vec<u8> {
    std::fs::read(env!("CARGO_BIN_EXE_scenarios")).unwrap()
}

#[test]
fn built_for_another_machine_by_its_own_account() {
    let target = |p: &mut Program| p.target = "aarch64-unknown-linux-gnu".to_owned();
    check(b"anything", target, &["built for aarch64-unknown-linux-gnu", "this node runs", "Build it for"]);
}

#[test]
fn built_for_another_machine_by_its_bytes() {
    let mut elf = own_bytes();
    elf[18..20].copy_from_slice(&183_u16.to_le_bytes());
    elf.truncate(1 << 20);
    check(&elf, |_| (), &["forged cannot be started", "no program for this machine", "for aarch64"]);
}

/// What a program for another C library looks like: its loader is not on the node.
#[test]
fn built_for_another_libc() {
    let mut elf = own_bytes();
    let (ours, theirs) = (b"/ld-linux", b"/ld-other");
    let at = elf.windows(ours.len()).position(|w| w == ours).expect("this program is linked dynamically");
    elf[at..at + theirs.len()].copy_from_slice(theirs);
    elf.truncate(1 << 20);
    check(&elf, |_| (), &["forged cannot be started", "C library is not on this node", "link it statically"]);
}

#[test]
fn a_text_instead_of_a_program() {
    check(b"just a text\n", |_| (), &["forged cannot be started", "not an ELF file"]);
}

/// It runs, and ends without a word on the socket.
#[test]
fn a_shell_script() {
    check(b"#!/bin/sh\necho I am no worker >&2\nexit 3\n", |_| (), &["phalanx::init()", "I am no worker"]);
}

/// The controller checks what it stores, so that no node ever runs it.
#[test]
fn bytes_that_do_not_have_the_announced_hash() {
    let other = blake3::hash(b"what was announced");
    check(b"something else", |p| p.hash = Bytes::copy_from_slice(other.as_bytes()), &["forged"]);
}
