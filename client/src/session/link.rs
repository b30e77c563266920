//! One attempt at a session with the controller, and why a session ends.

use std::sync::Arc;

use phalanx_proto::host;
use phalanx_proto::stream::{CLIENT_SESSION, Incoming};
use phalanx_proto::v1::{self, ClientEvent, Refusal, client_event::Kind};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};
use tonic::transport::Channel;

use super::outgoing::{Outgoing, outgoing};
use super::upload;
use super::{Engines, FileSource};
use crate::error::Error;
use crate::program::this_program;

/// An established session.
pub(super) struct Link {
    pub(super) outgoing: Outgoing,
    pub(super) events: Incoming<ClientEvent>,
    pub(super) channel: Channel,
}

/// Why a session ended.
pub(super) enum Over {
    /// The client was closed.
    Closed,
    /// The connection was lost, and may come back.
    Lost(String),
    /// The controller will not have this client.
    Refused(Error),
}

/// One attempt. It can be given up at any point.
pub(super) async fn connect(source: FileSource, engines: Arc<Engines>) -> Result<Link, Over> {
    let file = tokio::task::spawn_blocking(move || source()).await;
    let file = file.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic())).map_err(Over::Lost)?;
    let program = this_program().map_err(Over::Lost)?;
    let host_id = host::id();
    let connected = phalanx_link::connect(&file, &host_id).await.map_err(|e| Over::Lost(e.to_string()))?;
    let (outgoing, messages) = outgoing();
    let peer = v1::Peer {
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        host: host::name(),
        host_id,
        pid: std::process::id(),
    };
    let hello = upload::hello(v1::ClientHello { peer: Some(peer), program: Some(program) });
    outgoing.send_ahead(hello);
    let session = phalanx_link::open_session(connected.channel.clone(), CLIENT_SESSION, messages);
    let mut events: Incoming<ClientEvent> = session.await.map_err(|e| status(&e))?;
    match phalanx_link::first_message(&mut events).await.map_err(|e| status(&e))?.and_then(|e| e.kind) {
        Some(Kind::Welcome(welcome)) => {
            tracing::info!(profile = file.profile, "connected to the controller over {}", connected.route);
            engines.reset(&file.profile, welcome.engines);
        }
        Some(Kind::Goodbye(bye)) => return Err(goodbye(bye)),
        other => return Err(Over::Lost(format!("the controller's first word was {other:?}"))),
    }
    Ok(Link { outgoing, events, channel: connected.channel })
}

pub(super) fn goodbye(bye: v1::Goodbye) -> Over {
    match bye.code() {
        Refusal::Shutdown => Over::Lost(bye.message),
        _ => Over::Refused(Error::Refused(bye.message)),
    }
}

pub(super) fn status(status: &tonic::Status) -> Over {
    match status.code() {
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => {
            Over::Refused(Error::Refused(status.message().to_owned()))
        }
        _ => Over::Lost(phalanx_proto::lost::reason(status)),
    }
}
