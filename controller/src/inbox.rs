//! What the sessions tell the driver: one bounded queue, in events and in bytes.
//!
//! A session that sends faster than the driver handles waits here, stops reading, and HTTP/2 makes
//! its peer wait too.

use std::sync::Arc;

use phalanx_proto::ids::{ClientId, NodeId};
use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::{
    AbortReply, ClientEvent, ExplainReply, JobsReply, NodeCommand, PurgeReply, StatusReply,
};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::outbox::{Outbox, PeerId};
use crate::parse::{ClientSaid, Hello, NodeSaid, PurgeWanted, Registration};

/// Events that wait for the driver, of all sessions together.
const EVENTS_MAX: usize = 4_096;
/// Bulk data in those events.
const BYTES_MAX: usize = 16 * MESSAGE_BYTES_MAX;
/// Data shorter than this is bounded well enough by the number of events.
const COUNTED_FROM_BYTES: usize = 4 << 10;

/// Something that the driver must know of.
#[derive(Debug)]
pub(crate) enum Event {
    ClientJoined {
        client: ClientId,
        hello: Box<Hello>,
        outbox: Outbox<ClientEvent>,
    },
    FromClient {
        client: ClientId,
        said: ClientSaid,
    },
    ClientLeft {
        client: ClientId,
    },
    NodeJoined {
        node: NodeId,
        registration: Box<Registration>,
        outbox: Outbox<NodeCommand>,
    },
    FromNode {
        node: NodeId,
        said: NodeSaid,
    },
    NodeLeft {
        node: NodeId,
        reason: Arc<str>,
    },
    /// A heartbeat; the answer is whether the node is known.
    Beat {
        node: NodeId,
        known: oneshot::Sender<bool>,
    },
    Status {
        reply: oneshot::Sender<StatusReply>,
    },
    /// Why a job waits; it is named by its id, either end of it, or its label.
    Explain {
        job: String,
        reply: oneshot::Sender<Result<ExplainReply, String>>,
    },
    /// Ends jobs, which are named likewise.
    Abort {
        jobs: Vec<String>,
        reply: oneshot::Sender<Result<AbortReply, String>>,
    },
    Jobs {
        reply: oneshot::Sender<JobsReply>,
    },
    Purge {
        wanted: Box<PurgeWanted>,
        reply: oneshot::Sender<PurgeReply>,
    },
}

impl Event {
    /// What it carries, in bytes.
    pub(crate) fn data_bytes(&self) -> usize {
        match self {
            Self::FromClient { said: ClientSaid::Segment { lens, data, .. }, .. } => lens.len() + data.len(),
            Self::FromClient { said: ClientSaid::Context { data, .. }, .. } => data.len(),
            Self::FromNode { said: NodeSaid::Report(report), .. } => {
                report.wire.data.len() + report.wire.lens.len() + report.wire.timings.len()
            }
            Self::FromNode { said: NodeSaid::Part(part), .. } => part.data.len(),
            _ => 0,
        }
    }

    /// Whose it is, if it has a place among others of the same peer.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        match self {
            Self::ClientJoined { client, .. }
            | Self::FromClient { client, .. }
            | Self::ClientLeft { client } => Some(PeerId::Client(*client)),
            Self::NodeJoined { node, .. } | Self::FromNode { node, .. } | Self::NodeLeft { node, .. } => {
                Some(PeerId::Node(*node))
            }
            Self::Beat { .. }
            | Self::Status { .. }
            | Self::Explain { .. }
            | Self::Abort { .. }
            | Self::Jobs { .. }
            | Self::Purge { .. } => None,
        }
    }
}

/// An event, and the room it takes in the queue until it is dropped.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) event: Event,
    _room: Option<OwnedSemaphorePermit>,
}

impl Posted {
    pub(crate) fn new(event: Event, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { event, _room: room }
    }

    /// Whether it carries next to nothing.
    pub(crate) fn is_short(&self) -> bool {
        self.event.data_bytes() < COUNTED_FROM_BYTES
    }
}

/// The driver is gone: the controller is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the controller is shutting down")]
pub(crate) struct Closed;

/// The sessions' end.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    events: mpsc::Sender<Posted>,
    room: Arc<Semaphore>,
}

/// A new inbox and its driver's end.
pub(crate) fn inbox() -> (Inbox, mpsc::Receiver<Posted>) {
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    (Inbox { events, room: Arc::new(Semaphore::new(BYTES_MAX)) }, receiver)
}

impl Inbox {
    /// Waits for room, then queues the event.
    pub(crate) async fn send(&self, event: Event) -> Result<(), Closed> {
        let bytes = event.data_bytes();
        let room = if bytes < COUNTED_FROM_BYTES {
            None
        } else {
            // No message is larger than all the room, so this always comes to an end.
            let bytes = bytes.min(BYTES_MAX) as u32;
            Some(Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Closed)?)
        };
        self.events.send(Posted::new(event, room)).await.map_err(|_| Closed)
    }

    /// Ends when the driver is gone.
    pub(crate) async fn closed(&self) {
        self.events.closed().await;
    }
}
