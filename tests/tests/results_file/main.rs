//! What `save` writes, read by somebody else's library: h5py compares every value, parameter and record (`check.py`).

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has h5py.
fn python() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-venv/bin/python");
    let python = std::env::var_os("PHALANX_H5PY_PYTHON").map_or_else(beside, PathBuf::from);
    let works =
        Command::new(&python).args(["-c", "import h5py"]).output().is_ok_and(|out| out.status.success());
    assert!(works, "{} has no h5py: run `make setup`", python.display());
    python
}

#[test]
fn every_value_parameter_and_record() {
    let python = python();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let saved = Command::new(env!("CARGO_BIN_EXE_results"))
        .arg("save")
        .arg(folder.path())
        .output()
        .expect("it starts");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let names = String::from_utf8_lossy(&saved.stdout).into_owned();
    let expected = [
        "numbers",
        "integers",
        "tuples",
        "arrays",
        "matrices",
        "ragged",
        "texts",
        "structs",
        "direct",
        "failed",
        "shared",
        "shared-direct",
        "shared-failed",
    ];
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results_file/check.py");
    let checked =
        Command::new(python).arg(script).arg(folder.path()).args(expected).output().expect("Python starts");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.lines().collect::<Vec<_>>(), expected, "{stderr}");
}

/// The comparison can fail: a single value that is off is found.
#[test]
fn a_wrong_value_is_found() {
    let python = python();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let saved = Command::new(env!("CARGO_BIN_EXE_results"))
        .arg("save")
        .arg(folder.path())
        .output()
        .expect("it starts");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results_file/check.py");
    for (name, key) in [
        ("numbers", "values"),
        ("structs", "parameters"),
        ("direct", "engines"),
        ("failed", "errors"),
        ("shared", "context"),
    ] {
        let path = folder.path().join(format!("{name}.json"));
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let place = if key == "context" { &mut json[key]["count"] } else { &mut json[key][7] };
        *place = if key == "errors" { "other".into() } else { 12_345.into() };
        std::fs::write(&path, json.to_string()).unwrap();
        let checked =
            Command::new(&python).arg(&script).arg(folder.path()).arg(name).output().expect("Python starts");
        let stderr = String::from_utf8_lossy(&checked.stderr);
        assert!(!checked.status.success() && stderr.contains("AssertionError"), "{name} {key}: {stderr}");
    }
}
