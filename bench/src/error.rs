//! Why a measurement could not be made.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The cluster, as any client sees it.
    #[error(transparent)]
    Cluster(#[from] phalanx::Error),
    /// A program of ours is not where it should be.
    #[error("{} is missing: build it with `cargo build --release --workspace --bins`, or use `make bench`", .0.display())]
    NotBuilt(PathBuf),
    /// A child process could not be started.
    #[error("{} could not be started: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// A child process ended, or did not say what it should.
    #[error("{program} did not do its part: {what}\n{stderr}")]
    Child { program: String, what: String, stderr: String },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Something of the operating system.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    /// The bare gRPC connection.
    #[error("the reference connection failed: {0}")]
    Reference(String),
    /// The controller could not be asked how it is.
    #[error("the controller does not say how it is: {0}")]
    Status(String),
    /// Ranks that talk to each other.
    #[error("ranks on engines: {0}")]
    Ranks(String),
    /// What came back was not what was sent: no figure is worth anything then.
    #[error("{0}: the values are wrong; this is a bug, please report it")]
    Wrong(&'static str),
    /// It takes far longer than it ever should.
    #[error("{what} took more than {seconds} s")]
    TooSlow { what: &'static str, seconds: u64 },
    /// The scheduler core refused what was an honest input.
    #[error("the scheduler core refused an input: {0}; this is a bug, please report it")]
    Core(String),
}

impl Error {
    /// For `map_err`: the operating system's answer, with what was wanted.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
