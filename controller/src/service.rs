//! The two gRPC services: what clients call and what nodes call.
//!
//! A session here is a task that reads, parses and queues events for the driver; what goes the other way is
//! the session's outbox. Who may call what is decided by the connection's certificate ([`admit`]).

mod cluster;
mod fetch;
mod history;
mod nodes;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use phalanx_history::Recording;
use phalanx_profile::Role;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::inbox::Inbox;
use crate::outbox::{Marks, Relief};
use crate::programs::Library;
use crate::server::Caller;

pub(crate) use cluster::ClusterService;
pub(crate) use nodes::NodesService;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inbox: Inbox,
    pub(crate) relief: Arc<Relief>,
    pub(crate) library: Arc<Library>,
    /// None: no history is kept.
    pub(crate) recording: Option<Recording>,
    /// Questions of the history that are answered at the same time.
    history_turns: Arc<Semaphore>,
    pub(crate) client_marks: Marks,
    pub(crate) node_marks: Marks,
    sessions: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        inbox: Inbox,
        relief: Arc<Relief>,
        library: Arc<Library>,
        recording: Option<Recording>,
        results_bytes_max: u64,
    ) -> Self {
        // What waits for a node is payload, which is counted where it is held: the bound is for nodes
        // that are sent things and never read.
        let node_marks = Marks { high: 8 << 20, low: 2 << 20, max: u64::MAX };
        let high = (32 << 20).min(results_bytes_max / 2);
        let client_marks = Marks { high, low: high / 4, max: results_bytes_max };
        let history_turns = Arc::new(Semaphore::new(history::TURNS_MAX));
        Self {
            inbox,
            relief,
            library,
            recording,
            history_turns,
            client_marks,
            node_marks,
            sessions: AtomicU64::new(0),
        }
    }

    /// A number for a session, never given twice.
    fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Whether the caller may use the service for `role`.
#[allow(clippy::result_large_err, reason = "tonic's services return Status")]
fn admit(caller: &tonic::Extensions, role: Role) -> Result<(), Status> {
    match caller.get::<Caller>() {
        Some(Caller::Local) => Ok(()),
        Some(Caller::Remote(found)) if *found == role => Ok(()),
        Some(Caller::Remote(found)) => Err(Status::permission_denied(format!(
            "this connection was made with {}, {} certificate; {role}s must use {} of the profile",
            found.file_name(),
            match found {
                Role::Client => "a client's",
                Role::Engine => "an engine's",
            },
            role.file_name(),
        ))),
        None => Err(Status::permission_denied("the connection says nothing about its peer")),
    }
}
