use bytes::Bytes;
use phalanx_proto::limits::OUTPUT_BYTES_MAX;
use phalanx_proto::v1::{
    Attach, BalancedPlan, ClientHello, ClientMessage, DirectPlan, ElementFailure, NodeMessage, Output, Peer,
    Program, PurgeRequest, Refusal, Register, Report, Segment, Span, Submit, client_message, node_message,
    submit,
};
use phalanx_proto::version::PROTOCOL_VERSION;
use phalanx_scheduler::Plan;
use proptest::prelude::*;
use prost::Message;

use super::*;

fn peer(protocol: u32) -> Peer {
    Peer { protocol, version: "9.9.9".into(), host: "laptop".into(), host_id: "h".into(), pid: 1 }
}

fn hello(protocol: u32, hash: usize, size: u64) -> Result<Hello, Refused> {
    let program = Program { hash: vec![1; hash].into(), size, path: "/p".into(), target: "t".into() };
    let hello = ClientHello { peer: Some(peer(protocol)), program: Some(program) };
    parse_hello(ClientMessage { kind: Some(client_message::Kind::Hello(hello)) })
}

fn submit() -> Submit {
    let plan = Some(submit::Plan::Balanced(BalancedPlan { chunksize: 1, ..BalancedPlan::default() }));
    Submit { job: 1, id: vec![0; 16].into(), elements: 10, stride: 8, plan, ..Submit::default() }
}

fn submitted(submit: Submit) -> Result<ClientSaid, Refused> {
    parse_client(ClientMessage { kind: Some(client_message::Kind::Submit(submit)) })
}

fn report() -> Report {
    Report {
        chunk_count: 2,
        attempt: 1,
        chunk_len: 3,
        stride: 4,
        timings: vec![0; 12].into(),
        data: vec![0; 24].into(),
        ..Report::default()
    }
}

fn failing(offset: u32) -> ElementFailure {
    ElementFailure { offset, message: "x".repeat(1 << 20), ..ElementFailure::default() }
}

#[test]
fn the_older_side_is_told_to_upgrade() {
    let old = hello(PROTOCOL_VERSION - 1, 32, 5).unwrap_err();
    assert_eq!(old.code, Refusal::Version);
    assert!(old.message.contains("upgrade the client"), "{}", old.message);
    let new = hello(PROTOCOL_VERSION + 1, 0, 0).unwrap_err();
    assert!(new.message.contains("upgrade the controller to 9.9.9"), "{}", new.message);
}

#[test]
fn a_greeting_names_a_program() {
    assert!(hello(PROTOCOL_VERSION, 32, 5).is_ok());
    assert_eq!(hello(PROTOCOL_VERSION, 31, 5).unwrap_err().code, Refusal::Malformed);
    assert_eq!(hello(PROTOCOL_VERSION, 32, 0).unwrap_err().code, Refusal::Malformed);
    assert_eq!(hello(PROTOCOL_VERSION, 32, u64::MAX).unwrap_err().code, Refusal::Limit);
    assert!(parse_hello(ClientMessage { kind: None }).is_err());
}

#[test]
fn jobs_that_contradict_themselves_are_refused() {
    assert!(submitted(submit()).is_ok());
    let bad = [
        Submit { id: Bytes::from_static(b"short"), ..submit() },
        Submit { elements: u64::MAX, ..submit() },
        Submit { varying: true, ..submit() },
        Submit { plan: None, ..submit() },
    ];
    for job in bad {
        assert_eq!(submitted(job.clone()).unwrap_err().code, Refusal::Malformed, "{job:?}");
    }
}

#[test]
fn who_attaches_or_purges_names_jobs() {
    let attach = |id: &'static [u8], result_type: String| {
        let attach = Attach { job: 1, id: Bytes::from_static(id), result_type };
        parse_client(ClientMessage { kind: Some(client_message::Kind::Attach(attach)) })
    };
    let Ok(ClientSaid::Attach { result_type, .. }) = attach(&[1; 16], "x".repeat(1 << 20)) else {
        panic!("a good one")
    };
    assert!(result_type.len() < 5_000, "{}", result_type.len());
    assert_eq!(attach(&[1; 15], String::new()).unwrap_err().code, Refusal::Malformed);
    let ids = |n| vec![Bytes::from_static(&[1; 16]); n];
    assert!(
        matches!(parse_purge(PurgeRequest { ids: ids(2), all: false }), Ok(PurgeWanted::These(ids)) if ids.len() == 2)
    );
    assert_eq!(parse_purge(PurgeRequest { ids: vec![], all: true }), Ok(PurgeWanted::All));
    assert!(parse_purge(PurgeRequest { ids: ids(1), all: true }).is_err());
    assert!(parse_purge(PurgeRequest { ids: vec![Bytes::new()], all: false }).is_err());
}

#[test]
fn spans_are_ascending_and_within_the_job() {
    let with = |spans: &[(u64, u64)]| {
        let remaining = spans.iter().map(|(first, count)| Span { first: *first, count: *count }).collect();
        submitted(Submit {
            plan: Some(submit::Plan::Balanced(BalancedPlan { remaining, ..BalancedPlan::default() })),
            ..submit()
        })
    };
    let Ok(ClientSaid::Submit(job)) = with(&[(0, 2), (2, 1), (9, 1)]) else { panic!("a good one") };
    assert!(matches!(job.plan, Plan::Balanced { remaining, .. } if remaining == [0..2, 2..3, 9..10]));
    for bad in [&[(3, 1), (2, 1)][..], &[(0, 3), (2, 1)], &[(9, 2)], &[(u64::MAX, 2)], &[(4, 0)]] {
        assert!(with(bad).is_err(), "{bad:?}");
    }
    let direct = Submit { plan: Some(submit::Plan::Direct(DirectPlan { targets: vec![3, 1] })), ..submit() };
    assert!(matches!(submitted(direct), Ok(ClientSaid::Submit(_))));
}

#[test]
fn a_segments_lengths_are_whole_numbers() {
    let segment = |lens: usize| ClientMessage {
        kind: Some(client_message::Kind::Segment(Segment {
            job: 1,
            lens: vec![0; lens].into(),
            data: Bytes::new(),
        })),
    };
    assert!(parse_client(segment(8)).is_ok());
    assert!(parse_client(segment(7)).is_err());
}

#[test]
fn reports_that_contradict_themselves_are_refused() {
    assert!(NodeReport::parse(report()).is_ok());
    let behind = Report { lens_behind: true, stride: 0, data: vec![0; 24].into(), ..report() };
    assert!(NodeReport::parse(behind).is_ok());
    let bad = [
        Report { chunk_count: 0, ..report() },
        Report { chunk_count: u32::MAX, ..report() },
        Report { first_chunk: u64::MAX, ..report() },
        Report { chunk_len: 0, ..report() },
        Report { timings: vec![0; 11].into(), ..report() },
        Report { stride: 5, ..report() },
        Report { data_before: u64::MAX, ..report() },
        Report { lens: vec![0; 24].into(), ..report() },
        Report { lens: vec![0; 20].into(), data: Bytes::new(), ..report() },
        Report { only: vec![0], ..report() },
        Report { lens_behind: true, ..report() },
        Report {
            lens_behind: true,
            stride: 0,
            lens: vec![0; 24].into(),
            data: vec![0; 24].into(),
            ..report()
        },
        Report { lens_behind: true, stride: 0, data: vec![0; 23].into(), ..report() },
        Report { failures: vec![failing(0)], ..report() },
    ];
    for report in bad {
        assert!(NodeReport::parse(report.clone()).is_err(), "{report:?}");
    }
}

#[test]
fn failures_are_clipped_and_belong_to_what_was_run() {
    let lens = |lens: &[u32]| Bytes::from_iter(lens.iter().flat_map(|len| len.to_le_bytes()));
    let one = Report {
        chunk_count: 1,
        timings: vec![0; 10].into(),
        stride: 0,
        lens: lens(&[4, 4, 0]),
        data: vec![0; 8].into(),
        ..report()
    };
    let good = NodeReport::parse(Report { failures: vec![failing(2)], ..one.clone() }).unwrap();
    assert_eq!(good.failed, [2]);
    assert!(good.wire.failures[0].message.len() < 70_000);
    for offsets in [&[3][..], &[1, 1], &[2, 1]] {
        let failures = offsets.iter().map(|o| failing(*o)).collect();
        assert!(NodeReport::parse(Report { failures, ..one.clone() }).is_err(), "{offsets:?}");
    }
    let some = Report { only: vec![0, 2], failures: vec![failing(1)], ..one.clone() };
    assert!(NodeReport::parse(some).is_err(), "element 1 was not run");
    let some = Report {
        only: vec![0, 2],
        failures: vec![failing(2)],
        lens: lens(&[4, 0]),
        data: vec![0; 4].into(),
        ..one
    };
    assert!(NodeReport::parse(some).is_ok());
}

#[test]
fn a_node_has_engines_and_wants_no_more_ids_than_those() {
    let register = |engines, wanted: usize| {
        let register = Register {
            peer: Some(peer(PROTOCOL_VERSION)),
            engines,
            wanted: vec![7; wanted],
            ..Register::default()
        };
        parse_registration(NodeMessage { kind: Some(node_message::Kind::Register(register)) })
    };
    assert!(register(2, 2).is_ok());
    assert!(register(0, 0).is_err() && register(u32::MAX, 0).is_err() && register(1, 2).is_err());
}

proptest! {
    /// Whatever decodes is parsed or refused; nothing panics.
    #[test]
    fn garbage_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = ClientMessage::decode(&bytes[..]) {
            let _ = parse_hello(message.clone());
            let _ = parse_client(message);
        }
        if let Ok(message) = NodeMessage::decode(&bytes[..]) {
            let _ = parse_registration(message.clone());
            let _ = parse_node(message);
        }
    }

    #[test]
    fn reports_of_any_numbers_are_answered(
        first_chunk: u64, chunk_count: u32, chunk_len: u32, stride: u32, data_before: u64,
        only in prop::collection::vec(any::<u32>(), 0..4), offset: u32, timings in 0usize..64, data in 0usize..64,
        lens in prop::collection::vec(any::<u8>(), 0..16),
    ) {
        let _ = NodeReport::parse(Report {
            first_chunk, chunk_count: chunk_count % 5, chunk_len, stride, data_before, only, lens: lens.into(),
            failures: vec![failing(offset)], timings: vec![0; timings].into(), data: vec![0; data].into(),
            ..Report::default()
        });
    }
}

#[test]
fn a_wish_is_for_something_that_there_is() {
    use phalanx_proto::v1::{Control as Wire, Restart, Shutdown, Signal, control};
    let wished = |wish| {
        let control = Wire { number: 3, engines: vec![2, 1, 2], wish };
        parse_client(ClientMessage { kind: Some(client_message::Kind::Control(control)) })
    };
    let ClientSaid::Control(wanted) = wished(Some(control::Wish::Restart(Restart {}))).unwrap() else {
        panic!("it is a wish")
    };
    let engines = wanted.engines.iter().map(|engine| engine.0).collect::<Vec<_>>();
    assert_eq!((wanted.number, engines, wanted.wish), (3, vec![1, 2], Wish::Restart));
    assert!(wished(Some(control::Wish::Shutdown(Shutdown { all: true, controller: true }))).is_ok());
    for (signal, good) in [(0, false), (1, true), (64, true), (65, false)] {
        assert_eq!(wished(Some(control::Wish::Signal(Signal { signal }))).is_ok(), good);
    }
    assert_eq!(wished(None).unwrap_err().code, Refusal::Malformed);
}

#[test]
fn output_names_its_chunks_and_is_bounded() {
    let said = |output: Output| {
        parse_node(NodeMessage { kind: Some(node_message::Kind::Output(output)) })
            .map_err(|refused| refused.code)
    };
    let good = Output { chunk_count: 1, data: vec![0; OUTPUT_BYTES_MAX].into(), ..Output::default() };
    assert!(said(good.clone()).is_ok());
    let bad = [
        Output { chunk_count: 0, ..good.clone() },
        Output { chunk_count: u32::MAX, ..good.clone() },
        Output { first_chunk: u64::MAX, ..good.clone() },
        Output { data: vec![0; OUTPUT_BYTES_MAX + 1].into(), ..good },
    ];
    bad.into_iter().for_each(|output| assert_eq!(said(output).err(), Some(Refusal::Malformed)));
}
