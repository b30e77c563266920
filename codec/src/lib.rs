//! Values to bytes and back: the only place that knows an encoding.
//!
//! Vectors and arrays of plain numbers are their raw little-endian bytes (with a small header of
//! lengths for arrays); everything else is bincode, with integers of fixed size, so that a job's elements
//! mostly have one length. Which of the two is a matter of the type alone, and both ends run the
//! same executable, so no byte is spent on saying it per element.

mod elements;
mod raw;
mod room;

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use elements::{Elements, ElementsBuilder, Lens, Slots};
pub use raw::Number;
pub use raw::{join, put_header, vector};
pub use room::reserve;

/// No value decodes to more than this, whatever its bytes claim.
const DECODED_BYTES_MAX: usize = 64 << 30;

type Config = bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
    bincode::config::Limit<DECODED_BYTES_MAX>,
>;

const CONFIG: Config = bincode::config::legacy().with_limit::<DECODED_BYTES_MAX>();

/// A value that could not be turned into bytes, or bytes that are no such value.
#[derive(Debug, Clone, Error)]
pub enum CodecError {
    /// The value's `Serialize` gave up.
    #[error("a {type_name} could not be encoded: {message}")]
    Encode {
        /// The value's type.
        type_name: &'static str,
        /// What it said.
        message: String,
    },
    /// The bytes are not such a value.
    #[error("{bytes} bytes are not a {type_name}: {message}")]
    Decode {
        /// The wanted type.
        type_name: &'static str,
        /// How many there were.
        bytes: usize,
        /// What it said.
        message: String,
    },
}

/// What can cross to an engine and back: any owned serde type.
pub trait Value: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {}

/// Whether values of this type travel as they lie in memory.
pub fn is_raw<T: 'static>() -> bool {
    raw::is_raw(std::any::TypeId::of::<T>())
}

/// Appends the value's bytes.
pub fn encode<T: Serialize + 'static>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    if raw::encode(value as &dyn Any, out) {
        return Ok(());
    }
    let before = out.len();
    bincode::serde::encode_into_std_write(value, out, CONFIG).map_err(|e| {
        out.truncate(before);
        CodecError::Encode { type_name: std::any::type_name::<T>(), message: e.to_string() }
    })?;
    Ok(())
}

/// The value whose bytes these are, all of them.
pub fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T, CodecError> {
    let error = |message: String| CodecError::Decode {
        type_name: std::any::type_name::<T>(),
        bytes: bytes.len(),
        message,
    };
    match raw::decode::<T>(bytes) {
        Some(Ok(value)) => return Ok(value),
        Some(Err(message)) => return Err(error(message)),
        None => {}
    }
    let (value, used) =
        bincode::serde::decode_from_slice::<T, _>(bytes, CONFIG).map_err(|e| error(e.to_string()))?;
    if used != bytes.len() {
        return Err(error(format!("{} bytes are left over", bytes.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
