//! Opening a file of results, whatever it turns out to be.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use hdf5::types::{VarLenArray, VarLenUnicode};
use hdf5::{Attribute, Dataset, H5Type};

use crate::open_error::OpenError;
use crate::result_file::FORMAT_VERSION;

/// How every HDF5 file of Phalanx begins.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// A file that says it is of Phalanx. What is asked of it and not there makes it a damaged one.
pub(crate) struct OpenFile<'p> {
    path: &'p Path,
    root: hdf5::File,
}

impl<'p> OpenFile<'p> {
    pub(crate) fn open(path: &'p Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let mut signature = Vec::new();
        File::open(path).and_then(|f| f.take(8).read_to_end(&mut signature)).map_err(failed)?;
        if signature != SIGNATURE {
            return Err(OpenError::NotHdf5 { path: path.to_owned() });
        }
        hdf5::silence_errors(true);
        let root = hdf5::File::open(path).map_err(|error| OpenError::damaged(path, error))?;
        let file = Self { path, root };
        let foreign =
            |message: &str| OpenError::Foreign { path: path.to_owned(), message: message.to_owned() };
        match file.attr("format").and_then(|attr| attr.read_scalar::<VarLenUnicode>()) {
            Ok(format) if format.as_str() == "phalanx-results" => {}
            Ok(format) => return Err(foreign(&format!("its attribute `format` is \"{format}\""))),
            Err(_) => return Err(foreign("it has no attribute `format`")),
        }
        match file.number::<u32>("format_version")? {
            found if found > FORMAT_VERSION => {
                Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT_VERSION })
            }
            _ => Ok(file),
        }
    }

    pub(crate) fn root(&self) -> &hdf5::Group {
        &self.root
    }

    pub(crate) fn damaged(&self, message: impl ToString) -> OpenError {
        OpenError::damaged(self.path, message)
    }

    /// That something is there which only some files have.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.root.link_exists(name)
    }

    fn attr(&self, name: &str) -> hdf5::Result<Attribute> {
        self.root.attr(name)
    }

    pub(crate) fn number<T: H5Type>(&self, name: &str) -> Result<T, OpenError> {
        let read = self.attr(name).and_then(|attr| attr.read_scalar());
        read.map_err(|error| self.damaged(format!("attribute `{name}`: {error}")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, OpenError> {
        Ok(self.number::<VarLenUnicode>(name)?.as_str().to_owned())
    }

    pub(crate) fn dataset(&self, name: &str) -> Result<Dataset, OpenError> {
        self.root.dataset(name).map_err(|error| self.damaged(format!("/{name}: {error}")))
    }

    /// All values of a dataset; as many as `rows`, if that is given.
    pub(crate) fn values<T: H5Type>(&self, name: &str, rows: Option<usize>) -> Result<Vec<T>, OpenError> {
        let values: Vec<T> =
            self.dataset(name)?.read_raw().map_err(|error| self.damaged(format!("/{name}: {error}")))?;
        match rows {
            Some(rows) if rows != values.len() => {
                Err(self.damaged(format!("/{name} has {} rows where {rows} belong", values.len())))
            }
            _ => Ok(values),
        }
    }

    pub(crate) fn texts(&self, name: &str, rows: Option<usize>) -> Result<Vec<String>, OpenError> {
        let texts = self.values::<VarLenUnicode>(name, rows)?;
        Ok(texts.iter().map(|text| text.as_str().to_owned()).collect())
    }

    /// Rows of bytes: of one length, of differing lengths, or none at all (then empty ones).
    pub(crate) fn bytes(&self, name: &str, rows: usize) -> Result<Vec<Vec<u8>>, OpenError> {
        let dataset = self.dataset(name)?;
        let failed = |error: hdf5::Error| self.damaged(format!("/{name}: {error}"));
        match dataset.shape()[..] {
            [found] if found == rows && dataset.attr("encoding").is_ok() => Ok(vec![Vec::new(); rows]),
            [found] if found == rows => {
                let cells = dataset.read_raw::<VarLenArray<u8>>().map_err(failed)?;
                Ok(cells.iter().map(|cell| cell.to_vec()).collect())
            }
            [found, 0] if found == rows => Ok(vec![Vec::new(); rows]),
            [found, length] if found == rows => {
                let bytes = dataset.read_raw::<u8>().map_err(failed)?;
                Ok(bytes.chunks_exact(length).map(<[u8]>::to_vec).collect())
            }
            _ => {
                Err(self.damaged(format!("/{name} has shape {:?} where {rows} rows belong", dataset.shape())))
            }
        }
    }
}
