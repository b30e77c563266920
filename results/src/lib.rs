//! Results of Phalanx jobs in HDF5 files.
//!
//! [`ResultFile`] takes the outcomes of a job's elements (any serde type), their records, and if wanted
//! the parameters and the shared context, and saves them to one file that h5py, MATLAB, Julia or
//! `h5dump` read without this crate.
//!
//! ```
//! use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo, SaveOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("sums.h5");
//! let inputs = [1.0, 2.0, 3.0];
//! let sums = [10.0, 20.0, 30.0];
//! let records = [ElementRecord { engine: 0, attempt: 1, ..Default::default() }; 3];
//! let info = RunInfo { label: "get_sum".into(), ..Default::default() };
//!
//! let file = ResultFile::new(&info, sums.iter().map(ElementOutcome::Value), &records)
//!     .with_parameters(&inputs);
//! file.save(&path, &SaveOptions::default())?;
//!
//! let again = file.save(&path, &SaveOptions::default());
//! assert!(again.is_err_and(|error| error.to_string().contains("exists already")));
//! # Ok(())
//! # }
//! ```
//!
//! # What is in a file
//!
//! | path | what it is |
//! |---|---|
//! | `/` (attributes) | `format` = `phalanx-results`, `format_version`, `elements`, `job`, `label`, `program`, `phalanx_version`, `submitted_ns`, `received_ns`, `wall_seconds` |
//! | `/values` | the values, as below, one row per element |
//! | `/parameters` | the parameters, as below, one row per element; if they were given |
//! | `/context` | the shared context, as below but without the first axis; if it was given |
//! | `/elements/engine`, `attempt`, `chunk` | which engine ran the element, in which try, in which chunk |
//! | `/elements/started_ns`, `completed_ns` | of the element's chunk, nanoseconds since 1970 (UTC) by the engine's clock; 0: it did not |
//! | `/elements/ran_with` | how many elements of the chunk ran between these two times |
//! | `/elements/seconds` | (completed − started) / ran_with; NaN if a time is missing |
//! | `/elements/status` | an enumeration: `ok` = 0, `failed` = 1, `missing` = 2 |
//! | `/elements/error_kind`, `error` | what kind of error and its message; empty for others |
//! | `/chunks/size` | the number of elements of each chunk |
//! | `/engines/id`, `host` | the engines that took part, and where they ran |
//!
//! # Files of runs
//!
//! A [`RunFile`] is written while its run goes on, and has the same parts with these differences. Rows stand in the order in which they
//! came, until the run has ended: then in the order of the elements. All datasets of rows are chunked, compressed and extendable.
//!
//! | path | what it is |
//! |---|---|
//! | `/` (attributes) | also `complete` (every element has a value), `shared` (a hash of what all elements share), `shared_parameters` (that in JSON, unless it is long), `values_type` |
//! | `/parameters` | a row for every element, in their order, from the start |
//! | `/values`, `/elements/…` | a row for every element that was run; `/elements/element` says which, `/elements/session` in which session |
//! | `/sessions/job`, `program`, `submitted_ns`, `received_ns` | each time that the run was started |
//! | `/engines/session`, `id`, `host` | the engines, by session |
//! | `/run/identity`, `/run/encoded` | a hash of each element's parameters, and each value as it arrived: what it takes to go on |
//!
//! Before the first result `/values` is an empty dataset whose `encoding` is `absent`: of what type values are is not known then.
//! There is no `/context` and no `/chunks`. In numpy, the values in the order of the elements, of a run that may still go on:
//! `f["values"][:][np.argsort(f["elements/element"][:])]`.
//!
//! # How values are laid out
//!
//! The first axis is always the element. A row whose element failed or is missing holds NaN (floats), 0
//! (integers), false, an empty string or sequence, or the enumeration's `(absent)`: `status` tells.
//!
//! | a value that is | becomes |
//! |---|---|
//! | a number, a `bool` | a dataset of that type (`bool` as h5py stores it) |
//! | a string, a `char` | a dataset of variable-length UTF-8 strings |
//! | an array or tuple of one type, vectors that all have one length, bytes likewise | one more axis: `[f64; 3]` gives N × 3, nested ones more |
//! | vectors of numbers whose lengths differ | a dataset of variable-length rows; if the items are arrays, rows are flat and the attribute `item_shape` tells the items' shape |
//! | an `ndarray` array | one more axis per dimension; if shapes differ, a group with `shape` and flat variable-length `data` |
//! | a struct | a group with a dataset (or group) per field |
//! | a tuple of different types, an array of enums of up to 16 | a group with `0`, `1`, … |
//! | a map that has the same text keys in all rows | a group with a dataset per key |
//! | an `Option` | the value's own dataset, and beside it `NAME.is_some`, a `bool` per row |
//! | an enum without data | a dataset of an HDF5 enumeration |
//! | an enum with data | a group: `variant` (an enumeration), and per variant that carries data `data/VARIANT/rows` (which rows; flat indices if there are more axes) and `data/VARIANT/value` (their data, a row for each) |
//! | `()` | a dataset of zeros |
//! | a vector of structs | the axis of the vector is added to every field's dataset |
//! | anything else: ragged vectors of strings, maps whose keys differ, 128-bit integers, strings with NUL, rows of different types | a dataset of JSON strings |
//!
//! What is not plain data says so in the attribute `encoding`: `json`, `struct`, `tuple`, `map`, `enum`,
//! `ndarray`, `unit`, or `absent` (no row has a value, so its type is unknown: NaN). JSON has `serde_json`'s
//! forms, and `NaN`, `Infinity` and all digits of integers as Python's `json` reads them.
//!
//! # How it works
//!
//! `Column` takes the rows apart as serde presents them (`Appender`, `Members`), learning their shape;
//! `ColumnWriter` puts each leaf into a dataset, `Layout` knowing which cell belongs to which row;
//! `Storage` makes datasets; `Disk` takes HDF5's bytes (through `driver`) and remembers what the disk
//! refused; `Staging` sees to it that the file appears complete or not at all. Of a run's file, `Table` and `Series` know which
//! chunks are in it already, and `RunFile` when it is written anew. Columns are built one part at a time and freed once written, so memory holds the values at most once more.

mod appender;
mod column;
mod column_writer;
mod disk;
mod driver;
mod element;
mod element_table;
mod error;
mod journal;
mod json;
mod layout;
mod lengths;
mod members;
mod open_error;
mod open_file;
mod result_file;
mod row;
mod run_file;
mod run_header;
mod run_info;
mod run_lock;
mod run_slot;
mod run_tables;
mod scalars;
mod series;
mod staging;
mod storage;
mod stored_run;
mod summary;
mod table;
mod texts;

pub use element::{ElementOutcome, ElementRecord};
pub use error::SaveError;
pub use open_error::OpenError;
pub use result_file::{ResultFile, SaveOptions};
pub use row::{Recorded, Row};
pub use run_file::RunFile;
pub use run_header::{RunHeader, RunProgress, RunSession};
pub use run_info::RunInfo;
pub use run_slot::RunSlot;
pub use run_tables::values_type;
pub use stored_run::{StoredRow, StoredRun, read_numbers};
pub use summary::{DatasetSummary, EngineShare, Failure, FileSummary, Timings};
