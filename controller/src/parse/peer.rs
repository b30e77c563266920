//! Who speaks, and the program it speaks for.

use std::process;

use phalanx_programs::Hash;
use phalanx_proto::host;
use phalanx_proto::limits::{PROGRAM_BYTES_MAX, TEXT_BYTES_MAX, clip};
use phalanx_proto::v1::{Peer, Program, Refusal};
use phalanx_proto::version::{PROTOCOL_VERSION, VERSION};

use super::{Refused, demand};

/// Longest name of a host, a version or a target.
const NAME_BYTES_MAX: usize = 256;

/// A peer that speaks our protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerInfo {
    pub(crate) version: String,
    pub(crate) host: String,
    pub(crate) host_id: String,
    pub(crate) pid: u32,
}

impl PeerInfo {
    /// `kind` is what the peer is to people: "client" or "engine".
    pub(crate) fn parse(peer: Option<Peer>, kind: &str) -> Result<Self, Refused> {
        let peer = peer.ok_or_else(|| Refused::malformed("a greeting that does not say who greets"))?;
        if peer.protocol != PROTOCOL_VERSION {
            return Err(wrong_version(&peer, kind));
        }
        Ok(Self {
            version: clip(&peer.version, NAME_BYTES_MAX),
            host: clip(&peer.host, NAME_BYTES_MAX),
            host_id: clip(&peer.host_id, NAME_BYTES_MAX),
            pid: peer.pid,
        })
    }
}

fn wrong_version(peer: &Peer, kind: &str) -> Refused {
    let theirs = clip(&peer.version, 64);
    let (older, remedy) = if peer.protocol < PROTOCOL_VERSION {
        (kind, format!("upgrade the {kind} to {VERSION}"))
    } else {
        ("controller", format!("upgrade the controller to {theirs} and restart it"))
    };
    Refused::new(
        Refusal::Version,
        format!(
            "the {kind} on {} is version {theirs} (protocol {}) and the controller version {VERSION} (protocol {PROTOCOL_VERSION}): the {older} is the older one; {remedy}",
            clip(&peer.host, 64),
            peer.protocol,
        ),
    )
}

/// The controller, as it introduces itself.
pub(crate) fn own_peer() -> Peer {
    Peer {
        protocol: PROTOCOL_VERSION,
        version: VERSION.to_owned(),
        host: host::name(),
        host_id: host::id(),
        pid: process::id(),
    }
}

/// An executable that a client announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramInfo {
    pub(crate) hash: Hash,
    pub(crate) size: u64,
    pub(crate) path: String,
    pub(crate) target: String,
}

impl ProgramInfo {
    pub(crate) fn parse(program: Option<Program>) -> Result<Self, Refused> {
        let program = program.ok_or_else(|| Refused::malformed("a greeting without a program"))?;
        demand(program.size > 0, "a program of no bytes")?;
        if program.size > PROGRAM_BYTES_MAX {
            let text = format!(
                "the program has {} bytes and at most {PROGRAM_BYTES_MAX} are carried to engines; build it without debug information, or strip it",
                program.size
            );
            return Err(Refused::new(Refusal::Limit, text));
        }
        Ok(Self {
            hash: parse_hash(&program.hash)?,
            size: program.size,
            path: clip(&program.path, TEXT_BYTES_MAX),
            target: clip(&program.target, NAME_BYTES_MAX),
        })
    }

    pub(crate) fn to_wire(&self) -> Program {
        Program {
            hash: self.hash.to_vec().into(),
            size: self.size,
            path: self.path.clone(),
            target: self.target.clone(),
        }
    }
}

pub(crate) fn parse_hash(bytes: &[u8]) -> Result<Hash, Refused> {
    bytes.try_into().map_err(|_| Refused::malformed(format_args!("a hash of {} bytes", bytes.len())))
}
