//! The sessions' messages on HTTP/2: gRPC's framing, without its copies.
//!
//! A gRPC library joins every message in one buffer before it is sent and again after it was received. For sessions, which carry
//! all payload, this module reads and writes the same bytes on the wire, so that any gRPC peer understands them, but
//! leaves large fields where they are: on the way out they become frames of their own ([`Outgoing`]), on the way in they are
//! slices of the buffer that they were received in ([`Incoming`]). A payload that only passes through is never copied.
//!
//! ```text
//!   message ──▶ Pieces: [prefix, small fields][payload][rest] ──▶ HTTP/2 data frames
//!   message ◀── Rope:   the frames as they arrived            ◀── HTTP/2 data frames
//! ```

mod incoming;
mod outgoing;
mod pieces;
mod rope;

pub use incoming::Incoming;
pub use outgoing::Outgoing;

/// Where a client's session is opened, its messages being `ClientMessage` and `ClientEvent`.
pub const CLIENT_SESSION: &str = "/phalanx.v1.Cluster/Session";
/// Where a node's session is opened, its messages being `NodeMessage` and `NodeCommand`.
pub const NODE_SESSION: &str = "/phalanx.v1.Nodes/Session";

/// The HTTP content type of gRPC.
pub const CONTENT_TYPE: &str = "application/grpc";

/// What precedes each message: whether it is compressed (one byte), its length (four bytes, the most significant first).
const PREFIX_BYTES: usize = 5;

#[cfg(test)]
mod tests;
