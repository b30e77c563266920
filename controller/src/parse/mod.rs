//! Peers' messages, checked at the edge: what gets past here is consistent in itself.
//!
//! Nothing that a peer sends may make the controller panic or allocate without bound. What no
//! honest peer sends ends its session ([`Refused`] becomes its `Goodbye`); what is too long to be
//! shown is clipped.

mod client;
mod control;
mod node;
mod peer;
mod report;

pub(crate) use client::{
    After, ClientSaid, Hello, PurgeWanted, Submission, parse_client, parse_hello, parse_purge,
};
pub(crate) use control::{Control, Wish};
pub(crate) use node::{Handback, NodeSaid, Registration, parse_node, parse_registration};
pub(crate) use peer::{PeerInfo, ProgramInfo, own_peer, parse_hash};
pub(crate) use report::NodeReport;

use phalanx_proto::v1::{Goodbye, Refusal};

/// Why a session or a job is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Refusal,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: Refusal, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A message that no honest peer sends.
    pub(crate) fn malformed(what: impl std::fmt::Display) -> Self {
        let message = format!(
            "the controller got a message that makes no sense: {what}; if both sides are unmodified Phalanx, please report this"
        );
        Self::new(Refusal::Malformed, message)
    }

    pub(crate) fn goodbye(self) -> Goodbye {
        Goodbye { code: self.code.into(), message: self.message }
    }
}

/// `Err` with `what` unless `good`.
fn demand(good: bool, what: &str) -> Result<(), Refused> {
    if good { Ok(()) } else { Err(Refused::malformed(what)) }
}

#[cfg(test)]
mod tests;
