//! What waits to be sent to one peer.
//!
//! The driver pushes and never waits; the peer's HTTP/2 stream takes from the other end at the
//! peer's pace. In between, bytes are counted: above the high-water mark the driver is told to
//! stop making more for this peer, below the low-water mark to go on, above the hard bound to end
//! the session. What is urgent overtakes all of it but the greeting: a person's wish does not wait for data.
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

/// When more than this that is urgent waits already, the peer does not read.
const URGENT_BYTES_MAX: u64 = 8 << 20;

/// Whose outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// What overtakes the queue, once the first message of that has gone: every session begins with a greeting.
    urgent: VecDeque<(M, u64)>,
    urgent_bytes: u64,
    greeted: bool,
    /// The hard bound was crossed by what is urgent.
    overfull: bool,
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
        urgent: VecDeque::new(),
        urgent_bytes: 0,
        greeted: false,
        overfull: false,
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
        let mut state = lock(&self.0.state);
        let load = self.add(&mut state, message, data_bytes);
        wake(state);
        load
    }

    /// Adds a message that may wait for the next one, or for a [`nudge`](Self::nudge): waking a peer
    /// for an acknowledgement would only slow down what it waits for.
    pub(crate) fn push_lazily(&self, message: M) -> Load {
        self.add(&mut lock(&self.0.state), message, 0)
    }

    /// Adds a message, with about `data_bytes` in it, that does not wait for what waits already. A peer that does not read these either
    /// is named by the [`Relief`], and [is overfull](Self::is_overfull).
    pub(crate) fn push_urgently(&self, message: M, data_bytes: usize) {
        let mut state = lock(&self.0.state);
        if state.ended || state.overfull {
            return;
        }
        if state.urgent_bytes > URGENT_BYTES_MAX {
            state.overfull = true;
            drop(state);
            return self.0.relief.tell(self.0.peer);
        }
        let cost = data_bytes as u64 + MESSAGE_COST_BYTES;
        state.urgent_bytes += cost;
        state.urgent.push_back((message, cost));
        wake(state);
    }

    /// Whether the peer has left too much unread that was urgent: its session is to end.
    pub(crate) fn is_overfull(&self) -> bool {
        lock(&self.0.state).overfull
    }

    /// Sends what was pushed lazily.
    pub(crate) fn nudge(&self) {
        let state = lock(&self.0.state);
        if !state.queue.is_empty() {
            wake(state);
        }
    }

    /// Whether what waits is above the high-water mark, or has been and is not yet below the low one.
    pub(crate) fn is_pressed(&self) -> bool {
        lock(&self.0.state).pressed
    }

    fn add(&self, state: &mut State<M>, message: M, data_bytes: usize) -> Load {
        let marks = &self.0.marks;
        if state.ended {
            return Load::Same;
        }
        let cost = data_bytes as u64 + MESSAGE_COST_BYTES;
        state.queue.push_back((message, cost));
        state.bytes += cost;
        if state.bytes > marks.max {
            Load::Overfull
        } else if state.bytes > marks.high && !state.pressed {
            state.pressed = true;
            Load::Pressed
        } else {
            Load::Same
        }
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
            state.urgent.clear();
            state.urgent_bytes = 0;
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
        if state.greeted
            && let Some((message, cost)) = state.urgent.pop_front()
        {
            state.urgent_bytes -= cost;
            return Poll::Ready(Some(Ok(message)));
        }
        let Some((message, cost)) = state.queue.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            if !state.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        state.greeted = true;
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
            (state.bytes, state.urgent_bytes) = (0, 0);
            (mem::take(&mut state.urgent), mem::take(&mut state.queue))
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
#[path = "outbox_tests.rs"]
mod tests;
