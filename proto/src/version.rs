//! Versions on the wire.

/// Raised whenever a message or frame changes meaning. Peers of different versions refuse each other.
pub const PROTOCOL_VERSION: u32 = 4;

/// The version people see.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What executables built here run on, in the form of a target triple.
#[must_use]
pub fn target() -> String {
    let libc = if cfg!(target_env = "musl") {
        "musl"
    } else if cfg!(target_env = "gnu") {
        "gnu"
    } else {
        "unknown"
    };
    format!("{}-{}-{}", std::env::consts::ARCH, std::env::consts::OS, libc)
}
