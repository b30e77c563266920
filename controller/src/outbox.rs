//! What waits to be sent to one peer.
//!
//! The driver pushes and never waits; the peer's HTTP/2 stream takes from the other end at the
//! peer's pace. In between, bytes are counted: above the high-water mark the driver is told to
//! stop making more for this peer, below the low-water mark to go on, above the hard bound to end
//! the session.
//!
//! ```text
//!   driver ── push ─▶ Outbox ═══ queue ═══▶ OutboxStream ─▶ tonic ─▶ the peer
//!     ▲                                        │ drained below the low-water mark
//!     └──────────────── Relief ◀───────────────┘
//! ```

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use phalanx_proto::ids::{ClientId, NodeId};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tonic::Status;

/// What a message costs besides its data.
const MESSAGE_COST_BYTES: u64 = 128;

/// Whose outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerId {
    Client(ClientId),
    Node(NodeId),
}

/// When to say what, in bytes that wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// Above this the peer is under pressure.
    pub(crate) high: u64,
    /// Below this it is no more.
    pub(crate) low: u64,
    /// Above this its session ends.
    pub(crate) max: u64,
}

/// What a push has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nothing new.
    Same,
    /// The high-water mark was crossed just now.
    Pressed,
    /// The hard bound is crossed.
    Overfull,
}

/// Where streams tell the driver whose pressure has gone.
#[derive(Debug, Default)]
pub(crate) struct Relief {
    peers: Mutex<Vec<PeerId>>,
    notify: Notify,
}

impl Relief {
    /// Waits until there is somebody to [`take`](Self::take).
    pub(crate) async fn told(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn take(&self) -> Vec<PeerId> {
        mem::take(&mut *lock(&self.peers))
    }

    fn tell(&self, peer: PeerId) {
        lock(&self.peers).push(peer);
        self.notify.notify_one();
    }
}

#[derive(Debug)]
struct State<M> {
    queue: VecDeque<(M, u64)>,
    bytes: u64,
    waker: Option<Waker>,
    pressed: bool,
    /// Nothing more is taken in; the stream ends when the queue is empty.
    ended: bool,
    reader: Option<AbortHandle>,
    /// The reader has come to its end by itself.
    read: bool,
}

#[derive(Debug)]
struct Shared<M> {
    peer: PeerId,
    marks: Marks,
    relief: Arc<Relief>,
    state: Mutex<State<M>>,
}

/// The driver's end. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Outbox<M>(Arc<Shared<M>>);

impl<M> Clone for Outbox<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The peer's end.
#[derive(Debug)]
pub(crate) struct OutboxStream<M>(Arc<Shared<M>>);

/// Both ends of a new outbox.
pub(crate) fn outbox<M>(peer: PeerId, marks: Marks, relief: Arc<Relief>) -> (Outbox<M>, OutboxStream<M>) {
    let state = State {
        queue: VecDeque::new(),
        bytes: 0,
        waker: None,
        pressed: false,
        ended: false,
        reader: None,
        read: false,
    };
    let shared = Arc::new(Shared { peer, marks, relief, state: Mutex::new(state) });
    (Outbox(Arc::clone(&shared)), OutboxStream(shared))
}

impl<M> Outbox<M> {
    /// Adds a message with `data_bytes` of bulk data in it. After the end it is dropped.
    pub(crate) fn push(&self, message: M, data_bytes: usize) -> Load {
        let marks = &self.0.marks;
        let mut state = lock(&self.0.state);
        if state.ended {
            return Load::Same;
        }
        let cost = data_bytes as u64 + MESSAGE_COST_BYTES;
        state.queue.push_back((message, cost));
        state.bytes += cost;
        let load = if state.bytes > marks.max {
            Load::Overfull
        } else if state.bytes > marks.high && !state.pressed {
            state.pressed = true;
            Load::Pressed
        } else {
            Load::Same
        };
        wake(state);
        load
    }

    /// Ends the session: nothing more is read from the peer, `farewell` is the last that it gets, after what waits already.
    pub(crate) fn end(&self, farewell: Option<M>) {
        self.finish(farewell, false);
    }

    /// As [`end`](Self::end), said by the reader itself, which goes on to tell the driver.
    pub(crate) fn end_reading(&self, farewell: Option<M>) {
        let mut state = lock(&self.0.state);
        state.read = true;
        state.reader = None;
        drop(state);
        self.finish(farewell, false);
    }

    /// As [`end`](Self::end), but throws away what waits: the peer does not read it.
    pub(crate) fn cut(&self, farewell: M) {
        self.finish(Some(farewell), true);
    }

    fn finish(&self, farewell: Option<M>, cut: bool) {
        let mut state = lock(&self.0.state);
        if cut {
            state.queue.clear();
            state.bytes = 0;
        }
        if !state.ended {
            state.queue.extend(farewell.map(|m| (m, 0)));
            state.ended = true;
        }
        let reader = state.reader.take();
        wake(state);
        if let Some(reader) = reader {
            reader.abort();
        }
    }

    /// The task that reads from this peer; it is stopped when the session ends.
    pub(crate) fn set_reader(&self, reader: AbortHandle) {
        let mut state = lock(&self.0.state);
        if !state.ended {
            state.reader = Some(reader);
        } else if !state.read {
            drop(state);
            reader.abort();
        }
    }
}

impl<M> Stream for OutboxStream<M> {
    type Item = Result<M, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let shared = &self.0;
        let mut state = lock(&shared.state);
        let Some((message, cost)) = state.queue.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            if !state.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        state.bytes -= cost;
        let relieved = state.pressed && state.bytes < shared.marks.low;
        if relieved {
            state.pressed = false;
        }
        drop(state);
        if relieved {
            shared.relief.tell(shared.peer);
        }
        Poll::Ready(Some(Ok(message)))
    }
}

impl<M> Drop for OutboxStream<M> {
    fn drop(&mut self) {
        // The connection is gone. The reader notices by itself and says so in order.
        let waiting = {
            let mut state = lock(&self.0.state);
            state.ended = true;
            state.bytes = 0;
            mem::take(&mut state.queue)
        };
        drop(waiting);
    }
}

fn wake<M>(mut state: MutexGuard<'_, State<M>>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// No code panics while it holds one of these locks, and the data stays usable if it did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio_stream::StreamExt;

    use super::*;

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
    async fn a_push_wakes_a_stream_that_waits() {
        let (outbox, mut stream, _) = pair();
        let next = tokio::spawn(async move { stream.next().await.unwrap().unwrap() });
        tokio::task::yield_now().await;
        outbox.push(3, 0);
        assert_eq!(next.await.unwrap(), 3);
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
}
