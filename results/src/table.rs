//! Rows that grow: datasets of which part is in the file already, and that go on where it ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hdf5::Dataset;

use crate::column::Column;
use crate::driver::SharedDisk;
use crate::series::Series;

/// The size that chunks of rows aim at, in bytes before compression.
const CHUNK_BYTES: usize = 64 << 10;
/// However small a row is, a chunk has no more of them.
const CHUNK_ROWS_MAX: usize = 4096;

/// About how large a row is whose size nobody knows.
const GIVEN_ROW_BYTES: usize = 64;

/// Datasets that grow together, a row at a time.
#[derive(Debug)]
pub(crate) struct Table {
    /// The rows of a chunk: a power of two.
    pub(crate) chunk_rows: usize,
    /// Whether all rows are there from the start, so that the last chunk is as complete as it will ever be.
    given: bool,
    /// Rows that lie in the file in complete chunks. Only those behind them are written again.
    pub(crate) complete: usize,
    /// Whether rows can be added at all: not to enums with data, whose datasets have rows of their own.
    grows: bool,
    /// The datasets, by their paths.
    series: RefCell<BTreeMap<String, Series>>,
    /// The chunks that the commit under way completes.
    noted: RefCell<Vec<(String, Series)>>,
    /// Set when rows turned out to be of another shape than those in the file.
    conflict: Cell<bool>,
    /// What the rows so far were like, without the rows.
    shape: Column,
}

impl Table {
    /// A table of rows of about this many bytes.
    pub(crate) fn new(row_bytes: usize) -> Self {
        let rows = (CHUNK_BYTES / row_bytes.max(1)).clamp(1, CHUNK_ROWS_MAX);
        Self {
            chunk_rows: 1 << rows.ilog2(),
            given: false,
            complete: 0,
            grows: true,
            series: RefCell::default(),
            noted: RefCell::default(),
            conflict: Cell::new(false),
            shape: Column::Unset,
        }
    }

    /// A table of rows that are all there from the start.
    pub(crate) fn given(column: &Column) -> Self {
        let mut table = Self { given: true, ..Self::new(GIVEN_ROW_BYTES) };
        table.learn(column);
        table
    }

    /// Chooses chunks for rows of about this many bytes, as long as there are none.
    pub(crate) fn suit(&mut self, row_bytes: usize) {
        if self.complete == 0 {
            self.chunk_rows = Self::new(row_bytes).chunk_rows;
        }
    }

    /// The column that the next rows are appended to: empty, and of the shape that earlier ones had.
    pub(crate) fn shape(&self) -> Column {
        self.shape.clone()
    }

    /// What rows are made of, in words.
    pub(crate) fn signature(&self) -> String {
        self.shape.signature()
    }

    /// Notes what rows are like.
    pub(crate) fn learn(&mut self, column: &Column) {
        self.shape = column.hollow();
        self.grows = column.grows();
    }

    /// Whether rows of another shape were met; then all must be written anew, to a table that knows of none.
    pub(crate) fn take_conflict(&self) -> bool {
        self.conflict.take()
    }

    /// Gives the new dataset what the file has of it.
    pub(crate) fn attach(&self, dataset: &Dataset, new: &Series, disk: &SharedDisk) -> hdf5::Result<()> {
        if self.complete == 0 {
            return Ok(());
        }
        match self.series.borrow().get(&dataset.name()) {
            Some(series) if series.fits(new) => series.attach(dataset, disk),
            _ => {
                self.conflict.set(true);
                Err("rows of another shape".into())
            }
        }
    }

    /// Notes where the chunks lie that are complete when the dataset holds so many rows.
    pub(crate) fn note(
        &self,
        dataset: &Dataset,
        mut new: Series,
        chunk_shape: &[usize],
        rows: usize,
    ) -> hdf5::Result<()> {
        if self.grows {
            new.note(dataset, chunk_shape, self.complete..self.complete_of(rows))?;
            self.noted.borrow_mut().push((dataset.name(), new));
        }
        Ok(())
    }

    /// The commit is over: so many rows are in the file if it succeeded, else what there was.
    pub(crate) fn committed(&mut self, rows: Option<usize>) {
        let noted = self.noted.take();
        let Some(rows) = rows.filter(|_| self.grows) else { return };
        if self.complete == 0 {
            // Nothing was pointed to: what rows are like is what it is now.
            self.series.get_mut().clear();
        }
        self.complete = self.complete_of(rows);
        for (path, series) in noted {
            match self.series.get_mut().entry(path) {
                Entry::Occupied(known) => known.into_mut().append(series),
                Entry::Vacant(place) => {
                    place.insert(series);
                }
            }
        }
    }

    /// The shape of the rows of the dataset of that path.
    pub(crate) fn row_shape(&self, path: &str) -> Option<Vec<usize>> {
        self.series.borrow().get(path).map(|series| series.row_shape().to_vec())
    }

    /// The bytes of what will not be written again.
    pub(crate) fn bytes(&self) -> u64 {
        self.series.borrow().values().map(Series::bytes).sum()
    }

    fn complete_of(&self, rows: usize) -> usize {
        if self.given { rows } else { rows / self.chunk_rows * self.chunk_rows }
    }
}
