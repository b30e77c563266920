//! Frames on their way to a worker that takes its time.

use std::os::unix::net::UnixStream;

use bytes::Bytes;
use phalanx_idle::quiet;
use phalanx_proto::frames::Part;
use tokio::io::AsyncReadExt;

use super::*;

const FRAMES: usize = 20;

#[tokio::test]
async fn a_cancellation_overtakes_data_that_a_worker_has_not_read() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ((_from, mut to), (mut theirs, _to)) = (quiet(ours).unwrap(), quiet(theirs).unwrap());
    let (tell, mut urgent) = mpsc::channel(4);
    let data = Bytes::from(vec![7; 512 << 10]);
    let part = |_| Frame::AssignPart(Part { job: 1, total: 0, data: data.clone() });
    let mut frames: Vec<Frame> = (0..FRAMES).map(part).collect();
    let writing = tokio::spawn(async move { write_frames(&mut to, &mut frames, &mut urgent).await });
    // It fills the socket, and waits.
    tokio::task::yield_now().await;
    tell.send(Frame::Cancel(9)).await.unwrap();

    let mut decoder = FrameDecoder::default();
    let mut order = Vec::new();
    while order.len() <= FRAMES {
        match decoder.next_frame().unwrap() {
            Some(frame) => order.push(matches!(frame, Frame::Cancel(9))),
            None => drop(theirs.read_buf(decoder.buffer()).await.unwrap()),
        }
    }
    writing.await.unwrap().unwrap();
    let place = order.iter().position(|is_cancel| *is_cancel);
    assert!(place.is_some_and(|place| place < 3), "it came as number {place:?}");
}
