//! What a chunk's functions printed, as users see it.

use std::fmt;
use std::ops::Range;

/// Where something was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StdStream {
    /// Standard output: `println!`.
    Stdout,
    /// Standard error: `eprintln!`, and `tracing` events.
    Stderr,
}

/// What one chunk's functions wrote to one stream, in one attempt.
///
/// `Display` writes it a line at a time, each marked with its engine: `[engine 3] text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOutput {
    /// The chunk.
    pub chunk: u64,
    /// Usually 1. When chunks that take microseconds follow each other, and none had printed before, the first words are known to be from one
    /// of so many.
    pub chunks: u32,
    /// The chunk's elements.
    pub elements: Range<u64>,
    /// The engine that it ran on.
    pub engine: u32,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Where it was printed.
    pub stream: StdStream,
    /// What was printed. Bytes that are not UTF-8 are replaced; where something is missing, a line says so.
    pub text: String,
    /// How many bytes are missing, because there was too much.
    pub dropped: u64,
}

impl fmt::Display for ChunkOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.text.lines().enumerate() {
            let end = if i > 0 { "\n" } else { "" };
            write!(f, "{end}[engine {}] {line}", self.engine)?;
        }
        Ok(())
    }
}

/// The line that stands for what is missing.
pub(crate) fn gap(bytes: u64) -> String {
    format!("[… {bytes} bytes dropped …]\n")
}
