//! A bounded, content-addressed store of executables in one directory.
//!
//! The controller keeps what clients uploaded in it, a node keeps what its workers are started
//! from. A program's name is the BLAKE3 hash of its bytes, and nothing gets a name here before its
//! bytes were hashed, so what [`Store::get`] returns is what was asked for.
//!
//! ```text
//!   insert_copy(hash, file) ─┐
//!                            ├─▶ temporary file ─▶ hash checked ─▶ mode 0500 ─▶ renamed ─▶ old ones evicted
//!   begin · write … · finish ┘
//! ```
//!
//! Several processes may share the directory: files appear by renaming, temporary files are locked
//! while they grow, and removing a file that somebody runs does not disturb who runs it. All of it
//! blocks on the disk: async callers go through `spawn_blocking`.

mod error;
mod hash;
mod receiver;
mod store;

pub use error::StoreError;
pub use hash::{Hash, hash_file, hex};
pub use receiver::Receiver;
pub use store::Store;
