//! A cluster as users start it: a `controller` and `engine` daemons on a profile of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use phalanx_profile::{ConnectionFile, Role};
use phalanx_proto::host;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{EngineStatus, StatusReply, StatusRequest};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::gate::Gate;
use crate::processes::{command, signal, with_variable};
use crate::wait::{DEADLINE, wait_until};

const PROFILE: &str = "test";
/// Workers end with their daemon, by the kernel's doing.
const WORKERS_END: Duration = Duration::from_secs(5);

/// Daemons on a profile. Dropping it kills them, demands that no worker is left, and shows the logs of a failed test.
#[derive(Debug)]
pub struct Cluster {
    arguments: Vec<String>,
    controller: Option<Daemon>,
    nodes: Vec<Daemon>,
    /// Logs of daemons that are gone.
    past: Vec<Daemon>,
    names: AtomicU32,
    /// Removed last.
    home: TempDir,
}

impl Cluster {
    /// A controller and, for `engines` above 0, one daemon with that many engines, all registered.
    #[must_use]
    #[track_caller]
    pub fn start(engines: u32) -> Self {
        Self::start_with(engines, &[])
    }

    /// As [`start`](Self::start), with arguments for the controller.
    #[must_use]
    #[track_caller]
    pub fn start_with(engines: u32, controller: &[&str]) -> Self {
        let home = tempfile::Builder::new().prefix("phalanx-test-").tempdir().expect("a temporary folder");
        let mut cluster = Self {
            arguments: controller.iter().map(|a| (*a).to_owned()).collect(),
            controller: None,
            nodes: Vec::new(),
            past: Vec::new(),
            names: AtomicU32::new(0),
            home,
        };
        cluster.start_controller();
        if engines > 0 {
            cluster.add_node(engines);
        }
        cluster
    }

    /// Starts the controller, as at first, and waits until it says that it is ready. What ran before must have ended.
    #[track_caller]
    pub fn start_controller(&mut self) {
        if let Some(mut before) = self.controller.take() {
            assert!(before.has_ended(), "the controller is to be started twice");
            self.past.push(before);
        }
        let mut arguments = vec!["--profile".to_owned(), PROFILE.to_owned()];
        arguments.extend(self.arguments.iter().cloned());
        let mut daemon = Daemon::start("controller", &self.fresh_name("controller"), self.home(), &arguments);
        daemon.wait_for_log("controller ready");
        self.controller = Some(daemon);
    }

    /// Starts another daemon with this many engines, waits until they are registered, and gives its index.
    #[track_caller]
    pub fn add_node(&mut self, engines: u32) -> usize {
        self.start_node(&["--profile", PROFILE, "-n", &engines.to_string()])
    }

    /// As [`add_node`](Self::add_node), with further arguments for the daemon.
    #[track_caller]
    pub fn add_node_saying(&mut self, engines: u32, arguments: &[&str]) -> usize {
        self.start_node(&[&["--profile", PROFILE, "-n", &engines.to_string()], arguments].concat())
    }

    /// As [`add_node`](Self::add_node), on a machine that has nothing but this connection file.
    #[track_caller]
    pub fn add_node_with(&mut self, connection: &Path, engines: u32) -> usize {
        let (programs, connection) =
            (self.home().join("programs-elsewhere"), connection.display().to_string());
        let programs = programs.display().to_string();
        self.start_node(&["--connection", &connection, "-n", &engines.to_string(), "--programs", &programs])
    }

    /// As [`add_node`](Self::add_node), with these arguments.
    #[track_caller]
    pub fn start_node_with(&mut self, arguments: &[&str]) -> usize {
        self.start_node(&[&["--profile", PROFILE], arguments].concat())
    }

    #[track_caller]
    fn start_node(&mut self, arguments: &[&str]) -> usize {
        let logged = ["--log", "info,phalanx_engine::node=debug"];
        let arguments = [arguments, &logged].concat();
        let mut daemon = Daemon::start("engine", &self.fresh_name("engine"), self.home(), &arguments);
        daemon.wait_for_log("registered with the controller");
        self.nodes.push(daemon);
        self.nodes.len() - 1
    }

    /// The controller.
    #[track_caller]
    pub fn controller(&mut self) -> &mut Daemon {
        self.controller.as_mut().expect("there is one from the start")
    }

    /// An engine daemon, counted from 0 in the order of their starts.
    #[track_caller]
    pub fn node(&mut self, index: usize) -> &mut Daemon {
        &mut self.nodes[index]
    }

    /// The workers of all daemons.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        self.nodes.iter().flat_map(Daemon::workers).collect()
    }

    /// `PHALANX_HOME`; tests keep files of their own here too.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The profile's name, for [`phalanx::Client::connect`].
    #[must_use]
    pub fn profile(&self) -> &'static str {
        PROFILE
    }

    /// The profile's folder.
    #[must_use]
    pub fn profile_folder(&self) -> PathBuf {
        self.home().join(PROFILE)
    }

    /// The Unix socket that the controller listens on, as its connection file says.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.client_file().endpoints.socket.expect("a controller listens on a socket of its machine").path
    }

    /// A closed gate of this name.
    #[must_use]
    pub fn gate(&self, name: &str) -> Gate {
        Gate::at(self.home().join(name))
    }

    /// What the controller says of itself.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> StatusReply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connected = phalanx_link::connect(&self.client_file(), &host::id()).await;
            let channel =
                connected.unwrap_or_else(|e| panic!("the controller cannot be reached: {e}")).channel;
            let mut client = ClusterClient::new(channel);
            let answer = tokio::time::timeout(DEADLINE, client.status(StatusRequest {})).await;
            let reply = answer.unwrap_or_else(|_| panic!("the controller does not answer"));
            reply.unwrap_or_else(|e| panic!("the controller does not say how it is: {e}")).into_inner()
        })
    }

    /// The engines that are registered.
    #[must_use]
    #[track_caller]
    pub fn engines(&self) -> Vec<EngineStatus> {
        self.status().engines
    }

    /// The ids of the engines of a daemon that are registered.
    #[must_use]
    #[track_caller]
    pub fn ids_of(&self, node: usize) -> Vec<u32> {
        let pid = self.nodes[node].pid();
        let infos = self.engines().into_iter().filter_map(|engine| engine.info);
        infos.filter(|info| info.node_pid == pid).map(|info| info.id).collect()
    }

    /// Waits until exactly so many engines are registered.
    #[track_caller]
    pub fn wait_for_engines(&self, n: usize) {
        wait_until(&format!("{n} engines are registered"), DEADLINE, || self.engines().len() == n);
    }

    /// Waits until no job is left and no engine holds a chunk.
    #[track_caller]
    pub fn wait_until_idle(&self) {
        wait_until("no job is left and every engine is free", DEADLINE, || {
            let status = self.status();
            status.jobs.is_empty() && status.engines.iter().all(|engine| engine.assigned_chunks == 0)
        });
    }

    pub(crate) fn fresh_name(&self, beginning: &str) -> String {
        format!("{beginning}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    fn client_file(&self) -> ConnectionFile {
        let path = self.profile_folder().join("client.json");
        ConnectionFile::load(path, Role::Client)
            .unwrap_or_else(|e| panic!("the controller's file is no good: {e}"))
    }

    fn print_logs(&self) {
        let mut all: Vec<&Daemon> = self.past.iter().collect();
        all.extend(&self.controller);
        all.extend(&self.nodes);
        all.iter().for_each(|daemon| daemon.print_log());
    }

    /// The processes of this cluster that are there, whoever started them: they have its home in their environment.
    fn processes(&self) -> Vec<u32> {
        with_variable(&format!("PHALANX_HOME={}", self.home().display()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.print_logs();
        }
        for daemon in self.nodes.iter().chain(&self.controller) {
            // It may have ended, with or without the test's doing.
            let _ = signal(daemon.pid(), Signal::KILL);
        }
        self.nodes.clear();
        self.controller = None;
        let until = std::time::Instant::now() + WORKERS_END;
        while !self.processes().is_empty() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let left: Vec<String> =
            self.processes().into_iter().map(|pid| format!("{pid}: {}", command(pid))).collect();
        for pid in self.processes() {
            let _ = signal(pid, Signal::KILL);
        }
        assert!(left.is_empty() || failed, "processes outlived their cluster: {left:#?}");
    }
}
