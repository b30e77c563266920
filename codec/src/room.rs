//! Room for large buffers.

use bytemuck::Zeroable;
use rustix::mm::{Advice, madvise};

/// Buffers from this size on ask for huge pages.
const HUGE_FROM_BYTES: usize = 4 << 20;
/// The smallest page there is; advice is given for whole pages.
const PAGE_BYTES: usize = 4 << 10;

/// Room for `bytes` more; whether huge pages were asked for. Asking is a system call, so it is done for what is large itself, not for each of
/// many small values that a large buffer has room for.
pub fn reserve(buffer: &mut Vec<u8>, bytes: usize) -> bool {
    buffer.reserve(bytes);
    advise(buffer.spare_capacity_mut().as_ptr().cast(), bytes)
}

/// So many zeros.
pub(crate) fn zeroed<N: Zeroable>(len: usize) -> Vec<N> {
    let numbers = bytemuck::allocation::zeroed_vec::<N>(len);
    advise(numbers.as_ptr().cast(), size_of_val(numbers.as_slice()));
    numbers
}

/// Asks for huge pages where memory is about to be filled for the first time: the kernel then hands it out in pieces of 2 MiB
/// instead of 4 KiB, and moving an array is no longer mostly page faults. Where the system has none, nothing changes.
#[allow(unsafe_code, reason = "advice about memory goes by address")]
fn advise(start: *const u8, bytes: usize) -> bool {
    if bytes < HUGE_FROM_BYTES {
        return false;
    }
    let skipped = start.align_offset(PAGE_BYTES);
    let pages = bytes.saturating_sub(skipped) / PAGE_BYTES * PAGE_BYTES;
    // SAFETY: the range lies within one allocation of ours, and this advice does not change what is in it.
    let advised = unsafe { madvise(start.add(skipped).cast_mut().cast(), pages, Advice::LinuxHugepage) };
    if let Err(e) = advised {
        tracing::trace!("no huge pages: {e}");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_room_whatever_its_size() {
        for bytes in [0, 1, HUGE_FROM_BYTES - 1, HUGE_FROM_BYTES, 3 * HUGE_FROM_BYTES + 5] {
            let mut buffer = vec![1_u8; 3];
            reserve(&mut buffer, bytes);
            assert!(buffer.capacity() >= bytes + 3);
            buffer.resize(bytes + 3, 2);
            assert_eq!((buffer[2], buffer[bytes + 2]), (1, if bytes == 0 { 1 } else { 2 }));
            assert!(zeroed::<f64>(bytes / 8).iter().all(|x| *x == 0.0));
        }
    }

    #[test]
    fn only_large_values_ask_for_huge_pages() {
        let mut buffer = Vec::new();
        assert!(reserve(&mut buffer, 2 * HUGE_FROM_BYTES));
        assert!(!reserve(&mut buffer, 24), "the buffer has room for many of them");
    }
}
