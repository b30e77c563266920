//! What the workspace may depend on, where it is more than the compiler and `cargo deny` look at.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files below the workspace's crates whose name ends like this.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str().unwrap().ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    assert!(found.len() > 10, "the crates are elsewhere: {found:?}");
    found
}

/// Those that have this text, without the workspace's own path, and without this file.
fn that_say(ending: &str, text: &str) -> Vec<String> {
    let own = root().join("tests").join("tests").join("dependencies.rs");
    let mut found = files(ending);
    found.retain(|path| *path != own && fs::read_to_string(path).unwrap().contains(text));
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(root()).unwrap().display().to_string()).collect();
    names.sort();
    names
}

/// It is frozen upstream. One module uses it, so that one module changes when it has to go.
#[test]
fn bincode_stays_behind_one_module() {
    assert_eq!(that_say("Cargo.toml", "bincode"), ["codec/Cargo.toml"]);
    let users = that_say(".rs", "bincode::");
    assert!(!users.is_empty() && users.iter().all(|path| path.starts_with("codec/src/")), "{users:?}");
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("bincode = { version = \"=2.0.1\""), "it is pinned");
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    assert!(
        deny.contains("RUSTSEC-2025-0141") && deny.contains("bincode"),
        "what is known of it is recorded"
    );
}

/// Every crate takes its dependencies from one list, so that each has one version and one reason.
#[test]
fn versions_are_declared_once() {
    for manifest in files("Cargo.toml") {
        let text = fs::read_to_string(&manifest).unwrap();
        let tables =
            text.split("\n[").filter(|table| table.lines().next().unwrap().ends_with("dependencies]"));
        for line in tables.flat_map(|table| table.lines().skip(1)).filter(|line| line.contains('=')) {
            let shared = line.contains("workspace = true") || line.contains("path = ");
            assert!(shared || line.starts_with('#'), "{}: {line}", manifest.display());
        }
    }
}
