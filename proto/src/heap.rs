//! How the process's heap treats large buffers.

#[cfg(target_env = "gnu")]
static ONCE: std::sync::Once = std::sync::Once::new();

/// Freed memory up to this much stays with the process, ready for the next payload.
const KEPT_BYTES: i32 = 64 << 20;
/// Blocks below this size come from the heap, instead of being mapped and faulted in anew each time.
const HEAP_BLOCK_BYTES_MAX: i32 = 8 << 20;

/// Keeps buffers of payloads in the heap between messages: by default glibc hands every block of more than some hundred KiB back to
/// the system, and moving bulk data then spends its time in page faults.
///
/// For a daemon or worker, first thing in its life; for a user's program, when it receives bulk data. There it is what glibc
/// does by itself once a block of 32 MiB was freed: it raises the same two thresholds, as far. Only the first call counts.
#[allow(unsafe_code, reason = "the allocator's settings are a C interface")]
pub fn keep_buffers() {
    #[cfg(target_env = "gnu")]
    ONCE.call_once(|| {
        // SAFETY: mallopt may be called at any time; it changes thresholds only.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES_MAX);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    });
}
