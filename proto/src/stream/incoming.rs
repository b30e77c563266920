//! Messages on their way in.

use std::marker::PhantomData;

use bytes::Buf;
use http_body_util::BodyExt;
use prost::Message;
use tonic::body::Body;
use tonic::{Code, Status};

use super::PREFIX_BYTES;
use super::rope::Rope;

/// The messages of a request or response body.
#[derive(Debug)]
pub struct Incoming<M> {
    body: Body,
    rope: Rope,
    message_bytes_max: usize,
    _messages: PhantomData<fn() -> M>,
}

impl<M: Message + Default> Incoming<M> {
    /// Messages longer than `message_bytes_max` are refused before they are received.
    #[must_use]
    pub fn new(body: Body, message_bytes_max: usize) -> Self {
        Self { body, rope: Rope::default(), message_bytes_max, _messages: PhantomData }
    }

    /// The next message; none when the other side has ended the stream well. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The status that the other side ended with, or what broke the stream. A message that is too long is
    /// [`Code::OutOfRange`]; one that cannot be decoded is [`Code::Internal`].
    pub async fn message(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = self.decode()? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { return self.ended() };
            match frame?.into_data() {
                Ok(data) => self.rope.push(data),
                Err(other) => {
                    let trailers = other.into_trailers().unwrap_or_default();
                    match Status::from_header_map(&trailers) {
                        Some(status) if status.code() != Code::Ok => return Err(status),
                        _ => return self.ended(),
                    }
                }
            }
        }
    }

    fn ended(&self) -> Result<Option<M>, Status> {
        if self.rope.has_remaining() {
            return Err(Status::internal("cannot decode: the stream ended within a message"));
        }
        Ok(None)
    }

    fn decode(&mut self) -> Result<Option<M>, Status> {
        let Some([compressed, a, b, c, d]) = self.rope.peek::<PREFIX_BYTES>() else { return Ok(None) };
        if compressed != 0 {
            return Err(Status::internal("cannot decode a compressed message"));
        }
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if len > self.message_bytes_max {
            let max = self.message_bytes_max;
            return Err(Status::out_of_range(format!(
                "a message of {len} bytes is too long to be decoded: the limit is {max} bytes"
            )));
        }
        if self.rope.remaining() < PREFIX_BYTES + len {
            return Ok(None);
        }
        self.rope.advance(PREFIX_BYTES);
        let message = M::decode((&mut self.rope).take(len));
        message.map(Some).map_err(|e| Status::internal(format!("cannot decode: {e}")))
    }
}
