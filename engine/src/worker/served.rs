//! How serving a worker came to an end.

use std::time::Duration;

use phalanx_proto::v1::WorkerLossKind;

use super::handle::Ended;
use crate::board::Running;

/// Why serving a worker came to an end.
pub(super) enum Served {
    /// It closed its end.
    Closed,
    /// The engine has no use for it any more.
    Dismissed,
    /// The engine wants it ended at once.
    Killed,
    /// An element ran for longer than it may.
    Overran(Running, Duration),
}

pub(super) struct Fault {
    pub(super) kind: WorkerLossKind,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn died(message: String) -> Self {
        Self { kind: WorkerLossKind::Died, message }
    }

    pub(super) fn cannot_start(message: String) -> Self {
        Self { kind: WorkerLossKind::CannotStart, message }
    }
}

pub(super) fn ended(kind: WorkerLossKind, message: impl Into<String>) -> Ended {
    Ended { kind, message: message.into(), running: None, signal: None, owes: true }
}
