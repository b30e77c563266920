//! A controller on a temporary profile, spoken to by clients and nodes that are nothing but gRPC:
//! what they see is what the wire promises, and whatever they do, the controller lives on.

#![allow(clippy::unwrap_used, reason = "what is unwrapped here is what is tested")]

mod faults;
mod history;
mod jobs;
mod kept;
mod node;
mod peer;
mod programs;
mod refusals;
mod world;
