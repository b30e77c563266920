//! The name of a program: the BLAKE3 hash of its bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::StoreError;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Enough at a time for every SIMD lane of BLAKE3, small enough to stay in the cache.
const READ_BYTES: usize = 256 << 10;

/// The hash and the size of a file, read once from end to end.
///
/// # Errors
/// When the file cannot be read.
pub fn hash_file(path: &Path) -> Result<(Hash, u64), StoreError> {
    let mut file = File::open(path).map_err(StoreError::at(path))?;
    hash_reader(&mut file).map_err(StoreError::at(path))
}

pub(crate) fn hash_reader(file: &mut File) -> std::io::Result<(Hash, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((*hasher.finalize().as_bytes(), size)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// A hash as people and file names write it: 64 hexadecimal digits.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}
