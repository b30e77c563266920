//! The bounds that both ends of a connection keep. Names carry their unit.

/// The largest gRPC message either side accepts.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Payload is cut into parts of this size, so that no message holds up the others for long.
pub const PART_BYTES: usize = 512 << 10;

/// What is read of a connection between processes of one machine at once, if so much is there: many small messages, or most of a report.
pub const READ_AHEAD_BYTES: usize = 64 << 10;

/// The largest frame between an engine daemon and a worker.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// The most chunks one run names.
pub const RUN_CHUNKS_MAX: u32 = 16_384;

/// The most elements in one chunk; a chunk's offsets are 32 bits.
pub const CHUNK_ELEMENTS_MAX: u64 = u32::MAX as u64;

/// The most failures that one report tells: one that a worker sends holds no more, nor other fields than data that grow with its elements.
pub const REPORT_FAILURES_MAX: usize = 100_000;

/// The most elements of a chunk of which only some are run, by their offsets.
pub const ONLY_MAX: u64 = 1 << 20;

/// The most engines one node may register.
pub const NODE_ENGINES_MAX: u32 = 4_096;

/// The most elements in one job.
pub const JOB_ELEMENTS_MAX: u64 = 1 << 48;

/// Longest text that a peer may make us keep or show: messages, labels, backtraces.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// The most that one message carries of what user code wrote.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// The largest program that is carried to nodes.
pub const PROGRAM_BYTES_MAX: u64 = 4 << 30;

/// The most tags that an engine has, or that a job asks for.
pub const TAGS_MAX: usize = 64;

/// Longest name of a tag.
pub const TAG_NAME_BYTES_MAX: usize = 64;

/// Longest value of a tag.
pub const TAG_VALUE_BYTES_MAX: usize = 256;

/// Whether a text can be a tag's name: letters, digits, `_`, `-` and `.`.
#[must_use]
pub fn is_tag_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Cuts a text to `max` bytes at a character's boundary, saying that it was cut.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} … ({} bytes more)", &text[..end], text.len() - end)
}
