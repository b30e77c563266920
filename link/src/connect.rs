//! Making the connection.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use phalanx_idle::{Noted, quiet};
use phalanx_profile::ConnectionFile;
use phalanx_proto::limits::READ_AHEAD_BYTES;
use tokio::io::BufReader;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint};

use crate::ConnectError;
use crate::socket::tune;
use crate::tls::{Accepted, Trust};

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 windows: bulk data is bounded by the queues behind it, not here.
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// The largest HTTP/2 frame that we take: bulk data in fewer pieces.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Stands for the controller in HTTP/2's headers; nobody looks it up.
const ORIGIN: &str = "http://controller.phalanx";

/// A connection, and the way it took.
#[derive(Debug, Clone)]
pub struct Connected {
    /// For the generated clients.
    pub channel: Channel,
    /// The way it took.
    pub route: Route,
}

/// The way a connection took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A Unix socket on this machine.
    Unix(PathBuf),
    /// TCP with TLS.
    Tls(String),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "the Unix socket {}", path.display()),
            Self::Tls(address) => write!(f, "TLS to {address}"),
        }
    }
}

/// Connects to the controller that a connection file names. `host_id` is this machine's
/// ([`phalanx_proto::host::id`]): it tells whether the file's Unix socket is one of this machine.
///
/// # Errors
/// [`ConnectError`], which says what to do.
pub async fn connect(file: &ConnectionFile, host_id: &str) -> Result<Connected, ConnectError> {
    if let Some(path) = file.endpoints.local_socket(host_id) {
        return over_unix(path, &file.profile).await;
    }
    over_tls(file).await
}

fn endpoint() -> Endpoint {
    Endpoint::from_static(ORIGIN)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_max_header_list_size(64 << 10)
        .connect_timeout(CONNECT_TIMEOUT)
}

async fn over_unix(path: &Path, profile: &str) -> Result<Connected, ConnectError> {
    // Tried once by hand: tonic would wrap the system's answer in several layers.
    if let Err(source) = UnixStream::connect(path).await {
        let path = path.to_owned();
        return Err(match source.kind() {
            io::ErrorKind::PermissionDenied => ConnectError::NotAllowed { path, source },
            _ => ConnectError::NotRunning { path, profile: profile.to_owned(), source },
        });
    }
    let target = path.to_owned();
    let connector = tower::service_fn(move |_| {
        let target = target.clone();
        async move {
            let (reader, writer) = quiet(UnixStream::connect(target).await?.into_std()?)?;
            let stream = tokio::io::join(reader, writer);
            Ok::<_, io::Error>(TokioIo::new(Noted(BufReader::with_capacity(READ_AHEAD_BYTES, stream))))
        }
    });
    let channel = endpoint().connect_with_connector(connector).await.map_err(|e| {
        ConnectError::Unreachable { attempts: format!("\n  {}: {}", path.display(), chain(&e)) }
    })?;
    Ok(Connected { channel, route: Route::Unix(path.to_owned()) })
}

async fn over_tls(file: &ConnectionFile) -> Result<Connected, ConnectError> {
    if file.endpoints.tcp.is_empty() {
        return Err(ConnectError::NoAddress);
    }
    let trust = Trust::new(file).map_err(ConnectError::Certificates)?;
    let mut attempts = String::new();
    for address in &file.endpoints.tcp {
        let (trust, target) = (trust.clone(), address.clone());
        let connector = tower::service_fn(move |_| {
            let (trust, target) = (trust.clone(), target.clone());
            async move { dial(&target, &trust).await.map(|stream| TokioIo::new(Noted(stream))) }
        });
        match endpoint().connect_with_connector(connector).await {
            Ok(channel) => return Ok(Connected { channel, route: Route::Tls(address.clone()) }),
            Err(e) if is_about_trust(&e) => {
                return Err(ConnectError::Untrusted { address: address.clone(), message: chain(&e) });
            }
            Err(e) => {
                let _ = write!(attempts, "\n  {address}: {}", chain(&e));
            }
        }
    }
    Err(ConnectError::Unreachable { attempts })
}

async fn dial(address: &str, trust: &Trust) -> io::Result<Accepted> {
    let stream = TcpStream::connect(address).await?;
    tune(&stream)?;
    trust.shake_hands(stream).await
}

/// Whether one side did not accept the other's certificate, whatever else may be wrong with a connection.
fn is_about_trust(e: &(dyn Error + 'static)) -> bool {
    let tls = e.downcast_ref::<io::Error>().and_then(|e| e.get_ref()?.downcast_ref::<rustls::Error>());
    match (tls, e.source()) {
        (Some(tls), _) => {
            matches!(tls, rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
        }
        (None, Some(cause)) => is_about_trust(cause),
        (None, None) => false,
    }
}

/// An error with all its causes on one line.
fn chain(e: &dyn Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let line = e.to_string();
        if !text.contains(&line) {
            let _ = write!(text, ": {line}");
        }
        cause = e.source();
    }
    text
}
