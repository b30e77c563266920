//! What clients call.

use std::sync::Arc;

use phalanx_profile::Role;
use phalanx_proto::ids::ClientId;
use phalanx_proto::limits::{TEXT_BYTES_MAX, clip};
use phalanx_proto::stream::{CLIENT_SESSION, Incoming};
use phalanx_proto::v1::client_event::Kind;
use phalanx_proto::v1::cluster_server::Cluster;
use phalanx_proto::v1::{
    AbortReply, AbortRequest, ClientEvent, ClientMessage, ExplainReply, ExplainRequest, HistoryReply,
    HistoryRequest, JobsReply, JobsRequest, ProgramPiece, ProgramStored, PurgeReply, PurgeRequest,
    StatusReply, StatusRequest,
};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

use super::session::{self, End};
use super::{Shared, admit, history};
use crate::inbox::Event;
use crate::outbox::{Outbox, OutboxStream, PeerId, outbox};
use crate::parse::{ProgramInfo, parse_client, parse_hello, parse_purge};
use crate::programs::{Upload, UploadError};
use crate::server::Sessions;

/// The most jobs that one call aborts; each is looked for among all.
const ABORT_JOBS_MAX: usize = 64;

/// The service `phalanx.v1.Cluster`.
#[derive(Debug)]
pub(crate) struct ClusterService(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl Cluster for ClusterService {
    type SessionStream = OutboxStream<ClientEvent>;

    /// Sessions are begun by [`Sessions::begin`], before a call comes here.
    async fn session(
        &self,
        _: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("a session that was not begun"))
    }

    async fn upload_program(
        &self,
        request: Request<Streaming<ProgramPiece>>,
    ) -> Result<Response<ProgramStored>, Status> {
        admit(request.extensions(), Role::Client)?;
        let mut pieces = request.into_inner();
        let first =
            pieces.message().await?.ok_or_else(|| Status::invalid_argument("an upload of no pieces"))?;
        let program = ProgramInfo::parse(first.program).map_err(|r| Status::invalid_argument(r.message))?;
        let mut upload = Upload::begin(Arc::clone(&self.0.library), program).await.map_err(status)?;
        upload.write(first.data).await.map_err(status)?;
        while let Some(piece) = pieces.message().await? {
            upload.write(piece.data).await.map_err(status)?;
        }
        upload.finish().await.map_err(status)?;
        Ok(Response::new(ProgramStored {}))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        Ok(Response::new(self.ask(|reply| Event::Status { reply }).await?))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        let job = clip(&request.into_inner().job, TEXT_BYTES_MAX);
        let answer = self.ask(|reply| Event::Explain { job, reply }).await?;
        answer.map(Response::new).map_err(Status::not_found)
    }

    async fn abort(&self, request: Request<AbortRequest>) -> Result<Response<AbortReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        let AbortRequest { jobs } = request.into_inner();
        if jobs.len() > ABORT_JOBS_MAX {
            return Err(Status::invalid_argument(format!(
                "at most {ABORT_JOBS_MAX} jobs are aborted at once"
            )));
        }
        let jobs = jobs.iter().map(|job| clip(job, TEXT_BYTES_MAX)).collect();
        let answer = self.ask(|reply| Event::Abort { jobs, reply }).await?;
        answer.map(Response::new).map_err(Status::not_found)
    }

    async fn jobs(&self, request: Request<JobsRequest>) -> Result<Response<JobsReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        Ok(Response::new(self.ask(|reply| Event::Jobs { reply }).await?))
    }

    async fn purge(&self, request: Request<PurgeRequest>) -> Result<Response<PurgeReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        let wanted = parse_purge(request.into_inner()).map_err(|r| Status::invalid_argument(r.message))?;
        let answer = self.ask(|reply| Event::Purge { wanted: Box::new(wanted), reply }).await?;
        Ok(Response::new(answer))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryReply>, Status> {
        admit(request.extensions(), Role::Client)?;
        history::answer(&self.0, request.into_inner()).await.map(Response::new)
    }
}

impl ClusterService {
    /// Asks the driver.
    async fn ask<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.0.inbox.send(event(reply)).await.map_err(|e| Status::unavailable(e.to_string()))?;
        answer.await.map_err(|_| Status::unavailable("the controller is shutting down"))
    }
}

impl Sessions for ClusterService {
    const PATH: &'static str = CLIENT_SESSION;
    type In = ClientMessage;
    type Out = ClientEvent;

    fn begin(
        self: Arc<Self>,
        request: &http::Request<()>,
        inbound: Incoming<ClientMessage>,
    ) -> Result<OutboxStream<ClientEvent>, Status> {
        admit(request.extensions(), Role::Client)?;
        let client = ClientId(self.0.next_session());
        let relief = Arc::clone(&self.0.relief);
        let (sender, stream) = outbox(PeerId::Client(client), self.0.client_marks, relief);
        let reading = read_client(Arc::clone(&self.0), client, inbound, sender.clone());
        sender.set_reader(session::spawn(reading));
        Ok(stream)
    }
}

async fn read_client(
    shared: Arc<Shared>,
    client: ClientId,
    mut inbound: Incoming<ClientMessage>,
    outbox: Outbox<ClientEvent>,
) {
    let end = follow(&shared, client, &mut inbound, &outbox).await;
    let farewell = match end {
        End::Gone(reason) => {
            tracing::debug!(%client, %reason, "a client's session has ended");
            None
        }
        End::Refused(refused) => {
            tracing::warn!(%client, reason = %refused.message, "a client's session is refused");
            Some(ClientEvent { kind: Some(Kind::Goodbye(refused.goodbye())), crowded: false })
        }
    };
    outbox.end_reading(farewell);
    // Without a driver there is nobody left to tell.
    let _ = shared.inbox.send(Event::ClientLeft { client }).await;
}

async fn follow(
    shared: &Shared,
    client: ClientId,
    inbound: &mut Incoming<ClientMessage>,
    outbox: &Outbox<ClientEvent>,
) -> End {
    let joined = async {
        let hello = Box::new(parse_hello(session::greeting(inbound).await?)?);
        let joined = Event::ClientJoined { client, hello, outbox: outbox.clone() };
        Ok::<(), End>(shared.inbox.send(joined).await?)
    };
    if let Err(end) = joined.await {
        return end;
    }
    session::read(inbound, &shared.inbox, parse_client, |said| Event::FromClient { client, said }).await
}

fn status(error: UploadError) -> Status {
    match &error {
        UploadError::Unwanted { .. } => Status::failed_precondition(error.to_string()),
        UploadError::Store(_) => Status::invalid_argument(error.to_string()),
        UploadError::Stopped => Status::unavailable(error.to_string()),
    }
}
