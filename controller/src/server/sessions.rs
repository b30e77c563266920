//! Sessions beside the generated services: their messages are framed by [`phalanx_proto::stream`], every other call is left to
//! the service that was generated.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::stream::{self, Incoming, Outgoing};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::outbox::OutboxStream;

/// What a service does with its sessions.
pub(crate) trait Sessions: Send + Sync + 'static {
    /// Where they are opened.
    const PATH: &'static str;
    /// What peers say.
    type In: Message + Default + 'static;
    /// What they hear.
    type Out: Message + 'static;

    /// Begins one; the rest of the request says who asks.
    #[allow(clippy::result_large_err, reason = "gRPC's services return Status")]
    fn begin(
        self: Arc<Self>,
        request: &Request<()>,
        inbound: Incoming<Self::In>,
    ) -> Result<OutboxStream<Self::Out>, Status>;
}

/// A generated service, and the sessions beside it.
#[derive(Debug)]
pub(super) struct WithSessions<G, S> {
    generated: G,
    sessions: Arc<S>,
}

impl<G, S> WithSessions<G, S> {
    pub(super) fn new(generated: G, sessions: Arc<S>) -> Self {
        Self { generated, sessions }
    }
}

impl<G: Clone, S> Clone for WithSessions<G, S> {
    fn clone(&self) -> Self {
        Self { generated: self.generated.clone(), sessions: Arc::clone(&self.sessions) }
    }
}

impl<G: NamedService, S> NamedService for WithSessions<G, S> {
    const NAME: &'static str = G::NAME;
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<G, S> Service<Request<Body>> for WithSessions<G, S>
where
    G: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    G::Future: Send + 'static,
    S: Sessions,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.generated.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        if request.uri().path() != S::PATH {
            return Box::pin(self.generated.call(request));
        }
        let (head, body) = request.into_parts();
        let inbound = Incoming::new(body, MESSAGE_BYTES_MAX);
        let begun = Arc::clone(&self.sessions).begin(&Request::from_parts(head, ()), inbound);
        let response = match begun {
            Ok(outbound) => {
                let mut response = Response::new(Body::new(Outgoing::response(outbound)));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(stream::CONTENT_TYPE));
                response
            }
            Err(status) => status.into_http(),
        };
        Box::pin(std::future::ready(Ok(response)))
    }
}
