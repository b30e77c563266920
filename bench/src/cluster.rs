//! A cluster as users run it: a `controller` and an `engine` daemon, in a profile that is gone afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use phalanx::Client;
use tempfile::TempDir;

use crate::daemons::{Daemons, PROFILE};
use crate::error::Error;

/// Daemons and a client. Dropping it ends all three, in this order: the client, the daemons, the folder.
pub(crate) struct Cluster {
    client: Client,
    daemons: Daemons,
    home: TempDir,
}

impl Cluster {
    /// Starts a cluster of `engines` engines and connects to it.
    pub(crate) fn start(engines: u32) -> Result<Self, Error> {
        Self::start_with(engines, &[])
    }

    /// As [`start`](Self::start), with arguments for the controller.
    pub(crate) fn start_with(engines: u32, controller: &[&str]) -> Result<Self, Error> {
        let home =
            tempfile::Builder::new().prefix("phalanx-bench-").tempdir().map_err(Error::system("a folder"))?;
        let daemons = Daemons::start(home.path(), engines, controller)?;
        let client = Client::connect_file(home.path().join(PROFILE).join("client.json"))?;
        let cluster = Self { client, daemons, home };
        cluster.client.wait_for_engines(engines as usize, Duration::from_secs(30))?;
        Ok(cluster)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The daemons' process ids.
    pub(crate) fn controller(&self) -> u32 {
        self.daemons.pids.controller
    }

    pub(crate) fn engine(&self) -> u32 {
        self.daemons.pids.engine
    }

    pub(crate) fn client_file(&self) -> PathBuf {
        self.home.path().join(PROFILE).join("client.json")
    }

    /// A place for files that workers are told of.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }
}
