//! The listeners: a Unix socket for this machine, TCP with TLS for the others, one gRPC server behind both.
//!
//! ```text
//!   UnixListener ──────────────────────────┐
//!   TcpListener ─▶ TLS 1.3, certificates ──┴─▶ Connection ─▶ tonic ─▶ services
//! ```
//!
//! Handshakes run beside each other and have a time limit, connections and handshakes are counted, and
//! what fails before a request is nobody's session: garbage on the port costs a log line.

mod accept;
mod connection;
mod sessions;
mod tls;

use std::future::Future;
use std::sync::Arc;

use phalanx_proto::limits::MESSAGE_BYTES_MAX;
use phalanx_proto::v1::cluster_server::ClusterServer;
use phalanx_proto::v1::nodes_server::NodesServer;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::service::{ClusterService, NodesService, Shared};
pub(crate) use connection::{Caller, Connection};
pub(crate) use sessions::Sessions;
use sessions::WithSessions;
pub use tls::TlsError;
pub(crate) use tls::acceptor;
use tokio_rustls::TlsAcceptor;

/// What a peer may send before it hears that there is room: a stream's and a connection's worth.
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// The largest HTTP/2 frame: bulk data in fewer pieces.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Calls at a time on one connection.
const STREAMS_MAX: u32 = 256;
/// Headers of one call.
const HEADERS_BYTES_MAX: u32 = 16 << 10;
/// Accepted connections that tonic has not taken yet.
const ACCEPTED_MAX: usize = 16;

/// Serves until `shutdown`, then waits for the connections to end.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    unix: UnixListener,
    tcp: Option<(TcpListener, TlsAcceptor)>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let (connections, incoming) = mpsc::channel(ACCEPTED_MAX);
    let mut accepting = vec![tokio::spawn(accept::unix(unix, connections.clone()))];
    if let Some((listener, tls)) = tcp {
        accepting.push(tokio::spawn(accept::tcp(listener, tls, connections)));
    }
    let nodes = Arc::new(NodesService::new(Arc::clone(&shared)));
    let cluster = Arc::new(ClusterService(shared));
    let nodes_calls = NodesServer::from_arc(Arc::clone(&nodes)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let cluster_calls =
        ClusterServer::from_arc(Arc::clone(&cluster)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .add_service(WithSessions::new(cluster_calls, cluster))
        .add_service(WithSessions::new(nodes_calls, nodes))
        .serve_with_incoming_shutdown(
            ReceiverStream::new(incoming).map(Ok::<Connection, std::io::Error>),
            async {
                shutdown.await;
                accepting.iter().for_each(tokio::task::JoinHandle::abort);
            },
        )
        .await
}
