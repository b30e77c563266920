//! A cluster inside the calling program.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use phalanx_controller::{Controller, ControllerConfig, HistoryLimits};
use phalanx_engine::{Connection, Node, NodeConfig, OutputTo, Workers};
use phalanx_profile::Profile;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::worker::ThreadWorkers;

/// What runs the functions of a local cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkersAre {
    Processes,
    Threads,
}

/// A controller and a node on a thread of this process, with a profile in a temporary directory. Dropping it ends all.
pub(crate) struct LocalCluster {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    client_file: PathBuf,
    /// Removed last.
    _home: TempDir,
}

/// Begins the names of the temporary profiles; the process's id follows.
const HOME_PREFIX: &str = "phalanx-local-";

impl LocalCluster {
    pub(crate) fn start(engines: usize, workers: WorkersAre) -> Result<Self> {
        let wrong = |e: &dyn std::fmt::Display| Error::Local(e.to_string());
        let engines = u32::try_from(engines).ok().filter(|n| (1..=4096).contains(n));
        let engines = engines.ok_or_else(|| wrong(&"a cluster has 1 to 4096 engines"))?;
        remove_leftovers();
        let home = tempfile::Builder::new()
            .prefix(&format!("{HOME_PREFIX}{}-", std::process::id()))
            .tempdir()
            .map_err(|e| wrong(&e))?;
        let profile = Profile::at(home.path().join("local")).map_err(|e| wrong(&e))?;
        let client_file = profile.client_file();
        let (stop, stopped) = oneshot::channel();
        let (tell, ready) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("phalanx-local".into())
            .spawn(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(async {
                    phalanx_idle::watch();
                    // A task of its own: the runtime polls its first future only after a look at every socket.
                    let ended = tokio::spawn(run(profile, engines, workers, tell, stopped)).await;
                    ended.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
                }),
                Err(e) => drop(tell.send(Err(e.to_string()))),
            })
            .map_err(|e| wrong(&e))?;
        let cluster = Self { stop: Some(stop), thread: Some(thread), client_file, _home: home };
        match ready.recv() {
            Ok(Ok(())) => Ok(cluster),
            Ok(Err(e)) => Err(Error::Local(e)),
            Err(_) => Err(wrong(&"its thread has ended")),
        }
    }

    pub(crate) fn client_file(&self) -> PathBuf {
        self.client_file.clone()
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(
    profile: Profile,
    engines: u32,
    workers: WorkersAre,
    tell: std::sync::mpsc::SyncSender<std::result::Result<(), String>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let programs = match profile.programs_dir() {
        Ok(dir) => dir,
        Err(e) => return drop(tell.send(Err(e.to_string()))),
    };
    let engine_file = profile.engine_file();
    let mut config = ControllerConfig::local(profile);
    // It goes with its profile's folder.
    config.history = Some(HistoryLimits { survives_power_loss: false, ..HistoryLimits::default() });
    let controller = match Controller::start(config).await {
        Ok(controller) => controller,
        Err(e) => return drop(tell.send(Err(e.to_string()))),
    };
    let mut config = NodeConfig::new(engines, Connection::Path(engine_file), programs);
    config.output = OutputTo::Terminal;
    if workers == WorkersAre::Threads {
        config.workers = Workers::Threads(Arc::new(ThreadWorkers));
    }
    let (node, serving) = Node::new(config);
    let _ = tell.send(Ok(()));
    tokio::pin!(serving);
    // By the client's end, or because it wants the whole cluster to end.
    let stop_wanted = controller.stop_wanted();
    let stop = async {
        tokio::select! {
            _ = &mut stopped => {}
            () = stop_wanted => {}
        }
    };
    tokio::pin!(stop);
    let ended = tokio::select! {
        ended = &mut serving => {
            if ended.is_ok() {
                // Its engines were shut down; the controller serves on without them.
                stop.await;
            }
            ended
        }
        () = &mut stop => {
            node.stop();
            serving.await
        }
    };
    if let Err(e) = ended {
        tracing::error!("the local engines ended: {e}");
    }
    controller.shutdown().await;
}

/// A process that was killed leaves its directory; the next one tidies up.
fn remove_leftovers() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(HOME_PREFIX)).and_then(|n| n.split('-').next());
        if let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok())
            && !PathBuf::from(format!("/proc/{pid}")).exists()
        {
            // Not ours to remove when it is another user's.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
