//! Getting a program onto this machine: from the cache, from the client's process when it runs here, or through the controller.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phalanx_programs::Store;
use phalanx_proto::limits::PROGRAM_BYTES_MAX;
use phalanx_proto::v1::{Program, ProgramRequest, nodes_client::NodesClient};
use phalanx_proto::version::target;
use tokio::sync::{Mutex, OnceCell};
use tonic::transport::Channel;

/// A program's BLAKE3 hash.
pub(crate) type Hash = [u8; 32];

/// Where a program can be had.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) program: Program,
    pub(crate) hash: Hash,
    pub(crate) client_host_id: String,
    pub(crate) client_pid: u32,
}

/// The node's programs. What is asked for twice at once is fetched once.
pub(crate) struct Programs {
    store: Arc<Store>,
    host_id: String,
    channel: Channel,
    found: Mutex<HashMap<Hash, Arc<OnceCell<PathBuf>>>>,
}

impl Programs {
    pub(crate) fn new(store: Arc<Store>, host_id: String, channel: Channel) -> Self {
        Self { store, host_id, channel, found: Mutex::default() }
    }

    /// The program's path on this machine. An error is a text for people.
    pub(crate) async fn obtain(&self, origin: &Origin) -> Result<PathBuf, String> {
        check_target(&origin.program)?;
        let cell = Arc::clone(self.found.lock().await.entry(origin.hash).or_default());
        if let Some(path) = cell.get()
            && !path.exists()
        {
            // It was pushed out of the cache: look for it again.
            self.found.lock().await.remove(&origin.hash);
            return Box::pin(self.obtain(origin)).await;
        }
        cell.get_or_try_init(|| self.search(origin)).await.cloned()
    }

    async fn search(&self, origin: &Origin) -> Result<PathBuf, String> {
        let (store, origin_here) = (Arc::clone(&self.store), origin.clone());
        let here = origin.client_host_id == self.host_id;
        let local = tokio::task::spawn_blocking(move || from_this_machine(&store, &origin_here, here));
        match local.await.map_err(|e| e.to_string())? {
            Some(path) => Ok(path),
            None => self.fetch(origin).await,
        }
    }

    async fn fetch(&self, origin: &Origin) -> Result<PathBuf, String> {
        let name = &origin.program.path;
        let failed = |e: &dyn std::fmt::Display| {
            format!("the program {name} could not be fetched from the controller: {e}")
        };
        if origin.program.size > PROGRAM_BYTES_MAX {
            return Err(format!(
                "the program {name} has {} bytes, over the limit of {PROGRAM_BYTES_MAX}",
                origin.program.size
            ));
        }
        let request = ProgramRequest { hash: origin.hash.to_vec().into(), host_id: self.host_id.clone() };
        let mut client = NodesClient::new(self.channel.clone());
        let mut pieces = client.fetch_program(request).await.map_err(|e| failed(&e.message()))?.into_inner();
        let mut receiver = self.store.begin(&origin.hash, origin.program.size).map_err(|e| failed(&e))?;
        while let Some(piece) = pieces.message().await.map_err(|e| failed(&e.message()))? {
            receiver = tokio::task::spawn_blocking(move || receiver.write(&piece.data).map(|()| receiver))
                .await
                .map_err(|e| failed(&e))?
                .map_err(|e| failed(&e))?;
        }
        tokio::task::spawn_blocking(move || receiver.finish())
            .await
            .map_err(|e| failed(&e))?
            .map_err(|e| failed(&e))
    }
}

/// From the cache; else copied from the client's own process, which is the very file it runs, even
/// when a build has replaced that file since; else from its path.
fn from_this_machine(store: &Store, origin: &Origin, client_is_here: bool) -> Option<PathBuf> {
    if let Some(path) = store.get(&origin.hash) {
        return Some(path);
    }
    if !client_is_here {
        return None;
    }
    let image = PathBuf::from(format!("/proc/{}/exe", origin.client_pid));
    [image.as_path(), Path::new(&origin.program.path)].into_iter().find_map(|path| {
        match store.insert_copy(&origin.hash, path) {
            Ok(path) => Some(path),
            Err(e) => {
                tracing::debug!("{} is not to be had from {}: {e}", origin.program.path, path.display());
                None
            }
        }
    })
}

fn check_target(program: &Program) -> Result<(), String> {
    let here = target();
    if program.target == here {
        return Ok(());
    }
    Err(format!(
        "the program {} was built for {}, this node runs {here}\n  Build it for {here}, or ask for engines on other nodes",
        program.path, program.target
    ))
}
