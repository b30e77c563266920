//! Datasets and attributes, as this crate makes them: the meeting point with the HDF5 library.

use std::str::FromStr as _;

use hdf5::dataset::DatasetBuilder;
use hdf5::types::{EnumMember, EnumType, IntSize, TypeDescriptor, VarLenArray, VarLenUnicode};
use hdf5::{Dataset, Datatype, Group, H5Type, Hyperslab, Location, SliceOrIndex};
use ndarray::ArrayViewD;

use crate::driver::{SharedDisk, lock};

/// Datasets of at least this many bytes are compressed.
const COMPRESSED_BYTES_MIN: usize = 64 << 10;
/// The size of a chunk, HDF5's unit of compression.
const CHUNK_KIB: usize = 1024;
/// Variable-length values are handed to HDF5 this many at a time: each is a copy until it is written.
const VARYING_CELLS_MAX: usize = 8192;

/// Makes datasets with the wanted compression, as long as the disk takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage<'d> {
    /// The level of deflate, 1 to 9; no compression if absent.
    pub(crate) compression: Option<u8>,
    /// Where the file is written.
    pub(crate) disk: &'d SharedDisk,
}

impl Storage<'_> {
    /// A dataset of values of one size. Rows are in C order.
    pub(crate) fn fixed<T: H5Type>(
        self,
        group: &Group,
        name: &str,
        dims: &[usize],
        values: &[T],
    ) -> hdf5::Result<Dataset> {
        self.check_disk()?;
        let builder = self.builder(group, dims, std::mem::size_of_val(values));
        let dataset = builder.empty::<T>().shape(dims).create(name)?;
        if !values.is_empty() {
            dataset.write_raw(values)?;
        }
        Ok(dataset)
    }

    /// A dataset of an HDF5 enumeration, whose type carries the names.
    pub(crate) fn codes<T: H5Type + Copy + Into<u64>>(
        self,
        group: &Group,
        name: &str,
        dims: &[usize],
        codes: &[T],
        names: &[(T, &str)],
    ) -> hdf5::Result<Dataset> {
        let members =
            names.iter().map(|(code, name)| EnumMember { name: (*name).into(), value: (*code).into() });
        let size = IntSize::from_int(size_of::<T>()).ok_or("codes are unsigned integers")?;
        let descriptor = TypeDescriptor::Enum(EnumType { size, signed: false, members: members.collect() });
        let builder = self.builder(group, dims, std::mem::size_of_val(codes));
        let dataset = builder.empty_as(&descriptor).shape(dims).create(name)?;
        if dims.iter().product::<usize>() != codes.len() {
            return Err("as many codes as cells are needed".into());
        }
        if codes.is_empty() {
            return Ok(dataset);
        }
        // The safe writer knows only enumerations that are Rust types; this one is known at run time.
        let memory = Datatype::from_descriptor(&descriptor)?;
        let _library = hdf5_sys::LOCK.lock();
        #[allow(unsafe_code, reason = "the safe crate cannot write enumerations that are not Rust types")]
        // SAFETY: both ids are alive, `memory` has the size of `T`, which is an unsigned integer, and the
        // dataset has exactly `codes.len()` cells, as checked above. The library's lock is held.
        let status = unsafe {
            use hdf5_sys::{h5d::H5Dwrite, h5p::H5P_DEFAULT, h5s::H5S_ALL};
            H5Dwrite(dataset.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, codes.as_ptr().cast())
        };
        if status < 0 {
            return Err(hdf5::Error::query()?);
        }
        Ok(dataset)
    }

    /// A dataset of sequences of varying length: cell `i` holds `cell(i)`.
    pub(crate) fn ragged<'v, T: H5Type + Copy>(
        self,
        group: &Group,
        name: &str,
        dims: &[usize],
        cell: impl Fn(usize) -> &'v [T],
    ) -> hdf5::Result<Dataset> {
        self.varying(group, name, dims, |i| cell(i).is_empty(), |i| Ok(VarLenArray::from_slice(cell(i))))
    }

    /// A dataset of UTF-8 strings: cell `i` holds `cell(i)`, which must not contain NUL.
    pub(crate) fn texts<'v>(
        self,
        group: &Group,
        name: &str,
        dims: &[usize],
        cell: impl Fn(usize) -> &'v str,
    ) -> hdf5::Result<Dataset> {
        self.varying(group, name, dims, |i| cell(i).is_empty(), |i| text(cell(i)))
    }

    /// Writes variable-length cells block by block. A block of empty cells is left out: it takes no room in
    /// the file, and readers see empty cells there all the same.
    fn varying<T: H5Type>(
        self,
        group: &Group,
        name: &str,
        dims: &[usize],
        is_empty: impl Fn(usize) -> bool,
        cell: impl Fn(usize) -> hdf5::Result<T>,
    ) -> hdf5::Result<Dataset> {
        let builder = group.new_dataset_builder();
        let Some((&rows, inner)) = dims.split_first() else {
            let dataset = builder.empty::<T>().create(name)?;
            dataset.write_scalar(&cell(0)?)?;
            return Ok(dataset);
        };
        let row_cells: usize = inner.iter().product();
        if rows * row_cells == 0 {
            return builder.empty::<T>().shape(dims).create(name);
        }
        let block_rows = (VARYING_CELLS_MAX / row_cells).clamp(1, rows);
        let block_dims = |rows: usize| [&[rows], inner].concat();
        let builder = builder.chunk(block_dims(block_rows)).chunk_cache(1, 0, 1.0);
        let dataset = builder.empty::<T>().shape(dims).create(name)?;
        for start in (0..rows).step_by(block_rows) {
            self.check_disk()?;
            let end = rows.min(start + block_rows);
            let cells = start * row_cells..end * row_cells;
            if cells.clone().all(&is_empty) {
                continue;
            }
            let values: Vec<T> = cells.map(&cell).collect::<hdf5::Result<_>>()?;
            let block = ArrayViewD::from_shape(block_dims(end - start), &values)?;
            let mut selection = vec![SliceOrIndex::from(start..end)];
            selection.extend(inner.iter().map(|length| SliceOrIndex::from(0..*length)));
            dataset.write_slice(block, Hyperslab::from(selection))?;
        }
        Ok(dataset)
    }

    /// Stops the writing of what cannot be saved any more; the disk knows why.
    fn check_disk(self) -> hdf5::Result<()> {
        if lock(self.disk).has_failed() { Err("the disk refused an earlier write".into()) } else { Ok(()) }
    }

    fn builder(self, group: &Group, dims: &[usize], bytes: usize) -> DatasetBuilder {
        let builder = group.new_dataset_builder();
        match self.compression {
            Some(level) if bytes >= COMPRESSED_BYTES_MIN && !dims.is_empty() => builder
                .chunk_min_kb(CHUNK_KIB)
                // Every chunk is written once and whole: there is nothing to gain from a cache.
                .chunk_cache(1, 0, 1.0)
                .shuffle()
                .deflate(level.clamp(1, 9)),
            _ => builder,
        }
    }
}

/// A number attribute.
pub(crate) fn attribute<T: H5Type>(at: &Location, name: &str, value: &T) -> hdf5::Result<()> {
    at.new_attr::<T>().create(name)?.write_scalar(value)
}

/// A text attribute. HDF5's strings end at NUL, so that character is replaced.
pub(crate) fn text_attribute(at: &Location, name: &str, value: &str) -> hdf5::Result<()> {
    attribute(at, name, &text(&without_nul(value))?)
}

/// The text with its NULs shown as the replacement character.
pub(crate) fn without_nul(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    VarLenUnicode::from_str(value).map_err(|error| error.to_string().into())
}
