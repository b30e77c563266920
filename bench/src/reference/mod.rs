//! What a cluster is measured against: a bare tonic server in a process of its own, over a Unix socket, with the
//! windows and limits that the cluster uses.

mod bare;
mod server;

pub(crate) use bare::Bare;
pub(crate) use server::serve;

/// Generated from `proto/reference.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod wire {
    tonic::include_proto!("phalanx.bench");
}

/// The windows of a stream and of a connection, and the largest frame, as the cluster has them.
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// What a stream's messages carry.
const STREAM_MESSAGE_BYTES: usize = 4 << 20;
/// With room for a message's head.
const MESSAGE_BYTES_MAX: usize = STREAM_MESSAGE_BYTES + (64 << 10);
