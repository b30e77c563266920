//! What a node needs to know.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use phalanx_profile::ConnectionFile;

use crate::tags::NodeTags;
use crate::worker::ThreadLauncher;

/// Settings of a node.
#[derive(Clone)]
pub struct NodeConfig {
    /// How many engines it hosts.
    pub engines: u32,
    /// What they have.
    pub tags: NodeTags,
    /// Where the controller is.
    pub connection: Connection,
    /// Where programs are kept.
    pub programs_dir: PathBuf,
    /// How much of the disk they may take.
    pub programs_bytes_max: u64,
    /// What workers are.
    pub workers: Workers,
    /// Where what users' functions print goes.
    pub output: OutputTo,
    /// Keep trying when the controller is not there, or go away.
    pub reconnect: bool,
    /// How long a cancelled chunk may go on before its worker is ended.
    pub cancel_grace: Duration,
    /// How long a program may take from its start to `phalanx::init()`.
    pub hello_timeout: Duration,
}

impl NodeConfig {
    /// The settings of an ordinary node.
    #[must_use]
    pub fn new(engines: u32, connection: Connection, programs_dir: PathBuf) -> Self {
        Self {
            engines,
            tags: NodeTags::default(),
            connection,
            programs_dir,
            programs_bytes_max: 8 << 30,
            workers: Workers::Processes,
            output: OutputTo::Log,
            reconnect: true,
            cancel_grace: Duration::from_secs(2),
            hello_timeout: Duration::from_secs(30),
        }
    }
}

/// Where a node finds its controller.
#[derive(Clone)]
pub enum Connection {
    /// In a file that is read again at every attempt, for a controller may come back elsewhere.
    Path(PathBuf),
    /// Given once.
    File(Box<ConnectionFile>),
}

/// What runs users' functions.
#[derive(Clone)]
pub enum Workers {
    /// A process per engine and program.
    Processes,
    /// Threads of this process, for tests and debugging.
    Threads(Arc<dyn ThreadLauncher>),
}

/// Where the standard output and error of workers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputTo {
    /// To the daemon's log, a line at a time.
    Log,
    /// To this process's own, each line marked with its engine.
    Terminal,
}
