//! What waits for the connection: data, with back-pressure; and ahead of it what is small, in its order: that there is a job, that it is
//! to end, what a person wants of engines. So a wish comes after the calls that were made before it, and waits for nobody's data.
//!
//! A cancellation takes away what waits of its job. When the job itself is among that, the controller never hears of either.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use phalanx_proto::v1::{self, ClientMessage, client_message::Kind};
use tokio::sync::Semaphore;
use tokio_stream::Stream;

/// Messages of data that wait; when there are so many, uploads wait. What goes ahead is bounded by the jobs and wishes that it is about.
const WAITING_MAX: usize = 32;

struct Shared {
    state: Mutex<State>,
    /// Room for data.
    room: Semaphore,
}

#[derive(Default)]
struct State {
    ahead: VecDeque<ClientMessage>,
    waiting: VecDeque<ClientMessage>,
    waker: Option<Waker>,
    /// Nobody sends any more.
    ended: bool,
}

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// So much cannot be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The way out to the controller. When the last clone is gone, the session ends.
#[derive(Clone)]
pub(super) struct Outgoing(Arc<Sender>);

struct Sender(Arc<Shared>);

/// What the connection sends.
pub(super) struct OutgoingStream(Arc<Shared>);

/// Both ends.
pub(super) fn outgoing() -> (Outgoing, OutgoingStream) {
    let shared = Arc::new(Shared { state: Mutex::default(), room: Semaphore::new(WAITING_MAX) });
    (Outgoing(Arc::new(Sender(Arc::clone(&shared)))), OutgoingStream(shared))
}

impl Outgoing {
    /// Waits for room, then sends, unless it is not `wanted` any more by then: false.
    pub(super) async fn send_if(
        &self,
        message: ClientMessage,
        wanted: impl FnOnce() -> bool,
    ) -> Result<bool, Gone> {
        let shared = &self.0.0;
        let permit = shared.room.acquire().await.map_err(|_| Gone)?;
        if !wanted() {
            return Ok(false);
        }
        permit.forget();
        shared.push([message]);
        Ok(true)
    }

    /// Sends all of these now, if there is room.
    pub(super) fn try_send(&self, messages: Vec<ClientMessage>) -> Result<(), NoRoom> {
        let shared = &self.0.0;
        let permits = u32::try_from(messages.len()).ok().and_then(|n| shared.room.try_acquire_many(n).ok());
        let Some(permits) = permits else { return Err(NoRoom) };
        permits.forget();
        shared.push(messages);
        Ok(())
    }

    /// Sends what is small, before all data that waits.
    pub(super) fn send_ahead(&self, message: ClientMessage) {
        self.0.0.change(|state| state.ahead.push_back(message));
    }

    /// Takes back what waits of a job, and tells the controller to end it, if that knows it: whether it does.
    pub(super) fn cancel(&self, job: u64) -> bool {
        let shared = &self.0.0;
        let (mut taken, mut is_known) = (0, false);
        shared.change(|state| {
            let before = (state.ahead.len(), state.waiting.len());
            state.ahead.retain(|message| job_of(message) != Some(job));
            state.waiting.retain(|message| job_of(message) != Some(job));
            taken = before.1 - state.waiting.len();
            is_known = state.ahead.len() == before.0;
            if is_known {
                let cancel = Kind::Cancel(v1::Cancel { job });
                state.ahead.push_back(ClientMessage { kind: Some(cancel) });
            }
        });
        shared.room.add_permits(taken);
        is_known
    }
}

/// The job that a message brings something of.
fn job_of(message: &ClientMessage) -> Option<u64> {
    match message.kind.as_ref()? {
        Kind::Submit(submit) => Some(submit.job),
        Kind::Context(part) => Some(part.job),
        Kind::Segment(segment) => Some(segment.job),
        _ => None,
    }
}

impl Shared {
    fn push(&self, messages: impl IntoIterator<Item = ClientMessage>) {
        self.change(|state| state.waiting.extend(messages));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

impl Stream for OutgoingStream {
    type Item = ClientMessage;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientMessage>> {
        let mut state = self.0.state.lock();
        if let Some(message) = state.ahead.pop_front() {
            return Poll::Ready(Some(message));
        }
        if let Some(message) = state.waiting.pop_front() {
            drop(state);
            self.0.room.add_permits(1);
            return Poll::Ready(Some(message));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        // Whoever waits for room hears that there is no connection.
        self.0.room.close();
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    fn submit(job: u64) -> ClientMessage {
        ClientMessage { kind: Some(Kind::Submit(v1::Submit { job, ..v1::Submit::default() })) }
    }

    fn segment(job: u64) -> ClientMessage {
        ClientMessage { kind: Some(Kind::Segment(v1::Segment { job, ..v1::Segment::default() })) }
    }

    /// What is sent, without waiting: `s` a submission, `d` data, `c` a cancellation.
    async fn sent(stream: &mut OutgoingStream) -> Vec<(char, u64)> {
        let mut found = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(message)) = Pin::new(&mut *stream).poll_next(&mut context) {
            found.push(match message.kind.unwrap() {
                Kind::Submit(submit) => ('s', submit.job),
                Kind::Segment(segment) => ('d', segment.job),
                Kind::Cancel(cancel) => ('c', cancel.job),
                other => panic!("{other:?}"),
            });
        }
        found
    }

    #[tokio::test]
    async fn a_cancellation_overtakes_data_and_takes_its_own_jobs_back() {
        let (outgoing, mut stream) = outgoing();
        outgoing.send_ahead(submit(1));
        assert_eq!(stream.next().await.unwrap(), submit(1));
        outgoing.send_ahead(submit(2));
        outgoing.try_send(vec![segment(1), segment(2), segment(1)]).unwrap();
        outgoing.cancel(1);
        assert_eq!(sent(&mut stream).await, [('s', 2), ('c', 1), ('d', 2)]);
    }

    #[tokio::test]
    async fn a_job_that_has_not_been_sent_is_never_heard_of() {
        let (outgoing, mut stream) = outgoing();
        [1, 2].into_iter().for_each(|job| outgoing.send_ahead(submit(job)));
        outgoing.try_send(vec![segment(1), segment(2)]).unwrap();
        outgoing.cancel(1);
        assert_eq!(sent(&mut stream).await, [('s', 2), ('d', 2)]);
        // And all its room is there again.
        outgoing.try_send((0..WAITING_MAX as u64).map(segment).collect()).unwrap();
        assert!(outgoing.try_send(vec![segment(99)]).is_err());
    }

    #[tokio::test]
    async fn a_wish_comes_after_the_calls_before_it_and_before_their_data() {
        let (outgoing, mut stream) = outgoing();
        outgoing.send_ahead(submit(1));
        outgoing.try_send((0..WAITING_MAX as u64).map(|_| segment(1)).collect()).unwrap();
        let wish = ClientMessage { kind: Some(Kind::Control(v1::Control::default())) };
        outgoing.send_ahead(wish.clone());
        assert_eq!(stream.next().await.unwrap(), submit(1));
        assert_eq!(stream.next().await.unwrap(), wish);
        assert_eq!(sent(&mut stream).await.len(), WAITING_MAX);
    }

    #[tokio::test]
    async fn an_upload_that_waits_for_room_asks_then_whether_it_is_still_wanted() {
        let (outgoing, mut stream) = outgoing();
        outgoing.try_send((0..WAITING_MAX as u64).map(segment).collect()).unwrap();
        let theirs = outgoing.clone();
        let waiting = tokio::spawn(async move { theirs.send_if(segment(7), || false).await });
        tokio::task::yield_now().await;
        stream.next().await.unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(false));
        drop(stream);
        assert_eq!(outgoing.send_if(segment(1), || true).await, Err(Gone));
    }

    #[tokio::test]
    async fn the_session_ends_with_the_last_sender() {
        let (outgoing, mut stream) = outgoing();
        outgoing.send_ahead(submit(1));
        drop(outgoing);
        assert!(stream.next().await.is_some() && stream.next().await.is_none());
    }
}
