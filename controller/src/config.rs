//! How a controller is to run.

use std::net::SocketAddr;

use phalanx_history::HistoryLimits;
use phalanx_profile::Profile;

use crate::limits::Limits;

/// What a controller needs to start.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// The profile it serves: its directory holds the socket, the keys and the connection files.
    pub profile: Profile,
    /// Where to listen for other machines, with TLS. `None`: only the Unix socket.
    pub listen: Option<SocketAddr>,
    /// Names and addresses under which other machines reach this one. Empty: the address listened on, or
    /// this host's name when that is all addresses.
    pub advertise: Vec<String>,
    /// Settings of the scheduler, the heartbeat's among them.
    pub scheduler: phalanx_scheduler::Config,
    /// Bounds.
    pub limits: Limits,
    /// How much of the history of jobs is kept in the profile. `None`: none is.
    pub history: Option<HistoryLimits>,
}

impl ControllerConfig {
    /// A controller for this machine alone, with default settings.
    #[must_use]
    pub fn local(profile: Profile) -> Self {
        Self {
            profile,
            listen: None,
            advertise: Vec::new(),
            scheduler: phalanx_scheduler::Config::default(),
            limits: Limits::default(),
            history: Some(HistoryLimits::default()),
        }
    }
}
