//! Which chunks of a growing dataset are in the file already, and where.

use hdf5::Dataset;
use hdf5::types::TypeDescriptor;
use hdf5_sys::h5::{haddr_t, hsize_t};
use hdf5_sys::h5p::H5P_DEFAULT;

use crate::driver::{SharedDisk, lock};

/// The largest chunk, in bytes before compression; larger rows are cut along their first axes.
const CHUNK_BYTES_MAX: usize = 16 << 20;
/// What HDF5 gives for the address of a chunk that was never written.
const UNDEFINED: haddr_t = haddr_t::MAX;

/// A dataset as the last commit left it: its type and shape, and its complete chunks.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    descriptor: TypeDescriptor,
    /// The shape of a row.
    row_shape: Vec<usize>,
    chunks: Vec<Chunk>,
}

/// One chunk.
#[derive(Clone, Debug)]
struct Chunk {
    offset: Vec<hsize_t>,
    address: haddr_t,
    bytes: hsize_t,
    /// The filters that were not applied to it.
    unfiltered: u32,
}

impl Series {
    pub(crate) fn new(descriptor: TypeDescriptor, row_shape: &[usize]) -> Self {
        Self { descriptor, row_shape: row_shape.to_vec(), chunks: Vec::new() }
    }

    /// Whether rows of this type and shape can go on where this series ends.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.descriptor == other.descriptor && self.row_shape == other.row_shape
    }

    /// The shape of a row.
    pub(crate) fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    /// Adds the chunks of later rows.
    pub(crate) fn append(&mut self, later: Self) {
        self.chunks.extend(later.chunks);
    }

    /// The bytes of all its chunks in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes).sum()
    }

    /// Gives a new dataset the chunks that lie in the file already.
    pub(crate) fn attach(&self, dataset: &Dataset, disk: &SharedDisk) -> hdf5::Result<()> {
        let largest = self.chunks.iter().map(|chunk| chunk.bytes).max().unwrap_or(0);
        // HDF5 wants to see the chunk's bytes; they never reach the file.
        let unread = vec![0u8; usize::try_from(largest).map_err(|error| error.to_string())?];
        let _library = hdf5_sys::LOCK.lock();
        for chunk in &self.chunks {
            lock(disk).attach(chunk.address, chunk.bytes);
            #[allow(unsafe_code, reason = "writing chunks as they are is a call of the C library")]
            // SAFETY: the dataset is open and chunked, the offset has a number per axis, and the buffer holds at least
            // the given number of bytes. The library's lock is held.
            let status = unsafe {
                hdf5_sys::h5d::H5Dwrite_chunk(
                    dataset.id(),
                    H5P_DEFAULT,
                    chunk.unfiltered,
                    chunk.offset.as_ptr(),
                    chunk.bytes as usize,
                    unread.as_ptr().cast(),
                )
            };
            if status < 0 {
                return Err(hdf5::Error::query()?);
            }
            if lock(disk).is_attaching() {
                return Err("HDF5 did not take a chunk that is in the file".into());
            }
        }
        Ok(())
    }

    /// Notes where the chunks of these rows (whole chunks, all written) lie. `chunk_shape` starts with the rows of a chunk.
    pub(crate) fn note(
        &mut self,
        dataset: &Dataset,
        chunk_shape: &[usize],
        rows: std::ops::Range<usize>,
    ) -> hdf5::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        dataset.flush()?;
        let _library = hdf5_sys::LOCK.lock();
        for offset in offsets(chunk_shape, &self.row_shape, rows) {
            let (mut unfiltered, mut address, mut bytes) = (0, UNDEFINED, 0);
            #[allow(unsafe_code, reason = "asking where a chunk lies is a call of the C library")]
            // SAFETY: the dataset is open and chunked, the offset has a number per axis, the others can be written. The
            // library's lock is held.
            let status = unsafe {
                hdf5_sys::h5d::H5Dget_chunk_info_by_coord(
                    dataset.id(),
                    offset.as_ptr(),
                    &raw mut unfiltered,
                    &raw mut address,
                    &raw mut bytes,
                )
            };
            if status < 0 {
                return Err(hdf5::Error::query()?);
            }
            // Chunks of nothing but empty cells are not in the file.
            if address != UNDEFINED {
                self.chunks.push(Chunk { offset, address, bytes, unfiltered });
            }
        }
        Ok(())
    }
}

/// The shape of chunks of so many rows, cut where a row is very large.
pub(crate) fn chunk_shape(rows: usize, row_shape: &[usize], item_bytes: usize) -> Vec<usize> {
    let mut shape = [&[rows], row_shape].concat();
    // HDF5 has no chunks without cells, not even of datasets that have none.
    shape.iter_mut().for_each(|length| *length = (*length).max(1));
    for axis in 0..shape.len() {
        let others: usize = shape.iter().skip(axis + 1).product::<usize>().saturating_mul(item_bytes).max(1);
        while shape[axis] > 1 && shape[axis].saturating_mul(others) > CHUNK_BYTES_MAX {
            // By halves: so many rows of which complete chunks are made (a power of two) remain whole chunks.
            shape[axis] = shape[axis].div_ceil(2);
        }
    }
    shape
}

/// Where the chunks of these rows begin.
fn offsets(chunk_shape: &[usize], row_shape: &[usize], rows: std::ops::Range<usize>) -> Vec<Vec<hsize_t>> {
    let mut offsets: Vec<Vec<hsize_t>> =
        rows.step_by(chunk_shape[0]).map(|row| vec![row as hsize_t]).collect();
    for (length, step) in row_shape.iter().zip(&chunk_shape[1..]) {
        let along = |offset: Vec<hsize_t>| {
            (0..*length).step_by(*step).map(move |at| [&offset[..], &[at as hsize_t]].concat())
        };
        offsets = offsets.into_iter().flat_map(along).collect();
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_a_chunk_are_cut_along_their_first_axes() {
        assert_eq!(chunk_shape(64, &[3], 8), [64, 3]);
        assert_eq!(chunk_shape(1, &[4096, 4096], 8), [1, 512, 4096]);
        assert_eq!(chunk_shape(64, &[1 << 24], 1), [1, 1 << 24]);
        assert_eq!(chunk_shape(8, &[0, 5], 8), [8, 1, 5]);
        assert_eq!(chunk_shape(1, &[1 << 30], 8), [1, 2 << 20]);
    }

    #[test]
    fn every_chunk_of_the_rows_is_found() {
        assert_eq!(offsets(&[2], &[], 2..6), [[2], [4]]);
        assert_eq!(offsets(&[2, 3], &[5], 0..2), [[0, 0], [0, 3]]);
        assert!(offsets(&[2, 1], &[0], 0..4).is_empty());
    }
}
