//! Executables on their way from clients to nodes.
//!
//! A node that lacks a program asks here. It comes from the store, else from the client's file when
//! the client runs on this host, else the client is asked for it, once, however many nodes wait:
//!
//! ```text
//!   FetchProgram ─▶ Library ─▶ Store                              (had it)
//!                      ├─────▶ /proc/PID/exe of a client here ─▶ Store
//!                      └─────▶ NeedProgram ─▶ client ─▶ UploadProgram ─▶ Store
//! ```

mod upload;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phalanx_programs::{Hash, Store, StoreError, hex};
use phalanx_proto::host;
use phalanx_proto::ids::ClientId;
use phalanx_proto::v1::client_event::Kind;
use phalanx_proto::v1::{ClientEvent, NeedProgram, Program};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::outbox::Outbox;
use crate::parse::Hello;
pub(crate) use upload::{Upload, UploadError};

/// A client that sends nothing of its program for this long will not send it.
const STALL: Duration = Duration::from_secs(30);

/// Why a program cannot be had.
#[derive(Debug, Clone, Error)]
#[error("the program {hash} cannot be had: {reason}")]
pub(crate) struct FetchError {
    hash: String,
    reason: Arc<str>,
}

/// A client that has a program.
#[derive(Debug, Clone)]
struct Source {
    client: ClientId,
    program: Program,
    host_id: String,
    pid: u32,
    outbox: Outbox<ClientEvent>,
}

/// How an upload stands.
#[derive(Debug, Clone)]
enum Progress {
    Asked,
    Receiving,
    Stored(PathBuf),
    Failed(Arc<str>),
}

type Outcome = Option<Result<PathBuf, Arc<str>>>;

/// A program that nodes wait for.
#[derive(Debug)]
struct Wanted {
    outcome: watch::Sender<Outcome>,
    progress: watch::Sender<Progress>,
    /// Who was asked for it.
    asked: Option<ClientId>,
    receiving: bool,
}

#[derive(Debug, Default)]
struct State {
    sources: HashMap<Hash, Vec<Source>>,
    wanted: HashMap<Hash, Wanted>,
}

/// The store, and who has what is not in it.
#[derive(Debug)]
pub(crate) struct Library {
    store: Store,
    host_id: String,
    state: Mutex<State>,
}

impl Library {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, host_id: host::id(), state: Mutex::default() }
    }

    /// A client has come that has a program.
    pub(crate) fn announce(&self, client: ClientId, hello: &Hello, outbox: Outbox<ClientEvent>) {
        let (program, peer) = (hello.program.to_wire(), &hello.peer);
        let source = Source { client, program, host_id: peer.host_id.clone(), pid: peer.pid, outbox };
        self.state().sources.entry(hello.program.hash).or_default().push(source);
    }

    /// A client has gone.
    pub(crate) fn withdraw(&self, client: ClientId) {
        let mut state = self.state();
        state.sources.retain(|_, sources| {
            sources.retain(|source| source.client != client);
            !sources.is_empty()
        });
        for wanted in state.wanted.values().filter(|w| w.asked == Some(client)) {
            wanted.progress.send_replace(Progress::Failed("the client that has it went away".into()));
        }
    }

    /// Where the program is, once it is here.
    pub(crate) async fn find(self: &Arc<Self>, hash: Hash) -> Result<PathBuf, FetchError> {
        let mut outcome = {
            let mut state = self.state();
            if let Some(wanted) = state.wanted.get(&hash) {
                wanted.outcome.subscribe()
            } else {
                let (outcome, receiver) = watch::channel(None);
                let (progress, _) = watch::channel(Progress::Asked);
                state.wanted.insert(hash, Wanted { outcome, progress, asked: None, receiving: false });
                tokio::spawn(Arc::clone(self).acquire(hash));
                receiver
            }
        };
        let found = outcome.wait_for(Option::is_some).await.ok().and_then(|o| o.clone());
        let found = found.unwrap_or_else(|| Err("the controller is shutting down".into()));
        found.map_err(|reason| FetchError { hash: hex(&hash), reason })
    }

    /// Gets the program into the store and tells all who wait.
    async fn acquire(self: Arc<Self>, hash: Hash) {
        let outcome = self.obtain(hash).await;
        match &outcome {
            Ok(path) => tracing::debug!(program = %hex(&hash), path = %path.display(), "a program is here"),
            Err(reason) => tracing::warn!(program = %hex(&hash), %reason, "a program cannot be had"),
        }
        if let Some(wanted) = self.state().wanted.remove(&hash) {
            wanted.outcome.send_replace(Some(outcome));
        }
    }

    async fn obtain(&self, hash: Hash) -> Result<PathBuf, Arc<str>> {
        if let Some(path) = self.stored(hash).await {
            return Ok(path);
        }
        let mut why: Arc<str> = "no client that has it is connected any more; start the client again".into();
        let mut tried = Vec::new();
        loop {
            let source = {
                let state = self.state();
                let sources = state.sources.get(&hash).into_iter().flatten();
                sources
                    .filter(|s| !tried.contains(&s.client))
                    .min_by_key(|s| s.host_id != self.host_id)
                    .cloned()
            };
            let Some(source) = source else { return Err(why) };
            tried.push(source.client);
            if source.host_id == self.host_id {
                match self.copy(hash, &source).await {
                    Ok(path) => return Ok(path),
                    Err(e) => {
                        tracing::debug!(error = %e, "copying the client's program failed; asking for it")
                    }
                }
            }
            match self.ask(hash, &source).await {
                Ok(path) => return Ok(path),
                Err(reason) => why = reason,
            }
        }
    }

    async fn stored(&self, hash: Hash) -> Option<PathBuf> {
        let store = self.store.clone();
        spawn_blocking(move || store.get(&hash)).await.ok().flatten()
    }

    /// Copies the file of a client on this host: what it runs, even when its file was rebuilt since.
    async fn copy(&self, hash: Hash, source: &Source) -> Result<PathBuf, StoreError> {
        let (store, pid) = (self.store.clone(), source.pid);
        let path = PathBuf::from(&source.program.path);
        let copied = spawn_blocking(move || {
            let running = format!("/proc/{pid}/exe");
            store.insert_copy(&hash, Path::new(&running)).or_else(|_| store.insert_copy(&hash, &path))
        });
        copied.await.unwrap_or_else(|e| {
            let path = source.program.path.clone().into();
            Err(StoreError::Io { path, source: std::io::Error::other(e) })
        })
    }

    /// Asks a client to upload its program and waits for as long as it makes progress.
    async fn ask(&self, hash: Hash, source: &Source) -> Result<PathBuf, Arc<str>> {
        let mut progress = {
            let mut state = self.state();
            let wanted =
                state.wanted.get_mut(&hash).ok_or_else(|| Arc::from("nobody waits for it any more"))?;
            wanted.asked = Some(source.client);
            wanted.receiving = false;
            wanted.progress.send_replace(Progress::Asked);
            wanted.progress.subscribe()
        };
        let need = NeedProgram { hash: hash.to_vec().into() };
        source.outbox.push(ClientEvent { kind: Some(Kind::NeedProgram(need)), crowded: false }, 0);
        loop {
            if tokio::time::timeout(STALL, progress.changed()).await.is_err() {
                return Err(format!(
                    "the client was asked for it and sent nothing for {} s",
                    STALL.as_secs()
                )
                .into());
            }
            let now = progress.borrow_and_update().clone();
            match now {
                Progress::Asked | Progress::Receiving => {}
                Progress::Stored(path) => return Ok(path),
                Progress::Failed(reason) => return Err(reason),
            }
        }
    }

    /// What was announced about a program, for those it is sent to.
    pub(crate) fn describe(&self, hash: &Hash, size: u64) -> Program {
        let known =
            self.state().sources.get(hash).and_then(|sources| sources.first().map(|s| s.program.clone()));
        let blank = Program { hash: hash.to_vec().into(), ..Program::default() };
        Program { size, ..known.unwrap_or(blank) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
