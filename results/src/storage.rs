//! Datasets and attributes, as this crate makes them: the meeting point with the HDF5 library.

use std::str::FromStr as _;

use hdf5::dataset::DatasetBuilder;
use hdf5::types::{EnumMember, EnumType, IntSize, TypeDescriptor, VarLenArray, VarLenUnicode};
use hdf5::{
    Dataset, Dataspace, Datatype, Extent, Group, H5Type, Hyperslab, Location, SimpleExtents, SliceOrIndex,
};
use ndarray::ArrayViewD;

use crate::driver::{SharedDisk, lock};
use crate::series::{Series, chunk_shape};
use crate::table::Table;

/// Datasets of at least this many bytes are compressed.
const COMPRESSED_BYTES_MIN: usize = 64 << 10;
/// The size of a chunk, HDF5's unit of compression.
const CHUNK_KIB: usize = 1024;
/// Variable-length values are handed to HDF5 this many at a time: each is a copy until it is written.
const VARYING_CELLS_MAX: usize = 8192;

/// Makes datasets with the wanted compression, as long as the disk takes them.
///
/// With a table, datasets are those of its rows: as long as the table will be, with what the file has of them, and the values
/// given are those of the rows that follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage<'d> {
    /// The rows that the datasets belong to, if they grow.
    pub(crate) table: Option<&'d Table>,
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
        if let Some(table) = self.table {
            let growing = self.growing(table, group, name, dims, T::type_descriptor(), true)?;
            if !values.is_empty() {
                let rows = ArrayViewD::from_shape(dims, values)?;
                growing.dataset.write_slice(rows, growing.slab(dims, 0..dims[0]))?;
            }
            return growing.note(table);
        }
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
        if dims.iter().product::<usize>() != codes.len() {
            return Err("as many codes as cells are needed".into());
        }
        let Some(table) = self.table else {
            let builder = self.builder(group, dims, std::mem::size_of_val(codes));
            let dataset = builder.empty_as(&descriptor).shape(dims).create(name)?;
            write_codes(&dataset, &descriptor, &vec![0; dims.len()], dims, codes)?;
            return Ok(dataset);
        };
        let growing = self.growing(table, group, name, dims, descriptor.clone(), true)?;
        let mut first = vec![0; dims.len()];
        first[0] = growing.first as u64;
        write_codes(&growing.dataset, &descriptor, &first, dims, codes)?;
        growing.note(table)
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
        let block_rows = (VARYING_CELLS_MAX / row_cells.max(1)).clamp(1, rows.max(1));
        let blocks = (0..rows).step_by(block_rows).map(|start| start..rows.min(start + block_rows));
        let write = |growing: &Growing| -> hdf5::Result<()> {
            for block in blocks.take_while(|_| row_cells > 0) {
                self.check_disk()?;
                let cells = block.start * row_cells..block.end * row_cells;
                if cells.clone().all(&is_empty) {
                    continue;
                }
                let values: Vec<T> = cells.map(&cell).collect::<hdf5::Result<_>>()?;
                let view = ArrayViewD::from_shape([&[block.len()], inner].concat(), &values)?;
                growing.dataset.write_slice(view, growing.slab(dims, block))?;
            }
            Ok(())
        };
        if let Some(table) = self.table {
            let growing = self.growing(table, group, name, dims, T::type_descriptor(), false)?;
            write(&growing)?;
            return growing.note(table);
        }
        if rows * row_cells == 0 {
            return builder.empty::<T>().shape(dims).create(name);
        }
        let chunk = [&[block_rows], inner].concat();
        let dataset = builder.chunk(chunk).chunk_cache(1, 0, 1.0).empty::<T>().shape(dims).create(name)?;
        let growing = Growing::whole(dataset);
        write(&growing)?;
        Ok(growing.dataset)
    }

    /// A dataset of the table's rows, with those that the file has; `dims` are those of the rows that follow.
    fn growing(
        self,
        table: &Table,
        group: &Group,
        name: &str,
        dims: &[usize],
        descriptor: TypeDescriptor,
        compressible: bool,
    ) -> hdf5::Result<Growing> {
        let Some((&more, row_shape)) = dims.split_first() else { return Err("a table has rows".into()) };
        let rows = table.complete + more;
        let chunk_shape = chunk_shape(table.chunk_rows, row_shape, descriptor.size());
        let mut extents = vec![Extent::resizable(rows)];
        // An axis without length must be able to grow, or HDF5 takes no chunks.
        extents.extend(row_shape.iter().map(|length| match length {
            0 => Extent::resizable(0),
            length => Extent::fixed(*length),
        }));
        let mut builder = group.new_dataset_builder().chunk(chunk_shape.clone()).chunk_cache(1, 0, 1.0);
        if let Some(level) = self.compression.filter(|_| compressible) {
            builder = builder.shuffle().deflate(level.clamp(1, 9));
        }
        let series = Series::new(descriptor.clone(), row_shape);
        let dataset = builder.empty_as(&descriptor).shape(SimpleExtents::from_vec(extents)).create(name)?;
        table.attach(&dataset, &series, self.disk)?;
        Ok(Growing { dataset, series, chunk_shape, first: table.complete, rows })
    }

    /// The shape of the table's rows in that dataset, if any have gone there.
    pub(crate) fn row_shape(self, group: &Group, path: &str) -> Option<Vec<usize>> {
        self.table?.row_shape(&format!("{}/{path}", group.name().trim_end_matches('/')))
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

/// A dataset to which rows are added.
struct Growing {
    dataset: Dataset,
    series: Series,
    chunk_shape: Vec<usize>,
    /// The first row that is added.
    first: usize,
    /// All rows, with those.
    rows: usize,
}

impl Growing {
    /// A dataset that is written once, all of it.
    fn whole(dataset: Dataset) -> Self {
        let series = Series::new(TypeDescriptor::Boolean, &[]);
        Self { dataset, series, chunk_shape: Vec::new(), first: 0, rows: 0 }
    }

    /// Where these of the added rows go.
    fn slab(&self, dims: &[usize], rows: std::ops::Range<usize>) -> Hyperslab {
        let mut selection = vec![SliceOrIndex::from(self.first + rows.start..self.first + rows.end)];
        selection.extend(dims[1..].iter().map(|length| SliceOrIndex::from(0..*length)));
        Hyperslab::from(selection)
    }

    /// Tells the table where the rows lie.
    fn note(self, table: &Table) -> hdf5::Result<Dataset> {
        table.note(&self.dataset, self.series, &self.chunk_shape, self.rows)?;
        Ok(self.dataset)
    }
}

/// Writes codes of an enumeration that is no Rust type, which the safe writer does not know: `dims` of them from `first` on.
fn write_codes<T: H5Type>(
    dataset: &Dataset,
    descriptor: &TypeDescriptor,
    first: &[u64],
    dims: &[usize],
    codes: &[T],
) -> hdf5::Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    let memory = Datatype::from_descriptor(descriptor)?;
    let here = Dataspace::try_new(dims)?;
    let there = dataset.space()?;
    let count: Vec<u64> = dims.iter().map(|length| *length as u64).collect();
    let _library = hdf5_sys::LOCK.lock();
    #[allow(unsafe_code, reason = "the safe crate cannot write enumerations that are not Rust types")]
    // SAFETY: all ids are alive, `memory` has the size of `T`, which is an unsigned integer, `codes` has as many
    // values as `dims` says (the callers check), and `first` and `count` a number per axis. A selection beyond the dataset is
    // HDF5's error. The library's lock is held.
    let status = unsafe {
        use hdf5_sys::h5d::H5Dwrite;
        use hdf5_sys::h5p::H5P_DEFAULT;
        use hdf5_sys::h5s::{H5S_SELECT_SET, H5Sselect_hyperslab};
        let (start, count) = (first.as_ptr(), count.as_ptr());
        let none = std::ptr::null();
        match first.is_empty() {
            // One value, which is all there is to select.
            true => 0,
            false => H5Sselect_hyperslab(there.id(), H5S_SELECT_SET, start, none, count, none),
        }
        .min(H5Dwrite(
            dataset.id(),
            memory.id(),
            here.id(),
            there.id(),
            H5P_DEFAULT,
            codes.as_ptr().cast(),
        ))
    };
    if status < 0 {
        return Err(hdf5::Error::query()?);
    }
    Ok(())
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
