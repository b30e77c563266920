use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake};

use tokio_stream::StreamExt;

use super::*;

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const MARKS: Marks = Marks { high: 10_000, low: 2_000, max: 20_000 };
const PEER: PeerId = PeerId::Client(ClientId(7));

fn pair() -> (Outbox<u32>, OutboxStream<u32>, Arc<Relief>) {
    let relief = Arc::new(Relief::default());
    let (outbox, stream) = outbox(PEER, MARKS, Arc::clone(&relief));
    (outbox, stream, relief)
}

async fn rest(stream: OutboxStream<u32>) -> Vec<u32> {
    stream.map(|m| m.unwrap()).collect().await
}

#[tokio::test]
async fn messages_come_in_order_and_end_with_the_farewell() {
    let (outbox, stream, _) = pair();
    (0..5).for_each(|i| assert_eq!(outbox.push(i, 10), Load::Same));
    outbox.end(Some(99));
    outbox.push(5, 0);
    outbox.end(Some(100));
    assert_eq!(rest(stream).await, [0, 1, 2, 3, 4, 99]);
}

#[tokio::test]
async fn what_is_urgent_overtakes_what_waits_and_keeps_its_own_order() {
    let (outbox, stream, _) = pair();
    outbox.push_urgently(70, 0);
    (0..3).for_each(|i| assert_eq!(outbox.push(i, 10), Load::Same));
    outbox.push_urgently(71, 0);
    outbox.push_lazily(3);
    outbox.end(Some(99));
    outbox.push_urgently(72, 0);
    assert_eq!(rest(stream).await, [0, 70, 71, 1, 2, 3, 99], "the first greets the peer");
}

#[tokio::test]
async fn nothing_urgent_goes_before_the_greeting() {
    let (outbox, mut stream, _) = pair();
    outbox.push_urgently(70, 0);
    let mut next = at_once(&mut stream);
    assert!(next.is_none(), "{next:?}");
    outbox.push(0, 0);
    next = at_once(&mut stream);
    assert_eq!(next, Some(0));
    assert_eq!(at_once(&mut stream), Some(70));
}

/// What the stream has now.
fn at_once(stream: &mut OutboxStream<u32>) -> Option<u32> {
    match Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message.map(|message| message.unwrap()),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn who_reads_nothing_urgent_either_is_named_once() {
    let (outbox, stream, relief) = pair();
    outbox.push(0, 0);
    let half = (URGENT_BYTES_MAX / 2) as usize;
    (1..3).for_each(|i| outbox.push_urgently(i, half));
    assert!(!outbox.is_overfull() && relief.take().is_empty(), "one may be large");
    (3..9).for_each(|i| outbox.push_urgently(i, half));
    assert!(outbox.is_overfull());
    assert_eq!(relief.take(), [PEER]);
    outbox.cut(99);
    assert_eq!(rest(stream).await, [99]);
}

#[tokio::test]
async fn a_push_wakes_a_stream_that_waits() {
    let (outbox, mut stream, _) = pair();
    let next = tokio::spawn(async move { stream.next().await.unwrap().unwrap() });
    tokio::task::yield_now().await;
    outbox.push(3, 0);
    assert_eq!(next.await.unwrap(), 3);
}

#[tokio::test]
async fn a_lazy_message_waits_for_company_or_a_nudge() {
    let (outbox, mut stream, _) = pair();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(Pin::new(&mut stream).poll_next(&mut Context::from_waker(&waker)).is_pending());
    outbox.push_lazily(1);
    assert!(!woken.0.load(Ordering::Relaxed));
    outbox.nudge();
    assert!(woken.0.load(Ordering::Relaxed));
    outbox.push_lazily(2);
    outbox.push(3, 0);
    outbox.end(None);
    assert_eq!(rest(stream).await, [1, 2, 3]);
}

#[tokio::test]
async fn pressure_is_told_once_and_relieved_below_the_low_mark() {
    let (outbox, mut stream, relief) = pair();
    assert_eq!(outbox.push(0, 9_000), Load::Same);
    assert_eq!(outbox.push(1, 9_000), Load::Pressed);
    assert_eq!(outbox.push(2, 1_000), Load::Same);
    assert_eq!(outbox.push(3, 9_000), Load::Overfull);
    stream.next().await;
    stream.next().await;
    assert!(relief.take().is_empty(), "9 000 still wait");
    stream.next().await;
    stream.next().await;
    relief.told().await;
    assert_eq!(relief.take(), [PEER]);
    assert_eq!(outbox.push(4, 11_000), Load::Pressed);
}

#[tokio::test]
async fn a_cut_session_says_only_why() {
    let (outbox, stream, _) = pair();
    (0..5).for_each(|i| assert_eq!(outbox.push(i, 10), Load::Same));
    outbox.cut(99);
    assert_eq!(rest(stream).await, [99]);
}

#[tokio::test]
async fn what_waits_is_freed_with_the_connection() {
    let relief = Arc::new(Relief::default());
    let (outbox, stream) = outbox(PEER, MARKS, relief);
    let data = Arc::new(1);
    outbox.push(Arc::clone(&data), 10);
    drop(stream);
    outbox.push(Arc::clone(&data), 10);
    assert_eq!(Arc::strong_count(&data), 1);
}

#[tokio::test]
async fn a_reader_that_ends_the_session_may_finish() {
    let (outbox, stream, _) = pair();
    let own = outbox.clone();
    let reader = tokio::spawn(async move {
        own.end_reading(Some(99));
        tokio::task::yield_now().await;
        7
    });
    outbox.set_reader(reader.abort_handle());
    assert_eq!(reader.await.unwrap(), 7);
    assert_eq!(rest(stream).await, [99]);
}

#[tokio::test]
async fn the_reader_stops_with_the_session_even_when_it_started_late() {
    for late in [false, true] {
        let (outbox, mut stream, _) = pair();
        let reader = tokio::spawn(std::future::pending::<()>());
        if late {
            outbox.end(None);
            outbox.set_reader(reader.abort_handle());
        } else {
            outbox.set_reader(reader.abort_handle());
            outbox.end(None);
        }
        assert!(reader.await.unwrap_err().is_cancelled());
        poll_fn(|cx| match Pin::new(&mut stream).poll_next(cx) {
            Poll::Ready(None) => Poll::Ready(()),
            other => panic!("{other:?}"),
        })
        .await;
    }
}
