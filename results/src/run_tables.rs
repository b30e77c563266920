//! The growing parts of a run's file.

use hdf5::Group;
use serde::{Serialize, Serializer};

use crate::column::Column;
use crate::column_writer::ColumnWriter;
use crate::element_table;
use crate::error::SaveError;
use crate::layout::Layout;
use crate::result_file::fill;
use crate::row::Recorded;
use crate::storage::Storage;
use crate::table::Table;

/// About how many bytes an element's record has.
const RECORD_BYTES: usize = 16;
/// How many rows are looked at to tell how large a row is.
const SIZED_ROWS: usize = 1000;

/// The tables to which rows are added.
#[derive(Debug)]
pub(crate) struct Tables {
    elements: Table,
    values: Table,
    encoded: Table,
}

/// What cannot be written: HDF5 said so, or a value's own `Serialize`.
pub(crate) enum Refused {
    Hdf5(hdf5::Error),
    Value(SaveError),
}

impl From<hdf5::Error> for Refused {
    fn from(error: hdf5::Error) -> Self {
        Self::Hdf5(error)
    }
}

/// Bytes, not a list of numbers.
struct Encoded<'a>(&'a [u8]);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The value of a row that has not failed.
struct Promised<T>(Option<T>);

impl<T: Serialize> Serialize for Promised<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => Err(serde::ser::Error::custom("it has neither a value nor failed")),
        }
    }
}

impl Tables {
    /// Tables without rows.
    pub(crate) fn new() -> Self {
        Self { elements: Table::new(RECORD_BYTES), values: Table::new(1), encoded: Table::new(1) }
    }

    fn each(&mut self) -> [&mut Table; 3] {
        [&mut self.elements, &mut self.values, &mut self.encoded]
    }

    /// Writes the rows that are not in the file in complete chunks.
    pub(crate) fn write<R: Recorded>(
        &mut self,
        root: &Group,
        run: &Group,
        storage: Storage<'_>,
        rows: &[R],
    ) -> Result<(), Refused> {
        let first = &rows[..rows.len().min(SIZED_ROWS)];
        let bytes: usize = first.iter().map(|row| row.row().encoded.len()).sum();
        self.values.suit(bytes / first.len().max(1));
        self.encoded.suit(bytes / first.len().max(1));
        write_column(&mut self.values, (root, "values"), storage, rows, R::value)?;
        write_column(&mut self.encoded, (run, "encoded"), storage, rows, |row| {
            let row = row.row();
            row.failure.is_none().then_some(Encoded(row.encoded))
        })?;
        let storage = Storage { table: Some(&self.elements), ..storage };
        let group = root.create_group("elements")?;
        let new = rows[self.elements.complete..].iter().map(Recorded::row);
        let dims = [new.len()];
        storage.fixed(&group, "element", &dims, &new.clone().map(|r| r.element).collect::<Vec<_>>())?;
        storage.fixed(&group, "session", &dims, &new.clone().map(|r| r.session).collect::<Vec<_>>())?;
        Ok(element_table::write(&group, storage, new.map(|row| (row.record, row.outcome())))?)
    }

    /// What values are made of, in words.
    pub(crate) fn values_type(&self) -> String {
        self.values.signature()
    }

    /// The commit is over: so many rows are in the file if it succeeded, else what there was.
    pub(crate) fn committed(&mut self, rows: Option<usize>) {
        self.each().into_iter().for_each(|table| table.committed(rows));
    }

    /// Whether rows were of another shape than those in the file.
    pub(crate) fn take_conflict(&mut self) -> bool {
        // Of each of them, whatever the others say.
        self.each().map(|table| table.take_conflict()).contains(&true)
    }

    /// The bytes of what will not be written again.
    pub(crate) fn bytes(&mut self) -> u64 {
        self.each().into_iter().map(|table| table.bytes()).sum()
    }
}

/// What the values of these rows are made of, in words: those that a file of them has as its `values_type`.
///
/// # Errors
/// [`SaveError::Unserializable`].
pub fn values_type<R: Recorded>(rows: &[R]) -> Result<String, SaveError> {
    let values = rows.iter().filter_map(|row| Some((row.row().element as usize, row.value()?)));
    Ok(fill(Column::Unset, "value", values)?.signature())
}

/// Writes one thing of each new row: of a value where there is one, nothing where it failed.
fn write_column<'r, R: Recorded, T: Serialize>(
    table: &mut Table,
    (group, name): (&Group, &str),
    storage: Storage<'_>,
    rows: &'r [R],
    part: impl Fn(&'r R) -> Option<T> + Copy,
) -> Result<(), Refused> {
    let new = &rows[table.complete..];
    let present: Vec<bool> = new.iter().map(|row| row.row().failure.is_none()).collect();
    let valued = new.iter().zip(&present).filter(|(_, present)| **present).map(|(row, _)| row);
    let values = valued.map(|row| (row.row().element as usize, Promised(part(row))));
    let column = fill(table.shape(), "value", values).map_err(Refused::Value)?;
    table.learn(&column);
    let storage = Storage { table: Some(table), ..storage };
    let layout = Layout::rows(present.len(), Some(present));
    Ok(ColumnWriter { storage }.write(group, name, column, &layout)?)
}

/// Rows that are all there from the start: in the file once, and pointed to ever after.
#[derive(Debug)]
pub(crate) struct Given {
    table: Table,
    /// The rows; they are kept, for the file may have to be written anew.
    column: Column,
    rows: usize,
}

impl Given {
    pub(crate) fn new(column: Column, rows: usize) -> Self {
        Self { table: Table::given(&column), column, rows }
    }

    pub(crate) fn write(&mut self, group: &Group, name: &str, storage: Storage<'_>) -> hdf5::Result<()> {
        let storage = Storage { table: Some(&self.table), ..storage };
        let (column, rows) = match self.table.complete {
            0 => (self.column.clone(), self.rows),
            _ => (self.column.hollow(), 0),
        };
        ColumnWriter { storage }.write(group, name, column, &Layout::rows(rows, None))
    }

    pub(crate) fn committed(&mut self, succeeded: bool) {
        self.table.committed(succeeded.then_some(self.rows));
    }

    /// Forgets that the file has them; the table gives back what it was.
    pub(crate) fn restart(&mut self) -> Table {
        std::mem::replace(&mut self.table, Table::given(&self.column))
    }

    /// What it was.
    pub(crate) fn put_back(&mut self, table: Table) {
        self.table = table;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.table.bytes()
    }
}
