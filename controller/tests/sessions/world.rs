//! A running controller and the ways to it.

use std::time::Duration;

use phalanx_controller::{Controller, ControllerConfig};
use phalanx_link::connect;
use phalanx_profile::{ConnectionFile, Profile, Role};
use phalanx_proto::host;
use phalanx_proto::v1::cluster_client::ClusterClient;
use phalanx_proto::v1::{StatusReply, StatusRequest};
use tempfile::TempDir;
use tonic::transport::Channel;

/// Nothing here takes longer, unless it never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) controller: Controller,
    profile: Profile,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a controller that also listens on TCP, with settings of the test's choosing.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut ControllerConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let profile = Profile::at(directory.path().join("test")).unwrap();
        let mut config = ControllerConfig::local(profile.clone());
        config.listen = Some("127.0.0.1:0".parse().unwrap());
        adjust(&mut config);
        let controller = Controller::start(config).await.unwrap();
        Self { controller, profile, _directory: directory }
    }

    /// What a peer in that role has to connect with.
    pub(crate) fn file(&self, role: Role) -> ConnectionFile {
        ConnectionFile::load(self.profile.connection_file(role), role).unwrap()
    }

    /// A connection over the Unix socket.
    pub(crate) async fn channel(&self) -> Channel {
        connect(&self.file(Role::Client), &host::id()).await.unwrap().channel
    }

    /// A connection as from another machine, with that role's certificate.
    pub(crate) async fn remote(&self, role: Role) -> Channel {
        connect(&self.file(role), "another machine").await.unwrap().channel
    }

    pub(crate) async fn status(&self) -> StatusReply {
        let mut cluster = ClusterClient::new(self.channel().await);
        cluster.status(StatusRequest {}).await.unwrap().into_inner()
    }

    /// It still does its work: what every test of a fault ends with.
    pub(crate) async fn must_be_alive(&self) {
        let mut node = crate::node::Node::join(self, 1).await;
        let mut client = crate::peer::Client::join(self).await;
        let target = node.engines[0];
        client.send_direct(77, &[target], &[1, 2, 3]).await;
        let assign = node.assigned().await;
        node.answer(&assign).await;
        assert_eq!(client.values_until_finished(77).await, [(0, 2), (1, 4), (2, 6)]);
    }
}
