//! What went wrong where a user's function ran.

use std::fmt;

use phalanx_proto::v1::FailureKind;

/// Why one element has no result. What its chunk had printed: [`JobHandle::output_of`](crate::JobHandle::output_of).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// Which element of the job (for a call on engines: which target).
    pub element: u64,
    /// The engine that it happened on, when there was one.
    pub engine: Option<u32>,
    /// Which attempt it was.
    pub attempt: u32,
    /// Whose fault it is.
    pub kind: RemoteErrorKind,
    /// What was said.
    pub message: String,
    /// Where: `file:line:column`, for a panic.
    pub location: String,
    /// The backtrace of a panic, for the first few.
    pub backtrace: String,
}

/// Whose fault a [`RemoteError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// The function panicked.
    Panic,
    /// The function returned an error.
    Error,
    /// A name is missing in the engine's namespace.
    Name,
    /// A name holds a value of another type.
    Type,
    /// An argument or result could not be encoded or decoded.
    Codec,
    /// The engine went away.
    EngineLost,
    /// The worker died.
    WorkerLost,
    /// The element's chunk was lost with too many workers.
    Quarantined,
    /// The program cannot run there.
    Program,
    /// The job was cancelled.
    Cancelled,
    /// It ran for longer than its job allows.
    RunLimit,
    /// Something a newer controller knows of.
    Other,
}

impl RemoteErrorKind {
    pub(crate) fn from_wire(kind: i32) -> Self {
        match FailureKind::try_from(kind) {
            Ok(FailureKind::Panic) => Self::Panic,
            Ok(FailureKind::Error) => Self::Error,
            Ok(FailureKind::Name) => Self::Name,
            Ok(FailureKind::Type) => Self::Type,
            Ok(FailureKind::Decode) => Self::Codec,
            Ok(FailureKind::EngineLost) => Self::EngineLost,
            Ok(FailureKind::WorkerLost) => Self::WorkerLost,
            Ok(FailureKind::Quarantined) => Self::Quarantined,
            Ok(FailureKind::Program) => Self::Program,
            Ok(FailureKind::Cancelled) => Self::Cancelled,
            Ok(FailureKind::RunLimit) => Self::RunLimit,
            Ok(FailureKind::Unspecified) | Err(_) => Self::Other,
        }
    }

    /// A word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Error => "error",
            Self::Name => "name error",
            Self::Type => "type error",
            Self::Codec => "codec error",
            Self::EngineLost => "engine lost",
            Self::WorkerLost => "worker lost",
            Self::Quarantined => "quarantined",
            Self::Program => "program cannot run",
            Self::Cancelled => "cancelled",
            Self::RunLimit => "run limit",
            Self::Other => "failed",
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {}", self.element)?;
        if let Some(engine) = self.engine {
            write!(f, " on engine {engine}")?;
        }
        if self.attempt > 1 {
            write!(f, ", attempt {}", self.attempt)?;
        }
        write!(f, ": {}: {}", self.kind.as_str(), self.message)?;
        if !self.location.is_empty() {
            write!(f, " (at {})", self.location)?;
        }
        Ok(())
    }
}

impl std::error::Error for RemoteError {}

/// All elements of a job that have no result: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteErrors {
    /// In the order of the elements.
    pub errors: Vec<RemoteError>,
    /// How many elements the job has.
    pub elements: u64,
}

/// How many are printed.
const SHOWN_MAX: usize = 4;

impl fmt::Display for RemoteErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.errors.as_slice() {
            write!(f, "{one}")?;
        } else {
            write!(f, "{} of {} elements failed:", self.errors.len(), self.elements)?;
            for e in self.errors.iter().take(SHOWN_MAX) {
                write!(f, "\n  {e}")?;
            }
            if self.errors.len() > SHOWN_MAX {
                write!(f, "\n  … and {} more", self.errors.len() - SHOWN_MAX)?;
            }
        }
        match self.errors.iter().find(|e| !e.backtrace.is_empty()) {
            Some(e) => write!(f, "\nBacktrace of element {}:\n{}", e.element, e.backtrace.trim_end()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RemoteErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(element: u64) -> RemoteError {
        RemoteError {
            element,
            engine: Some(2),
            attempt: 1,
            kind: RemoteErrorKind::Panic,
            message: "broken".into(),
            location: "src/main.rs:3:5".into(),
            backtrace: String::new(),
        }
    }

    #[test]
    fn one_error_is_a_line_and_many_are_counted() {
        let one = RemoteErrors { errors: vec![remote(7)], elements: 10 };
        assert_eq!(one.to_string(), "element 7 on engine 2: panic: broken (at src/main.rs:3:5)");
        let many = RemoteErrors { errors: (0..6).map(remote).collect(), elements: 10 };
        let text = many.to_string();
        assert!(text.starts_with("6 of 10 elements failed:\n  element 0"), "{text}");
        assert!(text.ends_with("… and 2 more"), "{text}");
    }
}
