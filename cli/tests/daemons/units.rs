//! The systemd units in `deploy/`: systemd itself says whether they are right, where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::cluster::{Cluster, Running, eventually, program};

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

/// The values of a setting.
fn settings<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// Starts what a unit would for a profile: the words of its command, and its own variables' words.
fn start(cluster: &Cluster, unit: &str, profile: &str) -> Running {
    let text = fs::read_to_string(deploy().join(unit)).unwrap().replace("%i", profile);
    let [line] = settings(&text, "ExecStart")[..] else { panic!("{unit} has one command") };
    let variables: Vec<_> =
        settings(&text, "Environment").iter().filter_map(|v| v.trim_matches('"').split_once('=')).collect();
    let mut words = line.split_whitespace();
    let name = words.next().and_then(|path| path.strip_prefix("/usr/local/bin/")).unwrap();
    let mut command = cluster.command(program(name));
    for word in words {
        match word.strip_prefix('$') {
            Some(name) => {
                let found = variables.iter().find(|(known, _)| *known == name);
                let (_, value) = found.unwrap_or_else(|| panic!("{unit} does not set {name}"));
                command.args(value.split_whitespace());
            }
            None => {
                command.arg(word);
            }
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap_or_else(|e| panic!("{unit}: {line}: {e}")))
}

#[test]
fn what_the_units_start_is_a_cluster_of_the_profile() {
    let cluster = Cluster::new();
    let engines = || {
        let (code, out, _) = cluster.phalanx(&["status", "--profile", "units", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&out).ok().filter(|_| code == Some(0))?;
        status["engines"].as_array().map(Vec::len)
    };
    let _controller = start(&cluster, UNITS[0], "units");
    eventually("the controller answers", || engines().is_some());
    let _engine = start(&cluster, UNITS[1], "units");
    eventually("there are engines", || engines().is_some_and(|n| n > 0));

    // A second one is not to be started again and again: systemd is told how it says that it is too many.
    let mut second = start(&cluster, UNITS[0], "units");
    let code = second.0.wait().unwrap().code().unwrap();
    let text = fs::read_to_string(deploy().join(UNITS[0])).unwrap();
    assert_eq!(settings(&text, "RestartPreventExitStatus"), [code.to_string()]);
}

#[test]
fn daemons_that_fail_are_started_again() {
    for unit in UNITS {
        let text = fs::read_to_string(deploy().join(unit)).unwrap();
        assert_eq!(settings(&text, "Restart"), ["on-failure"], "{unit}");
        assert_eq!(settings(&text, "RestartSec").len(), 1, "{unit}");
        assert_eq!(settings(&text, "KillMode"), ["mixed"], "{unit}: its workers are the daemon's to end");
    }
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
