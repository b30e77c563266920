//! Asking the controller what it holds.

use std::path::Path;
use std::time::{Duration, Instant};

use phalanx_profile::{ConnectionFile, Role};
use phalanx_proto::host;
use phalanx_proto::v1::StatusRequest;
use phalanx_proto::v1::cluster_client::ClusterClient;

use crate::error::Error;

/// Waits until the controller holds at least `bytes` of arguments: until a job has arrived there.
pub(crate) fn wait_for_payload(client_file: &Path, bytes: u64) -> Result<(), Error> {
    let file = ConnectionFile::load(client_file, Role::Client).map_err(|e| Error::Status(e.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::system("a runtime"))?.block_on(async {
        let connected =
            phalanx_link::connect(&file, &host::id()).await.map_err(|e| Error::Status(e.to_string()))?;
        let mut cluster = ClusterClient::new(connected.channel);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let reply =
                cluster.status(StatusRequest {}).await.map_err(|e| Error::Status(e.message().to_owned()))?;
            if reply.into_inner().payload_bytes >= bytes {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Error::TooSlow { what: "sending a job's arguments to the controller", seconds: 60 })
    })
}
