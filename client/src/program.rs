//! This executable, as a program that engines can run.

use std::path::PathBuf;
use std::sync::OnceLock;

use phalanx_proto::v1::Program;
use phalanx_proto::version::target;

/// The file that this process runs, even when a build has replaced it on disk since.
pub(crate) const IMAGE: &str = "/proc/self/exe";

/// Bytes as people read them.
#[cfg(feature = "hdf5")]
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What this process runs. Hashed once; an error is a text for people.
pub(crate) fn this_program() -> Result<Program, String> {
    static THIS: OnceLock<Result<Program, String>> = OnceLock::new();
    THIS.get_or_init(|| {
        let (hash, size) = phalanx_programs::hash_file(IMAGE.as_ref())
            .map_err(|e| format!("this program cannot read its own executable: {e}"))?;
        let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from(IMAGE));
        let path = path.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
        Ok(Program { hash: hash.to_vec().into(), size, path, target: target() })
    })
    .clone()
}
