//! Whatever a peer sends: an error, never a panic, never a wait without end.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use crate::frame::{CHUNK_BYTES, Header, Kind};
use crate::stamp::{ANY, NONE, Operation, Stamp, kind_of};
use crate::transport::{Interest, Transport};
use crate::{CommError, Communicator, Op, conduct};

/// A peer that says what is written, in pieces, and is gone then.
struct Script {
    says: Vec<u8>,
    at: usize,
    piece: usize,
    /// It says nothing before it has heard something.
    listens_first: bool,
    naps: Rc<Cell<u32>>,
    /// Besides there is one that never says anything.
    silent: usize,
}

impl Transport for Script {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        2 + self.silent
    }
    fn name(&self) -> &'static str {
        "script"
    }
    fn write(&mut self, _peer: usize, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.listens_first = false;
        Ok(bytes.iter().map(|b| b.len()).sum())
    }
    fn read(&mut self, peer: usize, into: &mut [u8]) -> io::Result<usize> {
        if self.listens_first || peer == 2 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.piece.min(into.len()).min(self.says.len() - self.at);
        into[..n].copy_from_slice(&self.says[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
    fn wait(&mut self, _interests: &[Interest], _timeout: Duration) -> io::Result<()> {
        // How often it was slept through while there was something to read.
        self.naps.set(self.naps.get() + u32::from(self.at < self.says.len()));
        Ok(())
    }
}

fn script(says: Vec<u8>, piece: usize, listens_first: bool) -> Script {
    Script { says, at: 0, piece, listens_first, naps: Rc::default(), silent: 0 }
}

fn run(says: Vec<u8>, piece: usize, what: u8) -> Result<usize, CommError> {
    let comm = Communicator::new(Box::new(script(says, piece, false)));
    conduct(&comm, |comm| match what {
        0 => comm.recv::<Vec<u8>>(1, 0).map(|v| v.len()),
        1 => comm.barrier().map(|()| 0),
        2 => comm.all_gather("x".to_owned()).map(|v| v.len()),
        3 => comm.all_reduce(&[0_u64; 9000], Op::Sum).map(|v| v.len()),
        4 => comm.broadcast::<Vec<f64>>(1, None).map(|v| v.len()),
        5 => comm.all_gatherv(&[1_u8]).map(|(v, _)| v.len()),
        _ => Ok(0),
    })
}

fn stamp() -> impl Strategy<Value = Stamp> {
    let kinds = prop::sample::select(vec![
        0,
        kind_of::<Vec<u8>>(),
        kind_of::<String>(),
        kind_of::<u64>(),
        kind_of::<u8>(),
    ]);
    let operation = prop_oneof![Just(1), Just(2), Just(3), 1u8..20];
    let root = prop::sample::select(vec![NONE, 0, 1, 7]);
    let count = prop::sample::select(vec![ANY, 0, 9000]);
    (operation, prop::sample::select(vec![0, 0, 0, 1, 77]), 0u64..3, kinds, root, count, 0u8..2).prop_map(
        |(operation, group, seq, kind, root, count, detail)| {
            let operation = Operation::from_wire(operation).unwrap();
            Stamp { group, seq, operation, detail, root, kind, count }
        },
    )
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![
        Kind::Data,
        Kind::Data,
        Kind::More,
        Kind::Post,
        Kind::Fail,
        Kind::Done,
        Kind::Credit,
    ]);
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(Just(0u8), 0..80),
        Just(vec![0; 72_000]),
    ];
    let total = prop_oneof![Just(0), Just(1), 0u64..1 << 40];
    (kind, stamp(), payload, total).prop_map(|(kind, stamp, payload, more)| {
        let mut payload = payload;
        if !matches!(kind, Kind::Data | Kind::More) {
            payload.truncate(1000);
        }
        let chunk = payload.len().min(CHUNK_BYTES);
        let stamp = (kind == Kind::Data).then_some(stamp);
        let header = Header { kind, stamp, chunk, total: chunk as u64 + more };
        [&header.encode()[..], &payload].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn frames_in_any_order(frames in prop::collection::vec(frame(), 0..6), piece in prop::sample::select(vec![1usize, 7, 64, 65, 100_000]), what in 0u8..7) {
        // Some of it makes sense.
        let _ = run(frames.concat(), piece, what);
    }

    #[test]
    fn bytes_in_any_order(bytes in prop::collection::vec(any::<u8>(), 0..300), what in 0u8..7) {
        prop_assert!(run(bytes, 1000, what).is_err());
    }
}

#[test]
fn more_than_the_window_is_refused() {
    let stamp =
        Stamp { group: 0, seq: 5, operation: Operation::Message, detail: 0, root: NONE, kind: 0, count: ANY };
    let header =
        Header { kind: Kind::Data, stamp: Some(stamp), chunk: CHUNK_BYTES, total: CHUNK_BYTES as u64 };
    let frame = [&header.encode()[..], &vec![0; CHUNK_BYTES]].concat();
    let end = run(frame.repeat(65), 1 << 20, 0);
    assert!(
        matches!(&end, Err(CommError::Overflow { from: 1, .. } | CommError::Protocol { rank: 1, .. })),
        "{end:?}"
    );
}

#[test]
fn news_behind_many_messages_are_read_without_sleeping() {
    let stamp =
        Stamp { group: 0, seq: 5, operation: Operation::Message, detail: 0, root: NONE, kind: 0, count: ANY };
    let message = Header { kind: Kind::Data, stamp: Some(stamp), chunk: 0, total: 0 }.encode();
    let mut bytes = Vec::new();
    phalanx_codec::encode(&CommError::Remote { rank: 1, message: "x".into() }, &mut bytes).unwrap();
    let news = [&Header::control(Kind::Fail, bytes.len()).encode()[..], &bytes].concat();
    let mut script = script([message.repeat(1000), news].concat(), 100_000, false);
    script.silent = 1;
    let naps = Rc::clone(&script.naps);
    let comm = Communicator::new(Box::new(script));
    // It waits for the silent one.
    assert!(matches!(comm.recv::<u8>(2, 0), Err(CommError::Remote { rank: 1, .. })));
    assert!(naps.get() <= 5, "{} naps", naps.get());
}

/// The error of a rank that fails beside a peer which has failed too.
fn both_fail(theirs: &CommError, listens_first: bool) -> CommError {
    let mut bytes = Vec::new();
    phalanx_codec::encode(theirs, &mut bytes).unwrap();
    let says = [&Header::control(Kind::Fail, bytes.len()).encode()[..], &bytes].concat();
    let comm = Communicator::new(Box::new(script(says, 1000, listens_first)));
    let end = comm.fail("mine");
    assert_eq!(comm.barrier(), Err(end.clone()), "for good");
    end
}

#[test]
fn of_two_failures_that_did_not_know_of_each_other_the_smaller_one_counts() {
    let mine = CommError::Remote { rank: 0, message: "mine".into() };
    let larger = CommError::Remote { rank: 1, message: "theirs".into() };
    let smaller = CommError::Invalid { rank: 1, call: "x".into(), message: "y".into() };
    assert_eq!(both_fail(&larger, true), mine);
    assert_eq!(both_fail(&smaller, true), smaller);
}

#[test]
fn what_was_said_before_counts_before_what_one_would_say() {
    let larger = CommError::Remote { rank: 1, message: "theirs".into() };
    assert_eq!(both_fail(&larger, false), larger, "the others have settled for it");
}

#[test]
fn a_peer_that_ended_after_something_else_disagrees() {
    // It has called gather and ended, where this rank calls barrier: nothing of its gather comes here.
    let stamp =
        Stamp { group: 0, seq: 0, operation: Operation::Gather, detail: 0, root: 1, kind: 0, count: ANY };
    let mut ledger = super::Ledger::default();
    ledger.push(stamp);
    let mut bytes = Vec::new();
    phalanx_codec::encode(&ledger, &mut bytes).unwrap();
    let says = [&Header::control(Kind::Done, bytes.len()).encode()[..], &bytes].concat();
    let end = run(says, 1000, 1).unwrap_err();
    assert!(
        matches!(&end, CommError::Mismatch { other_call, .. } if other_call == "gather(root 1)"),
        "{end}"
    );
}

#[test]
fn what_a_peer_said_before_it_vanished_counts() {
    let said = CommError::Remote { rank: 1, message: "out of memory".into() };
    let mut bytes = Vec::new();
    phalanx_codec::encode(&said, &mut bytes).unwrap();
    let frame = [&Header::control(Kind::Fail, bytes.len()).encode()[..], &bytes].concat();
    assert_eq!(run(frame, 10, 1), Err(said));
}
