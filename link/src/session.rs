//! Opening a session: a stream of messages each way.

use std::time::Duration;

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::stream::{self, Incoming, Outgoing};
use prost::Message;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt;

/// A controller that is there answers at once; connections to one that is stopped are made, by the system, and never answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens a session that sends `messages`; what comes back.
///
/// # Errors
/// The controller's status when it refuses the session, what broke the connection, or that nobody answers.
pub async fn open_session<M, R>(
    channel: Channel,
    path: &'static str,
    messages: impl Stream<Item = M> + Unpin + Send + 'static,
) -> Result<Incoming<R>, Status>
where
    M: Message + 'static,
    R: Message + Default,
{
    let mut request = Request::new(Body::new(Outgoing::request(messages.map(Ok::<M, Status>))));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(stream::CONTENT_TYPE));
    let answer = in_time(channel.oneshot(request)).await?;
    let response = answer.map_err(|e| Status::from_error(e.into()))?;
    // A refusal at once is a response of headers only.
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok => return Err(status),
        _ if response.status() != StatusCode::OK => {
            return Err(Status::unknown(format!(
                "the controller answered with HTTP's {}",
                response.status()
            )));
        }
        _ => {}
    }
    Ok(Incoming::new(response.into_body(), MESSAGE_BYTES_MAX))
}

/// The first message of a session, for which a controller that is there needs no time either.
///
/// # Errors
/// As [`open_session`].
pub async fn first_message<R: Message + Default>(events: &mut Incoming<R>) -> Result<Option<R>, Status> {
    in_time(events.message()).await?
}

async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, Status> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| {
        Status::deadline_exceeded(format!(
            "the controller does not answer within {} s; its process may be stopped",
            ANSWER_TIMEOUT.as_secs()
        ))
    })
}
