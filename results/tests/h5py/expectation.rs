//! What a file must hold, told to the Python script that looks.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard};

use phalanx_results::{ElementOutcome, ElementRecord, ResultFile, RunInfo, SaveOptions};
use serde::Serialize;
use serde_json::{Value, json};

/// A number as its little-endian bytes, with NumPy's name for its type.
pub(crate) trait Bits: Copy {
    const DTYPE: &'static str;
    fn bits(self) -> Vec<u8>;
}

macro_rules! bits {
    ($($type:ty = $dtype:literal)*) => {
        $(impl Bits for $type {
            const DTYPE: &'static str = $dtype;
            fn bits(self) -> Vec<u8> { self.to_le_bytes().to_vec() }
        })*
    };
}

bits! { i8 = "<i1" i16 = "<i2" i32 = "<i4" i64 = "<i8" u8 = "<u1" u16 = "<u2" u32 = "<u4" u64 = "<u8" f32 = "<f4" f64 = "<f8" }

impl Bits for bool {
    const DTYPE: &'static str = "?";
    fn bits(self) -> Vec<u8> {
        vec![self.into()]
    }
}

fn hex<T: Bits>(values: &[T]) -> String {
    values.iter().flat_map(|value| value.bits()).map(|byte| format!("{byte:02x}")).collect()
}

/// One file and everything that must be in it.
pub(crate) struct Expectation {
    directory: tempfile::TempDir,
    groups: Vec<&'static str>,
    datasets: serde_json::Map<String, Value>,
    attributes: Vec<Value>,
}

impl Expectation {
    pub(crate) fn new(groups: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, groups: groups.to_vec(), datasets: Default::default(), attributes: Vec::new() }
    }

    /// A file of these values, none of which failed.
    pub(crate) fn of_values<T: Serialize>(values: &[T]) -> Self {
        let outcomes: Vec<_> = values.iter().map(ElementOutcome::Value).collect();
        Self::of_outcomes(&outcomes)
    }

    pub(crate) fn of_outcomes<V: Serialize>(outcomes: &[ElementOutcome<'_, &V>]) -> Self {
        let expectation = Self::new(&["values"]);
        let records = vec![ElementRecord::default(); outcomes.len()];
        ResultFile::new(&RunInfo::default(), outcomes.iter().copied(), &records)
            .save(expectation.path(), &SaveOptions::default())
            .expect("saved");
        expectation
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("results.h5")
    }

    fn dataset(mut self, path: &str, dataset: Value) -> Self {
        assert!(self.datasets.insert(path.to_owned(), dataset).is_none(), "{path} is expected twice");
        self
    }

    pub(crate) fn fixed<T: Bits>(self, path: &str, shape: &[usize], values: &[T]) -> Self {
        let expected = json!({"kind": "fixed", "dtype": T::DTYPE, "shape": shape, "hex": hex(values)});
        self.dataset(path, expected)
    }

    pub(crate) fn text(self, path: &str, shape: &[usize], texts: &[&str]) -> Self {
        self.dataset(path, json!({"kind": "text", "shape": shape, "texts": texts}))
    }

    /// JSON texts; none where the cell is empty.
    pub(crate) fn json(self, path: &str, texts: &[Option<&str>]) -> Self {
        self.dataset(path, json!({"kind": "json", "shape": [texts.len()], "json": texts}))
    }

    pub(crate) fn ragged<T: Bits>(self, path: &str, shape: &[usize], cells: &[Vec<T>]) -> Self {
        let cells: Vec<String> = cells.iter().map(|cell| hex(cell)).collect();
        self.dataset(path, json!({"kind": "ragged", "dtype": T::DTYPE, "shape": shape, "cells": cells}))
    }

    pub(crate) fn enumeration(self, path: &str, shape: &[usize], names: &[&str]) -> Self {
        self.dataset(path, json!({"kind": "enumeration", "shape": shape, "names": names}))
    }

    pub(crate) fn attribute(mut self, path: &str, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(json!([path, name, value.into()]));
        self
    }

    /// Lets h5py compare, when values are in more places than `values`.
    pub(crate) fn check_with_groups(mut self, groups: &[&'static str]) {
        self.groups = groups.to_vec();
        self.check();
    }

    /// Lets h5py compare.
    pub(crate) fn check(self) {
        let expectation = json!({
            "path": self.path(),
            "groups": self.groups,
            "datasets": self.datasets,
            "attributes": self.attributes,
        });
        let verdict = Checker::shared().verdict(&expectation);
        assert!(verdict["ok"] == true, "h5py disagrees:\n{}", verdict["error"].as_str().unwrap_or_default());
    }
}

/// The Python process that looks into the files; one serves all tests, for h5py takes long to start.
struct Checker {
    expectations: ChildStdin,
    verdicts: Lines<BufReader<ChildStdout>>,
}

impl Checker {
    fn shared() -> MutexGuard<'static, Self> {
        static CHECKER: LazyLock<Mutex<Checker>> = LazyLock::new(|| Mutex::new(Checker::start()));
        CHECKER.lock().expect("no test has failed while Python was answering")
    }

    #[allow(clippy::zombie_processes, reason = "it ends with the tests, when its input is closed")]
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/h5py/check.py");
        let child = Command::new(python()).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("Python runs");
        let expectations = child.stdin.take().expect("a pipe");
        let verdicts = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { expectations, verdicts }
    }

    fn verdict(&mut self, expectation: &Value) -> Value {
        writeln!(self.expectations, "{expectation}").expect("Python listens");
        let line = self.verdicts.next().expect("Python answers").expect("in UTF-8");
        serde_json::from_str(&line).expect("in JSON")
    }
}

/// A Python that has h5py. Without one these tests fail: they are the only ones in which somebody else
/// reads our files.
fn python() -> PathBuf {
    let python = std::env::var_os("PHALANX_H5PY_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python"),
        PathBuf::from,
    );
    let found = Command::new(&python).args(["-c", "import h5py"]).output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "{} is no Python with h5py: run `make setup`, or name one in PHALANX_H5PY_PYTHON",
        python.display()
    );
    python
}
