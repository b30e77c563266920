//! A running controller: what it holds, in which order it starts and in which it ends.
//!
//! Start: lock, certificates, sockets, connection files, then the tasks; whoever finds a connection
//! file can connect. End: the driver says goodbye, the connections drain, the history is written to its end, the socket is removed with the
//! lock.

use std::fs;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use phalanx_history::History;
use phalanx_profile::{
    Authority, AuthorityError, Endpoints, Identity, LocalSocket, Lock, LockError, ProfileError,
};
use phalanx_programs::{Store, StoreError};
use phalanx_proto::host;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::ControllerConfig;
use crate::driver::Driver;
use crate::inbox::inbox;
use crate::outbox::Relief;
use crate::programs::Library;
use crate::server::{self, TlsError};
use crate::service::Shared;

/// How long the last of the history may take to be written.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long peers may take to hear the goodbye.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A controller that accepts clients and nodes. Its tasks run on the runtime it was started on;
/// dropped without [`shutdown`](Self::shutdown), it ends at once.
#[derive(Debug)]
pub struct Controller {
    local_addr: Option<SocketAddr>,
    socket: PathBuf,
    driver: Task,
    server: Task,
    history: Option<History>,
    stop_wanted: Arc<Notify>,
    // The last to be dropped: until then nobody else may take the profile.
    lock: Lock,
}

/// A task, and how to ask it to end.
#[derive(Debug)]
struct Task {
    stop: Option<oneshot::Sender<()>>,
    handle: JoinHandle<()>,
}

impl Controller {
    /// Starts a controller. When this returns, its sockets are bound and its connection files written.
    ///
    /// # Errors
    /// [`StartError`], which says what stood in the way.
    pub async fn start(config: ControllerConfig) -> Result<Self, StartError> {
        let lock = Lock::acquire(&config.profile)?;
        let authority = Authority::open(&lock)?;
        let programs = config.profile.programs_dir()?;
        let store = Store::open(&programs, config.limits.programs_bytes_max)?;
        let socket = lock.claim_socket()?;
        let unix = bind_unix(&socket)?;
        let identity = authority.server_identity(&config.advertise)?;
        let tcp = bind_tcp(config.listen, &identity).await?;
        let local_addr = tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let endpoints = Endpoints {
            socket: Some(LocalSocket { path: socket.clone(), host_id: host::id() }),
            tcp: local_addr.map(|address| addresses(address, &config.advertise)).unwrap_or_default(),
        };
        authority.write_connection_files(&endpoints)?;

        let history = match config.history {
            Some(limits) => {
                Some(History::start(config.profile.history_file(), limits).map_err(StartError::Thread)?)
            }
            None => None,
        };
        let (inbox, events) = inbox();
        let relief = Arc::new(Relief::default());
        let library = Arc::new(Library::new(store));
        let results_bytes_max = config.limits.results_bytes_max;
        let seed = std::process::id().into();
        let driver = Driver::new(
            config.scheduler,
            seed,
            config.limits,
            events,
            Arc::clone(&relief),
            Arc::clone(&library),
            history.as_ref().map(History::recorder),
        );
        let recording = history.as_ref().map(History::recording);
        let shared = Arc::new(Shared::new(inbox, relief, library, recording, results_bytes_max));
        let stop_wanted = driver.stop_wanted();
        let driver = Task::spawn(|stop| driver.run(stop));
        let server = Task::spawn(|stop| async move {
            // A sender that is dropped ends the server as well.
            let stopped = async { drop(stop.await) };
            if let Err(error) = server::serve(shared, unix, tcp, stopped).await {
                tracing::error!(%error, "the server has failed");
            }
        });
        Ok(Self { local_addr, socket, driver, server, history, stop_wanted, lock })
    }

    /// The TCP address it listens on, if it does.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// The Unix socket it listens on.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends when the controller has failed by itself, which it should not.
    pub async fn failed(&mut self) {
        tokio::select! {
            _ = &mut self.driver.handle => {}
            _ = &mut self.server.handle => {}
        }
    }

    /// Ends when a client wants it to end: call [`shutdown`](Self::shutdown) then.
    pub fn stop_wanted(&self) -> impl Future<Output = ()> + Send + use<> {
        let wanted = Arc::clone(&self.stop_wanted);
        async move { wanted.notified().await }
    }

    /// Says goodbye to everybody, waits a moment for them to hear it, and removes the socket.
    pub async fn shutdown(mut self) {
        self.driver.end().await;
        self.server.end().await;
        if let Some(history) = self.history.take() {
            // It waits for a thread; and a thread that waits can itself not fail.
            let _ = tokio::task::spawn_blocking(move || history.end(HISTORY_TIMEOUT)).await;
        }
        drop(self.lock);
    }
}

impl Task {
    fn spawn<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop: Some(stop), handle: tokio::spawn(run(stopped)) }
    }

    async fn end(&mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut self.handle).await.is_err() {
            self.handle.abort();
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

fn bind_unix(path: &Path) -> Result<UnixListener, StartError> {
    let failed = |source| StartError::Socket { path: path.to_owned(), source };
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

async fn bind_tcp(
    listen: Option<SocketAddr>,
    identity: &Identity,
) -> Result<Option<(TcpListener, TlsAcceptor)>, StartError> {
    let Some(address) = listen else { return Ok(None) };
    let tls = server::acceptor(identity)?;
    let listener =
        TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    Ok(Some((listener, tls)))
}

/// Under which addresses others are told to connect.
fn addresses(listening: SocketAddr, advertise: &[String]) -> Vec<String> {
    let port = listening.port();
    if advertise.is_empty() {
        return vec![if listening.ip().is_unspecified() {
            format!("{}:{port}", host::name())
        } else {
            listening.to_string()
        }];
    }
    let with_port = |name: &String| match name.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{name}:{port}"),
    };
    advertise.iter().map(with_port).collect()
}

/// Why a controller could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another one runs on the profile, or the profile cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The profile's directory cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile's keys cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The profile's certificates cannot be served with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store of programs cannot be used.
    #[error("the store of programs cannot be used: {0}")]
    Programs(#[from] StoreError),
    /// The system has no thread left.
    #[error("there is no thread for the history of jobs: {0}; raise the limit of processes (ulimit -u)")]
    Thread(io::Error),
    /// The Unix socket cannot be made.
    #[error("cannot make the socket {}: {source}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The TCP address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// The process that holds the profile, when that is what is wrong.
    #[must_use]
    pub fn is_already_running(&self) -> bool {
        matches!(self, Self::Lock(LockError::AlreadyRunning { .. } | LockError::HeldByUnknown { .. }))
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another program listens there; choose another port, or 0 for any free one")
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                Some("this machine does not have that address; `ip address` lists those it has")
            }
            Self::Listen { .. } => {
                Some("ports below 1024 are for root; choose a higher one, or 0 for any free one")
            }
            _ => None,
        }
    }
}
