//! Words for a session that has ended.

use tonic::Status;

/// Why a session ended, for people: gRPC's own words for a broken connection are those of HTTP/2.
#[must_use]
pub fn reason(status: &Status) -> String {
    let message = status.message();
    if message.contains("h2 protocol error") || message.contains("body from connection") {
        return "its process ended, or the network between broke".to_owned();
    }
    message.to_owned()
}
