//! Saving where there is too little room: one clear error, nothing left behind, and never a broken file.
//!
//! The tests proper run in child processes: one on a file system of 1 MiB of its own, one whose files may
//! not grow beyond 1 MiB.

#![allow(clippy::unwrap_used, reason = "a test panics when something is not as it must be")]

use std::path::{Path, PathBuf};
use std::process::Command;

use phalanx_results::{
    ElementOutcome, ElementRecord, Recorded, ResultFile, Row, RunHeader, RunInfo, RunProgress, RunSlot,
    SaveError, SaveOptions, StoredRun,
};
use serde::Serialize;

const DIRECTORY: &str = "PHALANX_TEST_SMALL_DIRECTORY";

fn small_directory() -> PathBuf {
    std::env::var_os(DIRECTORY).expect("run by the tests of this file, with a directory").into()
}

fn save<T: Serialize>(path: &Path, values: &[T], compression: Option<u8>) -> Result<PathBuf, SaveError> {
    let records = vec![ElementRecord::default(); values.len()];
    ResultFile::new(&RunInfo::default(), values.iter().map(ElementOutcome::Value), &records)
        .save(path, &SaveOptions { overwrite: true, compression })
}

/// The error is the right one, no file is left, and HDF5 has let go of the file it could not write.
fn assert_no_room(path: &Path, result: Result<PathBuf, SaveError>) {
    let error = result.expect_err("there is not that much room");
    assert!(matches!(error, SaveError::NoSpace { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("free some space") && message.contains("results.h5"), "{message}");
    let directory = path.parent().expect("a directory");
    let list =
        |path: &Path| std::fs::read_dir(path).expect("a directory").flatten().map(|entry| entry.path());
    let left: Vec<_> = list(directory).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let open: Vec<_> =
        list(Path::new("/proc/self/fd")).filter_map(|file| std::fs::read_link(file).ok()).collect();
    assert!(open.iter().all(|file| !file.starts_with(directory)), "still open: {open:?}");
}

#[test]
#[ignore = "run by the other tests of this file, where there is little room"]
fn child_saves_too_much() {
    let path = small_directory().join("results.h5");
    let mut state = 1u64;
    let noise: Vec<u64> = (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 31)
        })
        .collect();
    for _ in 0..3 {
        assert_no_room(&path, save(&path, &noise, None));
        assert_no_room(&path, save(&path, &noise, Some(1)));
        let texts: Vec<String> = noise[..100_000].iter().map(u64::to_string).collect();
        assert_no_room(&path, save(&path, &texts, None));
        let ragged: Vec<&[u64]> = noise.chunks(7).take(20_000).collect();
        assert_no_room(&path, save(&path, &ragged[1..], None));
        save(&path, &noise[..10], None).expect("room for ten numbers");
        std::fs::remove_file(&path).unwrap();
    }
}

/// Wherever the room ends, in the data or in what HDF5 writes last: the file is whole, or there is none.
#[test]
#[ignore = "run by the other tests of this file, where there is little room"]
fn child_saves_just_enough() {
    let path = small_directory().join("results.h5");
    let (mut saved, mut refused) = (0, 0);
    for elements in (1_000..24_000).step_by(250).chain((20_800..21_400).step_by(7)) {
        let values: Vec<f64> = (0..elements).map(f64::from).collect();
        match save(&path, &values, None) {
            Ok(_) => {
                let file = hdf5::File::open(&path).unwrap();
                assert_eq!(file.dataset("values").unwrap().read_raw::<f64>().unwrap(), values);
                let errors = file.dataset("elements/error").unwrap();
                assert_eq!(errors.shape(), [values.len()]);
                drop((errors, file));
                std::fs::remove_file(&path).unwrap();
                saved += 1;
            }
            failed => {
                assert_no_room(&path, failed);
                refused += 1;
            }
        }
    }
    assert!(saved > 20 && refused > 20, "the room must end within these sizes: {saved} saved, {refused} not");
}

struct Noise(u64);

impl Recorded for Noise {
    type Value<'a> = u64;

    fn row(&self) -> Row<'_> {
        Row {
            element: 0,
            session: 0,
            failure: None,
            encoded: b"as it came",
            record: ElementRecord::default(),
        }
    }

    fn value(&self) -> Option<u64> {
        Some(self.0)
    }
}

/// A run's file that cannot grow holds what it held, opens, and grows again when there is room.
#[test]
#[ignore = "run by the other tests of this file, where there is little room"]
fn child_appends_too_much() {
    let (path, ballast) = (small_directory().join("run.h5"), small_directory().join("ballast"));
    std::fs::write(&ballast, vec![1; 300_000]).unwrap();
    let header = RunHeader { elements: vec![0], ..Default::default() };
    let (progress, options) = (RunProgress::default(), SaveOptions::default());
    let mut rows = vec![Noise(1)];
    let mut run = RunSlot::take(&path).unwrap().create(header, &[0], &progress, &rows, &options).unwrap();
    let mut held = rows.len();
    let mut refused = 0;
    while refused < 5 {
        assert!(rows.len() < 200_000, "the room must end");
        let first = rows.len() as u64;
        rows.extend((0..5_000).map(|i| Noise((first + i).wrapping_mul(0x9E37_79B9_7F4A_7C15))));
        match run.append(&progress, &rows) {
            Ok(()) => held = rows.len(),
            Err(error) => {
                assert!(matches!(error, SaveError::NoSpace { .. }), "{error:?}");
                refused += 1;
            }
        }
        assert_eq!(StoredRun::read(&path).unwrap().rows.len(), held);
    }
    assert!(held > 1);
    std::fs::remove_file(&ballast).unwrap();
    let file_system = rustix::fs::statvfs(small_directory()).unwrap();
    // Where it is files that may not grow, room beside them is of no use.
    if file_system.f_blocks * file_system.f_frsize <= 1 << 20 {
        // Writing it anew takes as much room again; adding to it does not.
        let now = rustix::fs::statvfs(small_directory()).unwrap();
        let room = (now.f_bavail * now.f_frsize) as usize;
        std::fs::write(&ballast, vec![1; room.checked_sub(150_000).unwrap()]).unwrap();
        let error = run.finish(&progress, &rows[..held + 1], false).unwrap_err();
        assert!(matches!(error, SaveError::NoSpace { .. }), "{error:?}");
        assert_eq!(StoredRun::read(&path).unwrap().rows.len(), held);
        run.append(&progress, &rows[..held + 1]).unwrap();
        assert_eq!(StoredRun::read(&path).unwrap().rows.len(), held + 1);
    }
    drop(run);
    std::fs::remove_file(&path).unwrap();
    let _ = std::fs::remove_file(&ballast);
}

/// Runs the children in a shell that has first run `prepare`, with the directory as `$1`.
fn run_children(command: &mut Command, directory: &Path) {
    for child in ["child_saves_too_much", "child_saves_just_enough", "child_appends_too_much"] {
        let output = Command::new(command.get_program())
            .args(command.get_args())
            .arg(std::env::current_exe().expect("the path of this test"))
            .arg(directory)
            .args(["--ignored", "--exact", "--nocapture", child])
            .env(DIRECTORY, directory)
            .output()
            .expect("the shell runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success() && text.contains("1 passed"), "{child}: {}\n{text}", output.status);
        assert!(!text.contains("HDF5-DIAG"), "HDF5 printed its own errors:\n{text}");
    }
}

#[test]
fn files_that_may_not_grow() {
    let directory = tempfile::tempdir().unwrap();
    // The shell counts in blocks of 512 bytes. Without the trap the kernel would end the process.
    let script = "trap '' XFSZ; ulimit -f 2048; test=$0; shift; exec \"$test\" \"$@\"";
    run_children(Command::new("sh").args(["-c", script]), directory.path());
}

#[test]
fn a_full_disk() {
    if std::env::var_os("PHALANX_TEST_NO_NAMESPACES").is_some() {
        eprintln!("a full disk is not tested: PHALANX_TEST_NO_NAMESPACES is set");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let namespace = ["--mount", "--map-root-user"];
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$1\"";
    let possible = Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", mount, "sh"])
        .arg(directory.path())
        .output();
    assert!(
        possible.as_ref().is_ok_and(|output| output.status.success()),
        "this test mounts a small file system in a namespace of its own, for which it needs root or user \
         namespaces; where there are none, say so by setting PHALANX_TEST_NO_NAMESPACES: {possible:?}"
    );
    let script = format!("{mount} && test=$0 && shift && exec \"$test\" \"$@\"");
    run_children(Command::new("unshare").args(namespace).args(["sh", "-c", &script]), directory.path());
}
