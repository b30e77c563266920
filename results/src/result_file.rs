//! The file of one job's results: what goes in, in which order, and what is done when it does not fit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use hdf5::Group;
use serde::Serialize;

use crate::column::Column;
use crate::column_writer::ColumnWriter;
use crate::disk::Disk;
use crate::driver;
use crate::element::{ElementOutcome, ElementRecord};
use crate::element_table;
use crate::error::SaveError;
use crate::layout::Layout;
use crate::run_info::RunInfo;
use crate::staging::Staging;
use crate::storage::{Storage, attribute, text_attribute};

/// The layout described in the crate's documentation; raised when readers must be changed.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveOptions {
    /// Whether a file of the same name is replaced (at once, when the new one is complete). Without it,
    /// saving to an existing file is an error.
    pub overwrite: bool,
    /// The level of deflate compression, 1 (fast) to 9 (small), for datasets of 64 KiB and more; none
    /// writes them as they are. Variable-length data is never compressed: HDF5 cannot.
    pub compression: Option<u8>,
}

impl Default for SaveOptions {
    /// Nothing is overwritten; large data is compressed lightly.
    fn default() -> Self {
        Self { overwrite: false, compression: Some(1) }
    }
}

/// The results of one job, ready to be saved.
///
/// `V` is the values' type (or a reference to it), `P` the parameters', `C` the shared context's.
#[derive(Clone, Debug)]
pub struct ResultFile<'a, O, P = std::iter::Empty<()>, C = ()> {
    info: &'a RunInfo,
    outcomes: O,
    records: &'a [ElementRecord],
    parameters: Option<P>,
    context: Option<&'a C>,
}

impl<'a, O> ResultFile<'a, O> {
    /// The outcomes of a job's elements, in order, with a record for each.
    ///
    /// The outcomes are walked several times, so their iterator must be cheap to clone, as that of
    /// `values.iter().map(ElementOutcome::Value)` is.
    pub fn new<I>(info: &'a RunInfo, outcomes: I, records: &'a [ElementRecord]) -> Self
    where
        I: IntoIterator<IntoIter = O>,
    {
        Self { info, outcomes: outcomes.into_iter(), records, parameters: None, context: None }
    }
}

impl<'a, O, P, C> ResultFile<'a, O, P, C> {
    /// Adds the elements' parameters: the inputs of a map, one per element.
    pub fn with_parameters<I: IntoIterator>(self, parameters: I) -> ResultFile<'a, O, I::IntoIter, C> {
        let Self { info, outcomes, records, context, .. } = self;
        ResultFile { info, outcomes, records, parameters: Some(parameters.into_iter()), context }
    }

    /// Adds the value that all elements shared.
    pub fn with_context<D>(self, context: &'a D) -> ResultFile<'a, O, P, D> {
        let Self { info, outcomes, records, parameters, .. } = self;
        ResultFile { info, outcomes, records, parameters, context: Some(context) }
    }
}

impl<'a, 'e, O, V, P, C> ResultFile<'a, O, P, C>
where
    O: ExactSizeIterator<Item = ElementOutcome<'e, V>> + Clone,
    V: Serialize + 'e,
    P: Iterator<Item: Serialize> + Clone,
    C: Serialize,
{
    /// Writes the file and returns its path. Missing directories are made.
    ///
    /// The file appears when it is complete and on the disk. One that exists is left alone unless
    /// [`SaveOptions::overwrite`] says otherwise.
    ///
    /// # Errors
    ///
    /// A [`SaveError`] that says what stands in the way. Nothing has been made or changed then, apart
    /// from missing directories.
    pub fn save(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<PathBuf, SaveError> {
        let path = path.as_ref();
        self.check_lengths()?;
        let staging = Staging::create(path, options.overwrite)?;
        let disk = Arc::new(Mutex::new(Disk::new(staging.file()?)));
        let file = driver::create(&disk).map_err(|error| SaveError::from_hdf5(path, &error))?;
        let storage = Storage { compression: options.compression, disk: &disk, table: None };
        let written = self.write(path, &file, ColumnWriter { storage });
        let closed = file.close();
        if let Some(failure) = driver::lock(&disk).take_failure() {
            return Err(SaveError::from_io("write", path, path, failure));
        }
        written?;
        closed.map_err(|error| SaveError::from_hdf5(path, &error))?;
        staging.publish()
    }

    fn check_lengths(&self) -> Result<(), SaveError> {
        let expected = self.outcomes.len();
        let parameters = self.parameters.as_ref().map_or(expected, |parameters| parameters.clone().count());
        for (what, got) in [("records", self.records.len()), ("parameters", parameters)] {
            if got != expected {
                return Err(SaveError::Mismatched { what, expected, got });
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, file: &Group, writer: ColumnWriter<'_>) -> Result<(), SaveError> {
        let hdf5 = |error: hdf5::Error| SaveError::from_hdf5(path, &error);
        let elements = self.outcomes.len();
        text_attribute(file, "format", "phalanx-results").map_err(hdf5)?;
        attribute(file, "format_version", &FORMAT_VERSION).map_err(hdf5)?;
        attribute(file, "elements", &(elements as u64)).map_err(hdf5)?;
        self.info.write(file, writer.storage).map_err(hdf5)?;

        let present: Vec<bool> =
            self.outcomes.clone().map(|o| matches!(o, ElementOutcome::Value(_))).collect();
        let present = present.contains(&false).then_some(present);
        let values = self.outcomes.clone().enumerate().filter_map(|(index, outcome)| match outcome {
            ElementOutcome::Value(value) => Some((index, value)),
            _ => None,
        });
        let values = column("value", values)?;
        writer.write(file, "values", values, &Layout::rows(elements, present)).map_err(hdf5)?;

        if let Some(parameters) = &self.parameters {
            let parameters = column("parameter", parameters.clone().enumerate())?;
            writer.write(file, "parameters", parameters, &Layout::rows(elements, None)).map_err(hdf5)?;
        }
        if let Some(context) = self.context {
            let context = column("context", std::iter::once((0, context)))?;
            writer.write(file, "context", context, &Layout::scalar()).map_err(hdf5)?;
        }
        let rows = self.records.iter().copied().zip(self.outcomes.clone());
        let group = file.create_group("elements").map_err(hdf5)?;
        element_table::write(&group, writer.storage, rows).map_err(hdf5)
    }
}

fn column<T: Serialize>(
    part: &'static str,
    rows: impl Iterator<Item = (usize, T)> + Clone,
) -> Result<Column, SaveError> {
    fill(Column::Unset, part, rows)
}

/// The column of all rows, which go on where `column` was left.
pub(crate) fn fill<T: Serialize>(
    column: Column,
    part: &'static str,
    rows: impl Iterator<Item = (usize, T)> + Clone,
) -> Result<Column, SaveError> {
    column.fill(rows).map_err(|(index, error)| SaveError::Unserializable {
        part,
        index,
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde::ser::Error as _;

    use super::*;

    /// Saves values, none of which failed.
    fn save<T: Serialize>(path: &Path, values: &[T], overwrite: bool) -> Result<PathBuf, SaveError> {
        let records = vec![ElementRecord::default(); values.len()];
        ResultFile::new(&RunInfo::default(), values.iter().map(ElementOutcome::Value), &records)
            .save(path, &SaveOptions { overwrite, ..Default::default() })
    }

    fn values(path: &Path) -> Vec<f64> {
        hdf5::File::open(path).unwrap().dataset("values").unwrap().read_raw().unwrap()
    }

    fn is_empty(directory: &Path) -> bool {
        std::fs::read_dir(directory).unwrap().next().is_none()
    }

    #[test]
    fn an_existing_file_changes_only_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.h5");
        save(&path, &[1.0], false).unwrap();
        let error = save(&path, &[2.0], false).unwrap_err();
        assert!(matches!(error, SaveError::AlreadyExists { .. }), "{error}");
        assert_eq!(values(&path), [1.0]);
        save(&path, &[2.0], true).unwrap();
        assert_eq!(values(&path), [2.0]);
    }

    struct Unwilling(u8);

    impl Serialize for Unwilling {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 == 2 {
                Err(S::Error::custom("two is private"))
            } else {
                serializer.serialize_u8(self.0)
            }
        }
    }

    #[test]
    fn a_value_that_cannot_be_serialised_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.h5");
        let error = save(&path, &[Unwilling(0), Unwilling(1), Unwilling(2)], false).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("the value of element 2") && message.contains("two is private"),
            "{message}"
        );
        assert!(is_empty(directory.path()));
    }

    #[test]
    fn lists_that_do_not_belong_together_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.h5");
        let (info, records) = (RunInfo::default(), [ElementRecord::default(); 2]);
        let file = ResultFile::new(&info, [ElementOutcome::Value(1)], &records);
        let error = file.save(&path, &SaveOptions::default()).unwrap_err();
        assert!(matches!(error, SaveError::Mismatched { what: "records", expected: 1, got: 2 }), "{error}");
        let file = ResultFile::new(&info, [ElementOutcome::Value(1)], &records[..1]);
        let file = file.with_parameters(&[1, 2, 3]);
        let error = file.save(&path, &SaveOptions::default()).unwrap_err();
        assert!(
            matches!(error, SaveError::Mismatched { what: "parameters", expected: 1, got: 3 }),
            "{error}"
        );
        assert!(is_empty(directory.path()));
    }

    #[test]
    fn threads_save_at_the_same_time() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let path = directory.path().join(format!("{thread}.h5"));
                scope.spawn(move || {
                    for round in 0..10u8 {
                        let column = vec![f64::from(thread) + f64::from(round); 1000];
                        save(&path, &column, true).unwrap();
                        assert_eq!(values(&path), column);
                    }
                });
            }
        });
    }
}
