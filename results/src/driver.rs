//! The HDF5 file driver that writes to a [`Disk`].
//!
//! A driver is a table of C functions (HDF5's `H5FDdevelop.h`). HDF5 calls them under its global lock,
//! from within the calls that this crate makes; each gets the pointer that `open` returned.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hdf5::File;
use hdf5::file::{FileAccess, FileCloseDegree, LibraryVersion};
use hdf5_sys::h5::{haddr_t, herr_t, hsize_t};
use hdf5_sys::h5i::hid_t;

use crate::disk::Disk;

/// A disk that this crate and HDF5 both hold.
pub(crate) type SharedDisk = Arc<Mutex<Disk>>;

thread_local! {
    /// The disk of the file that this thread is creating: `open` is called on it, from within `H5Fcreate`.
    static OPENING: RefCell<Option<SharedDisk>> = const { RefCell::new(None) };
}

/// What HDF5 knows as the open file.
#[repr(C)]
struct OpenFile {
    /// HDF5's own fields (`H5FD_t`, about 80 bytes), which only it reads and writes. There is room for more.
    head: [u64; 64],
    /// How far HDF5 has given out addresses.
    allocated: haddr_t,
    /// How far it has written.
    end: haddr_t,
    disk: SharedDisk,
}

/// `H5FD_class_t` of version 1; HDF5 refuses to register it should it expect another.
#[repr(C)]
struct DriverClass {
    version: c_uint,
    value: c_int,
    name: *const c_char,
    address_max: haddr_t,
    close_degree: c_int,
    /// `terminate`, `sb_size`, `sb_encode`, `sb_decode`: none.
    superblock: [Option<Never>; 4],
    fapl_size: usize,
    fapl: [Option<Never>; 3],
    dxpl_size: usize,
    dxpl: [Option<Never>; 2],
    open: unsafe extern "C" fn(*const c_char, c_uint, hid_t, haddr_t) -> *mut OpenFile,
    close: unsafe extern "C" fn(*mut OpenFile) -> herr_t,
    cmp: Option<Never>,
    query: unsafe extern "C" fn(*const OpenFile, *mut c_ulong) -> herr_t,
    get_type_map: Option<Never>,
    alloc: unsafe extern "C" fn(*mut OpenFile, c_int, hid_t, hsize_t) -> haddr_t,
    free: Option<Never>,
    get_eoa: unsafe extern "C" fn(*const OpenFile, c_int) -> haddr_t,
    set_eoa: unsafe extern "C" fn(*mut OpenFile, c_int, haddr_t) -> herr_t,
    get_eof: unsafe extern "C" fn(*const OpenFile, c_int) -> haddr_t,
    get_handle: Option<Never>,
    read: unsafe extern "C" fn(*mut OpenFile, c_int, hid_t, haddr_t, usize, *mut c_void) -> herr_t,
    write: unsafe extern "C" fn(*mut OpenFile, c_int, hid_t, haddr_t, usize, *const c_void) -> herr_t,
    /// Vectors and selections, for reading and writing, and `flush`: none.
    batches: [Option<Never>; 5],
    truncate: unsafe extern "C" fn(*mut OpenFile, hid_t, bool) -> herr_t,
    /// `lock`, `unlock`, `del`, `ctl`: none.
    others: [Option<Never>; 4],
    /// Which kinds of allocation share a free list.
    free_lists: [c_int; 7],
}

/// A function this driver does not have.
type Never = unsafe extern "C" fn();

const CLASS_VERSION: c_uint = 1;
/// Of the values that are free for drivers nobody else needs to know (256 to 511).
const DRIVER_VALUE: c_int = 451;
/// `H5FD_MEM_SUPER` and `H5FD_MEM_DRAW`: records and data, each allocated with their like.
const RECORDS: c_int = 1;
const DATA: c_int = 3;
/// `H5FD_FEAT_…`: accumulate records, sieve data, and write files that the default driver reads. Nothing is allocated in
/// advance: the superblock is asked for by itself, for it alone lies at the start of a file that goes on, and so is every chunk,
/// so that one that is in the file already can be given its old place.
const FEATURES: c_ulong = 0x2 | 0x4 | 0x8 | 0x8000;

static CLASS: DriverClass = DriverClass {
    version: CLASS_VERSION,
    value: DRIVER_VALUE,
    name: c"phalanx".as_ptr(),
    address_max: i64::MAX as haddr_t,
    close_degree: 1, // H5F_CLOSE_WEAK, as the default driver's
    superblock: [None; 4],
    fapl_size: 0,
    fapl: [None; 3],
    dxpl_size: 0,
    dxpl: [None; 2],
    open,
    close,
    cmp: None,
    query,
    get_type_map: None,
    alloc,
    free: None,
    get_eoa,
    set_eoa,
    get_eof,
    get_handle: None,
    read,
    write,
    batches: [None; 5],
    truncate,
    others: [None; 4],
    free_lists: [RECORDS, RECORDS, RECORDS, DATA, DATA, RECORDS, RECORDS],
};

#[allow(unsafe_code, reason = "a constant table of functions, shared by all threads")]
// SAFETY: the table is never written, and its only pointer is to a constant string.
unsafe impl Sync for DriverClass {}

/// Locks the disk; a panic elsewhere leaves nothing half-done in it.
pub(crate) fn lock(disk: &SharedDisk) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates an HDF5 file on `disk`, in a form that every HDF5 since 1.10 reads.
pub(crate) fn create(disk: &SharedDisk) -> hdf5::Result<File> {
    hdf5::silence_errors(true);
    let mut access = FileAccess::build();
    access.libver_bounds(LibraryVersion::V18, LibraryVersion::V110).fclose_degree(FileCloseDegree::Strong);
    let access = access.finish()?;
    let driver = driver().ok_or("HDF5 does not accept this version's file driver")?;
    let _library = hdf5_sys::LOCK.lock();
    OPENING.set(Some(disk.clone()));
    #[allow(unsafe_code, reason = "the safe crate creates files only with HDF5's own drivers")]
    // SAFETY: `access` is a file access list and `driver` a registered driver that takes no settings; the
    // name is a C string. An id that is not negative is a new file that nobody else refers to.
    let file = unsafe {
        use hdf5_sys::{h5f::H5F_ACC_TRUNC, h5f::H5Fcreate, h5p::H5P_DEFAULT, h5p::H5Pset_driver};
        hdf5::h5check(H5Pset_driver(access.id(), driver, ptr::null()))
            .and_then(|_| {
                hdf5::h5check(H5Fcreate(c"results".as_ptr(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()))
            })
            .and_then(|id| hdf5::from_id::<File>(id))
    };
    OPENING.set(None);
    file
}

/// The driver's id, registered at the first call.
fn driver() -> Option<hid_t> {
    static DRIVER: OnceLock<Option<hid_t>> = OnceLock::new();
    *DRIVER.get_or_init(|| {
        let _library = hdf5_sys::LOCK.lock();
        #[allow(unsafe_code, reason = "registering a driver is a call of the C library")]
        // SAFETY: the table has the layout of HDF5's class of that version, which HDF5 checks, and copies.
        let id = unsafe { hdf5_sys::h5fd::H5FDregister((&raw const CLASS).cast()) };
        (id >= 0).then_some(id)
    })
}

/// HDF5 opens a new file twice: to see whether it exists, and to create it. Both are the same disk.
extern "C" fn open(_: *const c_char, _: c_uint, _: hid_t, _: haddr_t) -> *mut OpenFile {
    let Some(disk) = OPENING.with_borrow(|disk| disk.clone()) else { return ptr::null_mut() };
    Box::into_raw(Box::new(OpenFile { head: [0; 64], allocated: 0, end: 0, disk }))
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open`, and this is the last call with it.
unsafe extern "C" fn close(file: *mut OpenFile) -> herr_t {
    // SAFETY: as above; `open` made it from a box.
    drop(unsafe { Box::from_raw(file) });
    0
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointers")]
// SAFETY (of the caller): `flags` can be written; `file` may be null.
unsafe extern "C" fn query(_: *const OpenFile, flags: *mut c_ulong) -> herr_t {
    // SAFETY: as above.
    if let Some(flags) = unsafe { flags.as_mut() } {
        *flags = FEATURES;
    }
    0
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open`, is not closed, and nobody else uses it now.
unsafe extern "C" fn alloc(file: *mut OpenFile, kind: c_int, _: hid_t, size: hsize_t) -> haddr_t {
    // SAFETY: as above.
    let file = unsafe { &mut *file };
    let disk = lock(&file.disk);
    if let Some(address) = disk.place_of_attached(size, kind == DATA) {
        return address;
    }
    // The superblock comes first and lies at the start, whatever follows it.
    let address = if file.allocated == 0 { 0 } else { file.allocated.max(disk.start()) };
    file.allocated = address + size;
    address
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open` and is not closed.
unsafe extern "C" fn get_eoa(file: *const OpenFile, _: c_int) -> haddr_t {
    // SAFETY: as above.
    unsafe { (*file).allocated }
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open`, is not closed, and nobody else uses it now.
unsafe extern "C" fn set_eoa(file: *mut OpenFile, _: c_int, address: haddr_t) -> herr_t {
    // SAFETY: as above.
    unsafe { (*file).allocated = address };
    0
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open` and is not closed.
unsafe extern "C" fn get_eof(file: *const OpenFile, _: c_int) -> haddr_t {
    // SAFETY: as above.
    unsafe { (*file).end }
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointers")]
// SAFETY (of the caller): `file` came from `open` and is not closed; `buffer` has room for `size` bytes.
unsafe extern "C" fn read(
    file: *mut OpenFile,
    _: c_int,
    _: hid_t,
    address: haddr_t,
    size: usize,
    buffer: *mut c_void,
) -> herr_t {
    if size == 0 {
        return 0;
    }
    // SAFETY: as above. The buffer is made zeros before it becomes a slice.
    let (file, bytes) = unsafe {
        ptr::write_bytes(buffer.cast::<u8>(), 0, size);
        (&*file, std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size))
    };
    lock(&file.disk).read(address, bytes).map_or(-1, |()| 0)
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointers")]
// SAFETY (of the caller): `file` came from `open`, is not closed, and nobody else uses it now; `buffer`
// holds `size` bytes.
unsafe extern "C" fn write(
    file: *mut OpenFile,
    kind: c_int,
    _: hid_t,
    address: haddr_t,
    size: usize,
    buffer: *const c_void,
) -> herr_t {
    if size == 0 {
        return 0;
    }
    // SAFETY: as above.
    let (file, bytes) = unsafe { (&mut *file, std::slice::from_raw_parts(buffer.cast::<u8>(), size)) };
    lock(&file.disk).write(address, bytes, kind == DATA);
    file.end = file.end.max(address + size as haddr_t);
    0
}

#[allow(unsafe_code, reason = "called by HDF5 with its pointer")]
// SAFETY (of the caller): `file` came from `open`, is not closed, and nobody else uses it now.
unsafe extern "C" fn truncate(file: *mut OpenFile, _: hid_t, _: bool) -> herr_t {
    // SAFETY: as above.
    let file = unsafe { &mut *file };
    if file.end != file.allocated {
        lock(&file.disk).set_len(file.allocated);
        file.end = file.allocated;
    }
    0
}
