//! What nodes call.

use std::sync::Arc;

use phalanx_profile::Role;
use phalanx_proto::ids::NodeId;
use phalanx_proto::stream::{Incoming, NODE_SESSION};
use phalanx_proto::v1::node_command::Kind;
use phalanx_proto::v1::nodes_server::Nodes;
use phalanx_proto::v1::{Beat, BeatAck, NodeCommand, NodeMessage, ProgramPiece, ProgramRequest};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::fetch;
use super::session::{self, End};
use super::{Shared, admit};
use crate::inbox::Event;
use crate::outbox::{Outbox, OutboxStream, PeerId, outbox};
use crate::parse::{parse_hash, parse_node, parse_registration};
use crate::server::Sessions;

/// Programs that are sent at the same time; further nodes wait their turn.
const FETCHES_MAX: usize = 32;
/// Acknowledgements that wait for a node that does not read them.
const ACKS_MAX: usize = 4;

/// The service `phalanx.v1.Nodes`.
#[derive(Debug)]
pub(crate) struct NodesService {
    shared: Arc<Shared>,
    fetches: Arc<Semaphore>,
}

impl NodesService {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, fetches: Arc::new(Semaphore::new(FETCHES_MAX)) }
    }
}

#[tonic::async_trait]
impl Nodes for NodesService {
    type SessionStream = OutboxStream<NodeCommand>;
    type HeartbeatStream = ReceiverStream<Result<BeatAck, Status>>;
    type FetchProgramStream = ReceiverStream<Result<ProgramPiece, Status>>;

    /// Sessions are begun by [`Sessions::begin`], before a call comes here.
    async fn session(
        &self,
        _: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Err(Status::unimplemented("a session that was not begun"))
    }

    async fn heartbeat(
        &self,
        request: Request<Streaming<Beat>>,
    ) -> Result<Response<Self::HeartbeatStream>, Status> {
        admit(request.extensions(), Role::Engine)?;
        let (acks, stream) = mpsc::channel(ACKS_MAX);
        tokio::spawn(answer_beats(Arc::clone(&self.shared), request.into_inner(), acks));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn fetch_program(
        &self,
        request: Request<ProgramRequest>,
    ) -> Result<Response<Self::FetchProgramStream>, Status> {
        admit(request.extensions(), Role::Engine)?;
        let hash = parse_hash(&request.get_ref().hash).map_err(|r| Status::invalid_argument(r.message))?;
        let found = self.shared.library.find(hash).await;
        let path = found.map_err(|e| Status::not_found(e.to_string()))?;
        let turn = Arc::clone(&self.fetches).acquire_owned().await;
        let turn = turn.map_err(|_| Status::unavailable("the controller is shutting down"))?;
        let pieces = fetch::stream(Arc::clone(&self.shared.library), hash, path, turn).await?;
        Ok(Response::new(pieces))
    }
}

impl Sessions for NodesService {
    const PATH: &'static str = NODE_SESSION;
    type In = NodeMessage;
    type Out = NodeCommand;

    fn begin(
        self: Arc<Self>,
        request: &http::Request<()>,
        inbound: Incoming<NodeMessage>,
    ) -> Result<OutboxStream<NodeCommand>, Status> {
        admit(request.extensions(), Role::Engine)?;
        let node = NodeId(self.shared.next_session());
        let relief = Arc::clone(&self.shared.relief);
        let (sender, stream) = outbox(PeerId::Node(node), self.shared.node_marks, relief);
        let reading = read_node(Arc::clone(&self.shared), node, inbound, sender.clone());
        sender.set_reader(session::spawn(reading));
        Ok(stream)
    }
}

async fn read_node(
    shared: Arc<Shared>,
    node: NodeId,
    mut inbound: Incoming<NodeMessage>,
    outbox: Outbox<NodeCommand>,
) {
    let end = follow(&shared, node, &mut inbound, &outbox).await;
    let (reason, farewell) = match end {
        End::Gone(reason) => (reason, None),
        End::Refused(refused) => {
            tracing::warn!(%node, reason = %refused.message, "a node's session is refused");
            let reason = refused.message.clone();
            (reason, Some(NodeCommand { kind: Some(Kind::Goodbye(refused.goodbye())) }))
        }
    };
    outbox.end_reading(farewell);
    // Without a driver there is nobody left to tell.
    let _ = shared.inbox.send(Event::NodeLeft { node, reason: reason.into() }).await;
}

async fn follow(
    shared: &Shared,
    node: NodeId,
    inbound: &mut Incoming<NodeMessage>,
    outbox: &Outbox<NodeCommand>,
) -> End {
    let joined = async {
        let registration = Box::new(parse_registration(session::greeting(inbound).await?)?);
        let joined = Event::NodeJoined { node, registration, outbox: outbox.clone() };
        Ok::<(), End>(shared.inbox.send(joined).await?)
    };
    if let Err(end) = joined.await {
        return end;
    }
    session::read(inbound, &shared.inbox, parse_node, |said| Event::FromNode { node, said }).await
}

/// Tells the driver of each beat and the node whether it is still known.
async fn answer_beats(
    shared: Arc<Shared>,
    mut beats: Streaming<Beat>,
    acks: mpsc::Sender<Result<BeatAck, Status>>,
) {
    loop {
        let beat = tokio::select! {
            beat = beats.message() => beat,
            () = shared.inbox.closed() => return,
        };
        let Ok(Some(beat)) = beat else { return };
        let (known, answer) = oneshot::channel();
        if shared.inbox.send(Event::Beat { node: NodeId(beat.node), known }).await.is_err() {
            return;
        }
        let Ok(known) = answer.await else { return };
        if acks.send(Ok(BeatAck { sequence: beat.sequence, known })).await.is_err() {
            return;
        }
    }
}
