use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

use super::rope::Rope;
use super::{Incoming, Outgoing};
use crate::v1::{NodeCommand, ProgramPiece, Segment};

const MAX: usize = 1 << 20;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn segment(job: u64, data: Vec<u8>) -> Segment {
    Segment { job, lens: Bytes::new(), data: data.into() }
}

fn sent(messages: Vec<Result<Segment, Status>>) -> Body {
    Body::new(Outgoing::response(tokio_stream::iter(messages)))
}

/// A body that arrives in these frames.
fn arriving(frames: Vec<Bytes>) -> Body {
    let frames = frames.into_iter().map(|data| Ok::<_, Status>(http_body::Frame::data(data)));
    Body::new(StreamBody::new(tokio_stream::iter(frames)))
}

fn received(body: Body) -> (Vec<Segment>, Option<Status>) {
    block_on(async {
        let (mut incoming, mut messages) = (Incoming::new(body, MAX), Vec::new());
        loop {
            match incoming.message().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(status) => return (messages, Some(status)),
            }
        }
    })
}

/// The bytes of a body, as an ordinary gRPC peer sees them.
fn bytes_of(body: Body) -> Bytes {
    block_on(async { body.collect().await.unwrap().to_bytes() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sent_is_received_in_whatever_frames(
        lens in prop::collection::vec(0_usize..60_000, 0..12),
        cut in 1_usize..50_000,
    ) {
        let messages: Vec<_> =
            lens.iter().enumerate().map(|(i, len)| segment(i as u64, vec![i as u8; *len])).collect();
        let all = bytes_of(sent(messages.iter().cloned().map(Ok).collect()));
        let plain: Vec<u8> = messages.iter().flat_map(|m| {
            let mut prefix = vec![0];
            prefix.extend((m.encoded_len() as u32).to_be_bytes());
            prefix.extend(m.encode_to_vec());
            prefix
        }).collect();
        prop_assert_eq!(&all[..], &plain[..], "the bytes are gRPC's");
        let frames = (0..all.len()).step_by(cut).map(|at| all.slice(at..all.len().min(at + cut))).collect();
        let (back, status) = received(arriving(frames));
        prop_assert!(status.is_none(), "{status:?}");
        prop_assert_eq!(back, messages);
    }

    #[test]
    fn garbage_is_an_error_or_messages_but_no_panic(frames in prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..40), 0..6))
    {
        received(arriving(frames.into_iter().map(Bytes::from).collect()));
    }
}

#[test]
fn a_large_field_is_neither_copied_out_nor_in() {
    let data = Bytes::from(vec![7_u8; 100_000]);
    let message = Segment { job: 1, lens: Bytes::new(), data: data.clone() };
    let frames: Vec<Bytes> = block_on(async {
        let mut body = sent(vec![Ok(message)]);
        let mut frames = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            frames.extend(frame.into_data());
        }
        frames
    });
    assert!(frames.iter().any(|frame| frame.as_ptr() == data.as_ptr()));
    let (back, status) = received(arriving(frames));
    assert!(status.is_none());
    assert_eq!(back[0].data.as_ptr(), data.as_ptr());
}

#[test]
fn a_status_ends_the_stream() {
    let refused = Status::permission_denied("no");
    let (back, status) = received(sent(vec![Ok(segment(1, vec![1])), Err(refused)]));
    assert_eq!(back, [segment(1, vec![1])]);
    let status = status.unwrap();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no"));
}

#[test]
fn what_is_too_long_compressed_cut_off_or_no_message_is_refused() {
    let said = |bytes: &[u8]| received(arriving(vec![Bytes::copy_from_slice(bytes)])).1.unwrap();
    let too_long = said(&[0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(too_long.code(), Code::OutOfRange);
    assert!(too_long.message().contains("limit is 1048576 bytes"), "{too_long}");
    assert!(said(&[1, 0, 0, 0, 0]).message().contains("compressed"));
    assert!(said(&[0, 0, 0, 0, 9, 1]).message().contains("ended within a message"));
    assert!(said(&[0, 0, 0, 0, 2, 0xff, 0xff]).message().contains("decode"));
}

#[test]
fn nothing_is_read_past_a_message() {
    // The field says that it is longer than its message.
    let bad = [0, 0, 0, 0, 2, 0x12, 0x30];
    let good = bytes_of(sent(vec![Ok(segment(3, vec![0; 64]))]));
    let (messages, status) = received(arriving(vec![Bytes::copy_from_slice(&bad), good]));
    assert!(messages.is_empty());
    assert!(status.unwrap().message().contains("decode"));
}

#[test]
fn a_rope_is_read_across_its_frames() {
    let mut rope = Rope::default();
    ["ab", "", "cde", "f"].into_iter().for_each(|s| rope.push(Bytes::from_static(s.as_bytes())));
    assert_eq!(rope.peek(), Some(*b"abc"));
    assert_eq!(rope.copy_to_bytes(1), "a");
    assert_eq!(rope.copy_to_bytes(3), "bcd");
    assert_eq!(rope.peek::<3>(), None);
    rope.advance(1);
    assert_eq!((rope.remaining(), rope.copy_to_bytes(1)), (1, Bytes::from_static(b"f")));
    assert!(!rope.has_remaining());
}

/// The two kinds that carry most.
#[test]
fn empty_messages_are_messages() {
    assert_eq!(NodeCommand::default().encoded_len() + ProgramPiece::default().encoded_len(), 0);
    assert_eq!(received(arriving(vec![Bytes::from_static(&[0; 10])])).0.len(), 2);
}
