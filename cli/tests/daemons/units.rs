//! The systemd units in `deploy/`: systemd itself says whether they are right, where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cluster::program;

const UNITS: [&str; 2] = ["phalanx-controller@.service", "phalanx-engine@.service"];

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// The units as they would be installed here, with this build's programs.
fn installed(change: impl Fn(String) -> String) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let programs = program("").display().to_string();
    for unit in UNITS {
        let text = fs::read_to_string(deploy().join(unit)).unwrap().replace("/usr/local/bin/", &programs);
        fs::write(dir.path().join(unit), change(text)).unwrap();
    }
    dir
}

/// What systemd has against them; `None` when it is not installed.
fn complaints(dir: &TempDir, manager: &str) -> Option<String> {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", manager]).args(UNITS.map(|unit| dir.path().join(unit)));
    match command.env("XDG_RUNTIME_DIR", dir.path()).output() {
        Ok(output) => Some(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            if output.status.success() { "" } else { "it failed\n" }
        )),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => panic!("systemd-analyze: {e}"),
    }
}

#[test]
fn systemd_accepts_the_units_for_users_and_for_machines() {
    for name in ["controller", "engine"] {
        assert!(program(name).is_file(), "{name} is missing: cargo build --workspace --bins");
    }
    let units = installed(|text| text);
    for manager in ["--user", "--system"] {
        match complaints(&units, manager) {
            Some(complaints) => assert_eq!(complaints, "", "{manager}"),
            None => {
                eprintln!(
                    "systemd-analyze is not installed: the units' syntax is checked, their meaning is not"
                );
                UNITS.iter().for_each(|unit| check_syntax(unit));
            }
        }
    }
}

#[test]
fn a_misspelt_setting_would_be_noticed() {
    let units = installed(|text| text.replace("KillMode=", "KillMood="));
    let complaints = complaints(&units, "--system").unwrap_or_else(|| "KillMood".to_owned());
    assert!(complaints.contains("KillMood"), "{complaints}");
}

/// Sections, settings, comments and nothing else; the three sections are there.
fn check_syntax(unit: &str) {
    let text = fs::read_to_string(deploy().join(unit)).unwrap();
    let mut sections = Vec::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            Some(section) => sections.push(section),
            None => {
                let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{unit}: {line}"));
                assert!(
                    key.chars().all(|c| c.is_ascii_alphanumeric()) && !sections.is_empty(),
                    "{unit}: {line}"
                );
            }
        }
    }
    assert_eq!(sections, ["Unit", "Service", "Install"], "{unit}");
    assert!(text.contains("\nExecStart=/"), "{unit} starts nothing");
}
