//! Frames survive the way there and back; nothing else gets through.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn arbitrary_bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn arbitrary_chunks() -> impl Strategy<Value = Chunks> {
    (any::<u64>(), 0u64..1 << 50, 1u32..100, any::<u32>()).prop_map(|(job, first, count, attempt)| Chunks {
        job,
        first,
        count,
        attempt,
    })
}

fn arbitrary_failure() -> impl Strategy<Value = Failure> {
    (any::<u32>(), any::<u8>(), ".{0,20}", ".{0,20}", ".{0,20}").prop_map(
        |(offset, kind, message, location, backtrace)| Failure { offset, kind, message, location, backtrace },
    )
}

fn arbitrary_report() -> impl Strategy<Value = Frame> {
    (
        arbitrary_chunks(),
        any::<(u64, u32, u64, u32, u64)>(),
        arbitrary_bytes(),
        arbitrary_bytes(),
        proptest::collection::vec(arbitrary_failure(), 0..4),
    )
        .prop_map(
            |(chunks, (element_first, chunk_len, busy_ns, stride, data_before), lens, data, failures)| {
                Frame::Report(Report {
                    chunks,
                    element_first,
                    chunk_len,
                    busy_ns,
                    stride,
                    data_before,
                    timings: vec![7; chunks.count as usize * 2 + 8].into(),
                    lens,
                    lens_behind: stride % 2 == 1,
                    only: Bytes::new(),
                    failures,
                    data,
                })
            },
        )
}

fn arbitrary_output() -> impl Strategy<Value = Frame> {
    let during = (arbitrary_chunks(), any::<(u64, u32)>())
        .prop_map(|(chunks, (element_first, chunk_len))| During { chunks, element_first, chunk_len });
    (proptest::option::of(during), any::<(bool, u64)>(), arbitrary_bytes()).prop_map(
        |(during, (is_stderr, dropped), data)| Frame::Output(Output { during, is_stderr, dropped, data }),
    )
}

fn arbitrary_frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        (any::<u32>(), any::<u32>(), ".{0,9}").prop_map(|(protocol, pid, version)| Frame::Ready(Ready {
            protocol,
            pid,
            version
        })),
        (any::<u32>(), ".{0,50}", any::<u32>()).prop_map(|(engine, predecessor, signal)| Frame::Welcome(
            Welcome { engine, predecessor, signal }
        )),
        (any::<u64>(), any::<u64>(), arbitrary_bytes())
            .prop_map(|(job, total, data)| Frame::OpenPart(Part { job, total, data })),
        (any::<u64>(), any::<u64>(), arbitrary_bytes())
            .prop_map(|(job, total, data)| Frame::AssignPart(Part { job, total, data })),
        (any::<u64>(), any::<i64>(), ".{0,30}", any::<u32>(), arbitrary_bytes()).prop_map(
            |(job, entry, label, ranks, context)| Frame::Open(Open {
                job,
                entry,
                label,
                ranks,
                condition: Some(entry).filter(|e| e % 2 == 0),
                context
            })
        ),
        (
            arbitrary_chunks(),
            any::<(u64, u32, u32, bool)>(),
            arbitrary_bytes(),
            arbitrary_bytes(),
            arbitrary_bytes()
        )
            .prop_map(|(chunks, (element_first, chunk_len, stride, urgent), lens, only, data)| {
                Frame::Assign(Assign { chunks, element_first, chunk_len, stride, lens, only, urgent, data })
            }),
        arbitrary_chunks().prop_map(Frame::Recall),
        arbitrary_chunks().prop_map(Frame::Returned),
        (arbitrary_chunks(), ".{0,20}").prop_map(|(chunks, why)| Frame::Untold(chunks, why)),
        arbitrary_chunks().prop_map(Frame::Begun),
        any::<u64>().prop_map(Frame::Cancel),
        any::<u64>().prop_map(Frame::Close),
        (arbitrary_chunks(), any::<u64>(), arbitrary_bytes())
            .prop_map(|(chunks, total, data)| Frame::ReportPart(ReportPart { chunks, total, data })),
        arbitrary_report(),
        arbitrary_output(),
        Just(Frame::NotInitialised),
    ]
}

proptest! {
    #[test]
    fn there_and_back_in_any_pieces(frames in proptest::collection::vec(arbitrary_frame(), 1..8), piece in 1usize..300) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            frame.encode(&mut wire);
        }
        let mut decoder = FrameDecoder::default();
        let mut got = Vec::new();
        for part in wire.chunks(piece) {
            decoder.buffer().extend_from_slice(part);
            while let Some(frame) = decoder.next_frame().unwrap() {
                got.push(frame);
            }
        }
        prop_assert_eq!(got, frames);
    }

    #[test]
    fn garbage_is_refused_or_parsed_but_never_panics(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::decode(Bytes::from(body));
    }

    #[test]
    fn a_cut_frame_is_never_taken_for_another(frame in arbitrary_frame(), keep in 0usize..100) {
        let mut wire = BytesMut::new();
        frame.encode(&mut wire);
        let body = Bytes::from(wire.to_vec()).slice(4..);
        let keep = keep.min(body.len().saturating_sub(1));
        if let Ok(other) = Frame::decode(body.slice(..keep)) {
            prop_assert_ne!(other, frame);
        }
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_is_read() {
    let mut decoder = FrameDecoder::default();
    decoder.buffer().extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLong(u32::MAX as usize)));
}

#[test]
fn a_forged_count_of_failures_reserves_nothing() {
    let chunks = Chunks { job: 1, first: 0, count: 1, attempt: 1 };
    let mut wire = BytesMut::new();
    Frame::Report(Report {
        chunks,
        element_first: 0,
        chunk_len: 1,
        busy_ns: 0,
        stride: 0,
        data_before: 0,
        timings: vec![0; 10].into(),
        lens: Bytes::new(),
        lens_behind: false,
        only: Bytes::new(),
        failures: Vec::new(),
        data: Bytes::new(),
    })
    .encode(&mut wire);
    let at = wire.len() - 4;
    wire[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Frame::decode(Bytes::from(wire.to_vec()).slice(4..)), Err(FrameError::Truncated));
}
