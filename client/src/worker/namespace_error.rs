//! Why a name has no value to give.

use phalanx_proto::v1::FailureKind;
use thiserror::Error;

/// A name that is not there, or not of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NamespaceError {
    /// Nothing has that name.
    #[error("engine {engine} has no value named {name:?}; it has {existing}{why}")]
    Missing {
        /// The name asked for.
        name: String,
        /// The engine asked.
        engine: u32,
        /// The names that are there.
        existing: String,
        /// Why it may be gone.
        why: String,
    },
    /// The value has another type.
    #[error("{name:?} on engine {engine} is of type {found}, not {wanted}")]
    Type {
        /// The name asked for.
        name: String,
        /// The engine asked.
        engine: u32,
        /// The type it was set with.
        found: &'static str,
        /// The type asked for.
        wanted: &'static str,
    },
    /// The value cannot be changed or taken, for somebody else may read it.
    #[error(
        "{name:?} on engine {engine} cannot be changed: a function has kept a Reference to it; let it go when the function ends, or set the name anew"
    )]
    InUse {
        /// The name asked for.
        name: String,
        /// The engine asked.
        engine: u32,
    },
}

impl NamespaceError {
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Missing { .. } => FailureKind::Name,
            Self::Type { .. } => FailureKind::Type,
            Self::InUse { .. } => FailureKind::Error,
        }
    }
}
