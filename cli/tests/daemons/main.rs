//! The commands and what is in `deploy/`, with the real daemons, a real sshd and systemd's own judgement.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

mod cluster;
mod commands;
mod deploy;
mod units;
