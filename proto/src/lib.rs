//! What the parts of Phalanx say to each other.
//!
//! - [`ids`]: the typed ids, used by every crate, the pure scheduler included;
//! - [`block`]: the one block split that every splitter of the project uses;
//! - [`limits`] and [`version`]: the bounds both sides of a connection agree on;
//! - [`frames`]: the link between an engine daemon and its workers; [`timings`]: when chunks ran, in both;
//! - [`stream`]: the sessions' messages on HTTP/2 (feature `grpc`);
//! - [`v1`]: the generated gRPC messages and services (feature `grpc`).

pub mod block;
pub mod frames;
#[cfg(feature = "grpc")]
pub mod heap;
pub mod host;
pub mod ids;
pub mod limits;
#[cfg(feature = "grpc")]
pub mod lost;
pub mod needs;
#[cfg(feature = "grpc")]
pub mod stream;
pub mod timings;
pub mod version;

/// Generated from `proto/phalanx/v1/phalanx.proto`.
#[cfg(feature = "grpc")]
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("phalanx.v1");
}
