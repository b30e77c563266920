//! What people and peers get wrong: each gives one clear error that says what to do, and the daemons live on.
//!
//! - [`connecting`]: profiles, connection files, certificates;
//! - [`peers`]: other versions, other roles, messages no honest peer sends, bytes that are no messages;
//! - [`programs`]: programs that cannot run on a node, or never say hello;
//! - [`closures`]: a closure that captures does not compile, and says why;
//! - [`saving`]: results that cannot be written.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

mod closures;
mod connecting;
mod peers;
mod programs;
mod saving;
mod wire;

use phalanx_tests::{Cluster, Program};

/// Proves that the cluster works: a program calls all four engines through both views.
#[track_caller]
fn assert_it_works(cluster: &Cluster) {
    let done = Program::run(cluster, "scenarios", &["connect", cluster.profile(), "notebook::products"]);
    assert_eq!(done.stdout, "notebook::products\n");
}

/// The error's text, which must have all these parts.
#[track_caller]
fn assert_says(error: &impl std::fmt::Display, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}
