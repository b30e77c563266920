//! Messages on their way out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use prost::Message;
use tokio_stream::Stream;
use tonic::Status;

use super::pieces::Pieces;

/// Messages are encoded ahead until this much waits, so that small ones leave together.
const BATCH_BYTES: usize = 32 << 10;

/// Who sends: a server ends with a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// The body of a request or response: a stream of messages, encoded as the other side takes them.
#[derive(Debug)]
pub struct Outgoing<S> {
    messages: S,
    pieces: Pieces,
    side: Side,
    /// How the stream ended.
    end: Option<Status>,
    has_told_end: bool,
}

impl<S> Outgoing<S> {
    /// A request.
    pub fn request(messages: S) -> Self {
        Self::new(messages, Side::Client)
    }

    /// A response, which ends with a status.
    pub fn response(messages: S) -> Self {
        Self::new(messages, Side::Server)
    }

    fn new(messages: S, side: Side) -> Self {
        Self { messages, pieces: Pieces::default(), side, end: None, has_told_end: false }
    }
}

impl<S, M> Outgoing<S>
where
    S: Stream<Item = Result<M, Status>> + Unpin,
    M: Message,
{
    /// Encodes what is there.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() && self.pieces.len() < BATCH_BYTES {
            match Pin::new(&mut self.messages).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(len) = self.pieces.add(&message) {
                        self.end = Some(Status::internal(format!("a message of {len} bytes is too long")));
                    }
                }
                Poll::Ready(Some(Err(status))) => self.end = Some(status),
                Poll::Ready(None) => self.end = Some(Status::ok("")),
                Poll::Pending if self.pieces.len() == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    fn last(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        if self.side == Side::Client || std::mem::replace(&mut self.has_told_end, true) {
            return None;
        }
        let mut trailers = HeaderMap::new();
        let end = self.end.take().unwrap_or_else(|| Status::ok(""));
        Some(end.add_header(&mut trailers).map(|()| Frame::trailers(trailers)))
    }
}

impl<S, M> Body for Outgoing<S>
where
    S: Stream<Item = Result<M, Status>> + Unpin,
    M: Message,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.has_told_end {
            return Poll::Ready(None);
        }
        if this.pieces.len() == 0 {
            ready!(this.poll_fill(cx));
        }
        match this.pieces.pop() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => Poll::Ready(this.last()),
        }
    }
}
