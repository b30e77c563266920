//! What has become of jobs and their chunks: an SQLite file of the profile that survives the controller.
//!
//! ```text
//!   driver ── Recorder ──▶ bounded queue ──▶ writer thread ──▶ history.sqlite ◀── Reader ◀── controller's answers,
//!             (a push)      (full: counted)   (a transaction                              `phalanx history` when
//!                                              per batch, prunes)                         the controller is stopped
//! ```
//!
//! History never holds up the work that it is about: a [`Recorder`] only pushes small notes into a queue, once per turn of
//! the driver. When the disk is too slow, full or read-only, notes that do not fit are counted and gone, and the count is kept in
//! the file. The writer merges what belongs together: one row per job, one per report, which is a run of neighbouring chunks.
//!
//! - `note`, `queue`, `recorder`: what the controller tells;
//! - `schema`, `writer`, `store`, `prune`: what becomes of it;
//! - `query`, `chunk_query`, `id_part`: what is asked; `reader`, `connect`, `filter`, `rows`, `record`: what is answered; `wire`: the same on a
//!   connection.

mod chunk_query;
mod connect;
mod filter;
mod id_part;
mod note;
mod prune;
mod query;
mod queue;
mod read_error;
mod reader;
mod record;
mod recorder;
mod rows;
mod schema;
mod store;
pub mod wire;
mod writer;

pub use chunk_query::ChunkQuery;
pub use note::{ChunkNote, JobNote, Note, Trouble};
pub use query::{FilterError, HistoryQuery, QUERY_ROWS_MAX};
pub use read_error::ReadError;
pub use reader::{ChunkCursor, JobCursor, Page, Reader};
pub use record::{ChunkRecord, ChunkStatus, JobRecord, JobState};
pub use recorder::{History, HistoryLimits, Recorder, Recording};

/// The file's name in a profile's directory.
pub const FILE_NAME: &str = "history.sqlite";
