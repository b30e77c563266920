//! Accepting connections, and seeing who they are before anything else is read from them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use phalanx_link::tune;
use phalanx_profile::{Role, role_of};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Connection;

/// Connections of each kind. Nodes have two each, clients one or two.
const CONNECTIONS_MAX: usize = 65_536;
/// Peers that have not shown their certificate yet.
const HANDSHAKES_MAX: usize = 256;
/// In this time they must have.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this rest accepting is tried again when the system had no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Accepts this machine's peers.
pub(super) async fn unix(listener: UnixListener, connections: mpsc::Sender<Connection>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(counted) = Arc::clone(&room).acquire_owned().await {
        let accepted = listener.accept().await;
        match accepted.and_then(|(stream, _)| Connection::unix(stream, counted)) {
            Ok(connection) => {
                if connections.send(connection).await.is_err() {
                    return;
                }
            }
            Err(e) => rest(&e).await,
        }
    }
}

/// Accepts other machines' peers.
pub(super) async fn tcp(listener: TcpListener, tls: TlsAcceptor, connections: mpsc::Sender<Connection>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let (Ok(counted), Ok(turn)) =
            (Arc::clone(&room).acquire_owned().await, Arc::clone(&handshakes).acquire_owned().await)
        else {
            return;
        };
        match listener.accept().await {
            Ok((stream, address)) => {
                let (tls, connections) = (tls.clone(), connections.clone());
                tokio::spawn(async move {
                    let connection = admit(stream, address, tls, counted).await;
                    drop(turn);
                    if let Some(connection) = connection {
                        // When nobody takes it, the server is shutting down.
                        let _ = connections.send(connection).await;
                    }
                });
            }
            Err(e) => rest(&e).await,
        }
    }
}

/// A peer's own failure costs only its connection; a lack of descriptors passes.
async fn rest(error: &io::Error) {
    tracing::warn!(%error, "accepting a connection failed");
    sleep(ACCEPT_RETRY).await;
}

async fn admit(
    stream: TcpStream,
    address: SocketAddr,
    tls: TlsAcceptor,
    counted: OwnedSemaphorePermit,
) -> Option<Connection> {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%address, %error, "a connection broke at once");
        return None;
    }
    let stream = match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%address, %error, "a connection without a certificate of this cluster was refused");
            return None;
        }
        Err(_) => {
            tracing::info!(%address, "a connection did not finish its handshake in time");
            return None;
        }
    };
    match role(&stream) {
        Ok(role) => Some(Connection::tls(stream, role, counted)),
        Err(reason) => {
            tracing::warn!(%address, %reason, "a connection was refused");
            None
        }
    }
}

/// The role in the certificate that TLS has verified.
fn role(stream: &TlsStream<TcpStream>) -> Result<Role, String> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let own = certificates.first().ok_or("it showed no certificate")?;
    role_of(own).map_err(|e| e.to_string())
}
