//! How a function crosses to another process: as the offset of its monomorphised entry point.
//!
//! A plain function, or a closure that captures nothing, has a type of size zero: the type is the function.
//! A generic entry point instantiated with that type can make the value out of nothing, so the entry
//! point's address is all there is to send. Addresses differ between processes (the loader
//! randomises them), distances within the executable do not, as long as it is byte for byte the same one.

use std::ffi::c_void;

use super::call::Call;

/// A function of this executable that runs chunks.
pub(crate) type Entry = fn(&mut Call<'_>);

/// Where offsets are counted from.
#[inline(never)]
fn anchor() {
    std::hint::black_box(());
}

/// An offset that is no function of this executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no function at offset {0} of this program: client and worker do not run the same executable, \
     or the function lives in a shared library"
)]
pub(crate) struct BadEntry(pub(crate) i64);

/// The entry's place in this executable.
pub(crate) fn offset_of(entry: Entry) -> Result<i64, BadEntry> {
    offset_of_code(entry as usize)
}

/// The place in this executable of the function at an address.
pub(crate) fn offset_of_code(address: usize) -> Result<i64, BadEntry> {
    let offset = (address as i64).wrapping_sub(anchor as *const () as usize as i64);
    if in_text(address) { Ok(offset) } else { Err(BadEntry(offset)) }
}

/// The address of what is at a place in this executable, which is checked to be code.
pub(crate) fn code_at(offset: i64) -> Result<usize, BadEntry> {
    let address = (anchor as *const () as usize as i64).wrapping_add(offset) as usize;
    if in_text(address) { Ok(address) } else { Err(BadEntry(offset)) }
}

/// The entry at a place in this executable, which is checked to be code.
#[allow(unsafe_code, reason = "a number becomes a function: the heart of shipping functions by offset")]
pub(crate) fn entry_at(offset: i64) -> Result<Entry, BadEntry> {
    let address = code_at(offset)?;
    // SAFETY: the offset was computed by `offset_of` in a process running the byte-identical executable
    // (the engine verified the program's hash before starting it, the controller ties a job to that hash),
    // and the address lies in this executable's code.
    Ok(unsafe { std::mem::transmute::<*const c_void, Entry>(address as *const c_void) })
}

/// The value of a type that has only one.
#[allow(unsafe_code, reason = "a value of a type of size zero is made from its type")]
pub(crate) fn summon<F: Copy + 'static>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "only plain functions and closures that capture nothing can run on engines; \
             pass the data along instead: view.with(data).map_async(|data, x| …, items, chunksize)"
        );
    }
    // SAFETY: F has size zero (checked above, at compile time), so any aligned pointer may be read; it is `Copy`, so
    // making another one breaks no promise of uniqueness; and the caller once had a value of it, so it is inhabited.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

/// Whether an address lies in the code of the executable itself (not of a shared library).
#[allow(unsafe_code, reason = "asking the loader where the executable's code lies")]
fn in_text(address: usize) -> bool {
    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, range: *mut c_void) -> libc::c_int {
        // SAFETY: the loader passes a valid info; `range` is the Vec given to dl_iterate_phdr below.
        let (info, ranges) = unsafe { (&*info, &mut *range.cast::<Vec<(usize, usize)>>()) };
        for i in 0..usize::from(info.dlpi_phnum) {
            // SAFETY: `dlpi_phdr` points to `dlpi_phnum` headers.
            let header = unsafe { &*info.dlpi_phdr.add(i) };
            if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0 {
                let start = (info.dlpi_addr + header.p_vaddr) as usize;
                ranges.push((start, start + header.p_memsz as usize));
            }
        }
        1 // The first object is the executable.
    }
    static TEXT: std::sync::OnceLock<Vec<(usize, usize)>> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| {
        let mut ranges = Vec::new();
        // SAFETY: `visit` keeps to the protocol and the Vec outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut ranges).cast()) };
        ranges
    })
    .iter()
    .any(|&(start, end)| (start..end).contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(_: &mut Call<'_>) {}

    #[test]
    fn an_entry_is_found_again() {
        let offset = offset_of(example).unwrap();
        assert_eq!(entry_at(offset).unwrap() as usize, example as Entry as usize);
    }

    #[test]
    fn a_place_outside_the_code_is_refused() {
        for offset in [i64::MIN, i64::MAX, 1 << 40, -(1 << 40)] {
            assert_eq!(entry_at(offset).err(), Some(BadEntry(offset)));
        }
    }

    #[test]
    fn a_closure_comes_out_of_its_type() {
        fn call<F: Fn(u32) -> u32 + Copy + 'static>(_: F) -> u32 {
            summon::<F>()(20)
        }
        assert_eq!(call(|x| x + 1), 21);
    }
}
