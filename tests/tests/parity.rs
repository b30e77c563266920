//! Each row of docs/PARITY.md names tests, and they are there.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The names of all functions in the workspace's sources.
fn functions(root: &Path) -> HashSet<String> {
    let crates = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = crates.filter(|folder| folder.join("Cargo.toml").is_file()).collect();
    let mut names = HashSet::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let after = text.split("fn ").skip(1);
                names.extend(after.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn every_row_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let functions = functions(root);
    let table = fs::read_to_string(root.join("docs").join("PARITY.md")).unwrap();
    let (rows, _) = table.split_once("## Left out").expect("what is left out stands at the end");
    let mut count = 0;
    for row in rows.lines().filter(|row| row.starts_with("| ") && !row.starts_with("| ipyparallel 9")) {
        let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        // A row that refers to another one names what it adds.
        assert!(!tests.is_empty(), "no test is named: {row}");
        let is_there = |test: &&str| match test.rsplit_once("::") {
            Some((_, name)) => functions.contains(name),
            None => functions.contains(*test) || !test.contains('_'),
        };
        let missing: Vec<_> = tests.into_iter().filter(|test| !is_there(test)).collect();
        assert!(missing.is_empty(), "{missing:?} of {row}");
        count += 1;
    }
    assert!(count > 70, "{count} rows were read");
}
